// What ffmpeg makes of a video: the times, sizes, hashes and thumbnails of all frames that it shows.
//
// Comes in: a file and its SHA-256. Goes out: a reference in the cache folder, made once: `<sha256>.json`, and in
// `<sha256>.rgb` the thumbnails one after the other, each of as many bytes as its frame's `thumbnail` says. Frames pass
// through one at a time.
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { thumbnail } from "./thumbnail.mjs";

/** A folder in `cache` for references of this ffmpeg and this code; what others made is deleted. */
export async function referenceFolder(cache) {
  const sources = await Promise.all(["references.mjs", "thumbnail.mjs"].map((name) => readFile(new URL(name, import.meta.url))));
  const made = createHash("sha256").update(Buffer.concat(sources)).update(await ffmpegVersion()).digest("hex").slice(0, 8);
  await mkdir(path.join(cache, made), { recursive: true });
  for (const other of await readdir(cache)) if (other !== made) await rm(path.join(cache, other), { recursive: true });
  return path.join(cache, made);
}

/** The reference of `file`, from the cache in `folder` or made. `frames` is empty where ffmpeg decodes none; `complaint` is what it says of damage first. */
export async function reference(file, sha256, folder) {
  const index = path.join(folder, `${sha256}.json`);
  if (existsSync(index)) return JSON.parse(await readFile(index, "utf8"));
  const stream = await videoStream(file);
  const { thumbnails, ...told } = stream ? await decode(file) : { frames: [], thumbnails: [], complaint: "" };
  const made = { codec: stream?.codec_name ?? "", ...told };
  await writeFile(path.join(folder, `${sha256}.rgb`), Buffer.concat(thumbnails));
  // The index comes last and at once: where it is, all is.
  await writeFile(`${index}.part`, JSON.stringify(made));
  await rename(`${index}.part`, index);
  return made;
}

/** The first video stream that is not a cover picture, as ffprobe tells it. */
async function videoStream(file) {
  const options = ["-v", "quiet", "-select_streams", "V:0", "-show_entries", "stream=codec_name", "-of", "json", `file:${file}`];
  const answer = await promisify(execFile)("ffprobe", options).catch(() => undefined);
  return answer && JSON.parse(answer.stdout).streams?.[0];
}

/**
 * Decodes all frames, upright, each at its own time: `-fps_mode passthrough` neither doubles nor drops any. Colours are
 * taken where they are, as browsers do: ffmpeg would rather smooth them over their neighbours.
 */
async function decode(file) {
  const filter = "scale=flags=neighbor+accurate_rnd+full_chroma_int,format=rgb24,showinfo=checksum=0";
  const input = ["-hide_banner", "-nostdin", "-nostats", "-v", "level+info", "-i", `file:${file}`, "-map", "0:V:0", "-vf", filter];
  const output = ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
  const running = spawn("ffmpeg", [...input, ...output], { stdio: ["ignore", "pipe", "pipe"] });
  const complaints = [];
  const shown = shownFrames(running.stderr, complaints);
  const pixels = exactly(running.stdout);
  const frames = [];
  const thumbnails = [];
  for await (const { seconds, width, height } of shown) {
    const rgb = await pixels(width * height * 3);
    if (!rgb) break;
    const hash = createHash("sha256").update(rgb).digest("hex").slice(0, 16);
    const small = thumbnail(rgb, width, height);
    frames.push({ seconds, width, height, hash, thumbnail: small.length });
    thumbnails.push(small);
  }
  running.kill();
  return { frames: fromFirst(frames), thumbnails, complaint: complaints[0] ?? "" };
}

/** Time and size of each frame, as ffmpeg's `showinfo` filter logs them before it writes the frame; errors are set aside. */
async function* shownFrames(log, complaints) {
  let timeBase = NaN;
  for await (const line of createInterface({ input: log })) {
    const base = /showinfo.* config in time_base: (\d+)\/(\d+)/.exec(line);
    if (base) timeBase = base[1] / base[2];
    const frame = /showinfo.* pts: *(-?\d+|NOPTS) .* s:(\d+)x(\d+) /.exec(line);
    if (frame) yield { seconds: frame[1] * timeBase, width: Number(frame[2]), height: Number(frame[3]) };
    const complaint = /\[(?:error|fatal)\] (.*)/.exec(line);
    // Two frames at one time trouble only what would write a file.
    if (complaint && !complaint[1].includes("to muxer")) complaints.push(complaint[1].trim());
  }
}

/** A function that reads the next so many bytes of a stream, or undefined at its end. */
function exactly(stream) {
  const chunks = stream[Symbol.asyncIterator]();
  let [waiting, held] = [[], 0];
  return async (count) => {
    while (held < count) {
      const { value, done } = await chunks.next();
      if (done) return undefined;
      waiting.push(value);
      held += value.length;
    }
    const all = Buffer.concat(waiting);
    [waiting, held] = [[all.subarray(count)], held - count];
    return all.subarray(0, count);
  };
}

function fromFirst(frames) {
  const first = Math.min(...frames.map((frame) => frame.seconds));
  return frames.map((frame) => ({ ...frame, seconds: frame.seconds - first }));
}

/** Such as `5.1.9`. */
export async function ffmpegVersion() {
  const { stdout } = await promisify(execFile)("ffmpeg", ["-version"]);
  return /ffmpeg version ([\d.]+)/.exec(stdout)?.[1] ?? "of an unknown version";
}
