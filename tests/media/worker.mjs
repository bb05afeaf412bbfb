// One file -> how its frames differ from ffmpeg's. Runs in a worker, as the engine does, with the engine's own reader.
//
// Comes in: a `File` and the SHA-256 that its reference is named by. Goes out: one answer, and before it a word after
// each window, so that who waits knows that it has not come to a stand.
import init, { OpenVideo } from "./media_frames.js";
import { decibels, meanSquare, thumbnail } from "./thumbnail.mjs";

/** How many bytes of frames are asked for at a time. */
const WINDOW_BYTES = 128 << 20;

const program = init();

self.onmessage = async ({ data: { file, sha256 } }) => {
  const started = performance.now();
  await program;
  const answer = await look(file, await reference(sha256));
  self.postMessage({ answer: { ...answer, seconds: (performance.now() - started) / 1000 } });
};

async function reference(sha256) {
  const [index, thumbnails] = await Promise.all(["json", "rgb"].map((ending) => fetch(`references/${sha256}.${ending}`)));
  return { ...(await index.json()), thumbnails: new Uint8Array(await thumbnails.arrayBuffer()) };
}

/** `refused` where the file does not open, `failed` where it opens and then cannot be decoded: the user's sentence. */
async function look(file, reference) {
  let video;
  try {
    video = await OpenVideo.open(file);
  } catch (error) {
    return { refused: String(error) };
  }
  const comparison = new Comparison(reference);
  const found = { codec: video.codec(), width: video.width(), height: video.height() };
  try {
    const times = await video.timestamps();
    comparison.expect(times.length);
    const window = Math.max(1, Math.floor(WINDOW_BYTES / (found.width * found.height * 3)));
    for (let from = 0; from < times.length; from += window) {
      const wanted = times.slice(from, from + window);
      const frames = await video.frames(wanted);
      for (const [place, frame] of frames.entries()) await comparison.add(from + place, wanted[place], frame);
      self.postMessage({});
    }
    return { ...found, ...comparison.result() };
  } catch (error) {
    return { ...found, ...comparison.result(), failed: String(error) };
  } finally {
    video.free();
  }
}

class Comparison {
  constructor({ frames, thumbnails }) {
    this.reference = frames;
    let from = 0;
    this.thumbnails = frames.map(({ thumbnail }) => thumbnails.subarray(from, (from += thumbnail)));
    Object.assign(this, { count: 0, identical: 0, worst: 0, worstAt: 0, sum: 0, compared: 0, late: 0, otherSizes: 0 });
  }

  expect(count) {
    this.expected = count;
  }

  /** The frame of the reference that belongs to ours: of the same number, or, where there are not as many, of the time. */
  counterpart(index, seconds) {
    if (this.expected === this.reference.length) return index;
    const distances = this.reference.map((frame) => Math.abs(frame.seconds - seconds));
    return distances.indexOf(Math.min(...distances));
  }

  async add(index, seconds, { width, height, rgb }) {
    this.count += 1;
    const at = this.counterpart(index, seconds);
    const other = this.reference[at];
    if (!other) return;
    this.late = Math.max(this.late, Math.abs(seconds - other.seconds));
    if (width !== other.width || height !== other.height) {
      this.otherSizes += 1;
      return;
    }
    if ((await hash(rgb)) === other.hash) this.identical += 1;
    const ours = thumbnail(rgb, width, height);
    const difference = meanSquare(ours, this.thumbnails[at]);
    this.sum += difference;
    this.compared += 1;
    if (difference > this.worst) {
      const likeness = this.thumbnails.map((one) => (one.length === ours.length ? meanSquare(ours, one) : Infinity));
      const likest = likeness.indexOf(Math.min(...likeness));
      Object.assign(this, { worst: difference, worstAt: index, likest });
    }
  }

  result() {
    const { count: frames, identical, worstAt, likest, otherSizes } = this;
    const measured = this.compared > 0 ? { worst: decibels(this.worst), mean: decibels(this.sum / this.compared) } : {};
    return { frames, identical, worstAt, likest, otherSizes, milliseconds: this.late * 1000, ...measured };
  }
}

async function hash(rgb) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", rgb));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
