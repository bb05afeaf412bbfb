// What the run found about a file, and what issue and ffmpeg say about it -> whether that is right, and in which words.

const CONTAINERS = ["mp4", "mov", "m4v", "3gp", "3g2", "webm", "mkv", "mpegts", "avi"];
const CODECS = ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg"];
const LEAST_DECIBELS = 40;
const MOST_MILLISECONDS = 1;

/**
 * `kind`: `right`, `differs`, `refused` (though ffmpeg decodes it), `damaged` (one of these, and ffmpeg complains of damage
 * itself: what it makes up for lost pictures is nothing to be held against), `neither` (ffmpeg decodes nothing, either)
 * or `only here`. `wrong`: not as it has to be. `why`: in words.
 */
export function verdict({ container, reference: { codec, frames, complaint }, answer }) {
  const lost = answer.hung ?? answer.crashed;
  const reason = lost ?? answer.refused ?? (answer.failed && `opens, then: ${answer.failed}`);
  if (frames.length === 0 && reason) return { kind: "neither", wrong: Boolean(lost), why: reason };
  if (frames.length === 0) return { kind: "only here", wrong: false, why: `${count(answer.frames)} here, none by ffmpeg` };
  const why = reason ?? differences(frames, answer).join("; ");
  if (!why) return { kind: "right", wrong: false, why };
  const wanted = CONTAINERS.includes(container) && CODECS.includes(codec);
  if (wanted && complaint && !lost) return { kind: "damaged", wrong: false, why: `${why} (ffmpeg: ${complaint})` };
  return { kind: reason ? "refused" : "differs", wrong: wanted || Boolean(lost), why };
}

function differences(frames, answer) {
  const found = [];
  if (answer.frames !== frames.length) found.push(`${count(answer.frames)}, not ${frames.length}`);
  if (answer.milliseconds > MOST_MILLISECONDS) found.push(`up to ${answer.milliseconds.toFixed(1)} ms off`);
  if (answer.otherSizes > 0) found.push(`${count(answer.otherSizes)} of another size than ${frames[0].width}x${frames[0].height}`);
  else if (answer.width !== frames[0].width || answer.height !== frames[0].height) found.push(`said to be ${answer.width}x${answer.height}, is ${frames[0].width}x${frames[0].height}`);
  if (answer.worst < LEAST_DECIBELS) {
    const like = answer.likest !== answer.worstAt ? `, more like ${answer.likest}` : "";
    found.push(`frame ${answer.worstAt} at ${answer.worst.toFixed(1)} dB${like} (mean ${answer.mean.toFixed(1)} dB)`);
  }
  return found;
}

function count(frames) {
  return frames === 1 ? "1 frame" : `${frames} frames`;
}

/** One line for the terminal. */
export function describe({ path, reference, answer, verdict }) {
  const numbers = verdict.kind === "right" ? `${count(answer.frames)}, worst ${answer.worst.toFixed(1)} dB` : verdict.why;
  const took = answer.seconds === undefined ? "" : `, ${answer.seconds.toFixed(1)} s`;
  return `${verdict.wrong ? "WRONG " : ""}${verdict.kind}: ${path} (${reference.codec || "no video"}): ${numbers}${took}`;
}
