// All verdicts -> docs/media-support.md.

const KINDS = ["right", "differs", "damaged", "refused", "neither", "only here"];

export function table(files, browser, ffmpeg) {
  const of = (kind) => files.filter((file) => file.verdict.kind === kind);
  const wrong = files.filter((file) => file.verdict.wrong);
  return `# What opens

\`make media-support\` makes this table: every file of the media set, each of its frames decoded in ${browser} by the
engine's own reader and held against ffmpeg (${ffmpeg}). Right means: as many frames, in the same order, each at the
same time to 1 ms, of the same size, upright, and at least 40 dB alike (thumbnails of 64 pixels, area-averaged).
A video should open where ffmpeg decodes a frame of it and it is H.264, HEVC, VP8, VP9, AV1, MPEG-4 part 2 or MJPEG in
mp4, mov, m4v, 3gp, webm, mkv, mpeg-ts or avi. ${wrong.length === 0 ? "All of those open and are right." : `${wrong.length} of those do not, or are not right.`}
Of ${total(files, "frames")} frames that were decoded, ${total(files, "identical")} are ffmpeg's to the last bit.

${summary(files)}

## Not as ffmpeg shows them

${rows(files.filter((file) => file.verdict.wrong || file.verdict.kind === "differs" || file.verdict.kind === "only here"))}

## Damaged

Files of whose damage ffmpeg complains, too; it shows something in place of the pictures that are lost.

${rows(of("damaged"))}

## Refused, each with its reason

${rows(files.filter((file) => !file.verdict.wrong && (file.verdict.kind === "refused" || file.verdict.kind === "neither")))}

## Right

In brackets the number of frames, and how alike the least alike of them is.

${list(of("right"))}
`;
}

function summary(files) {
  const groups = grouped(files, ({ container, codec }) => `${container} | ${codec.replace(/^audio-only.*/, "sound only") || "damaged on purpose"}`);
  const line = (name, group) => `| ${name} | ${group.length} | ${KINDS.map((kind) => group.filter((file) => file.verdict.kind === kind).length || "").join(" | ")} |`;
  return [
    "| container | codec | files | right | differ | damaged | refused | ffmpeg cannot, either | ffmpeg cannot, we can |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...[...groups].sort(([one], [two]) => (one < two ? -1 : 1)).map(([name, group]) => line(name, group)),
    line("all | ", files),
  ].join("\n");
}

function total(files, what) {
  return files.reduce((sum, { answer }) => sum + (answer[what] ?? 0), 0);
}

function grouped(files, nameOf) {
  const groups = new Map();
  for (const file of files) groups.set(nameOf(file), [...(groups.get(nameOf(file)) ?? []), file]);
  return groups;
}

function rows(files) {
  if (files.length === 0) return "None.";
  const codec = ({ reference }) => (reference.frames.length > 0 ? reference.codec : "ffmpeg decodes nothing");
  return ["| file | codec | what is said or differs |", "| --- | --- | --- |", ...files.map((file) => `| ${file.path} | ${codec(file)} | ${file.verdict.why.replaceAll("|", "\\|")} |`)].join("\n");
}

/** Labelled sets in a line each; of the rest, every file. */
function list(files) {
  const groups = grouped(files, ({ path, reference }) => `${path.split("/").slice(0, path.startsWith("labelled/") ? 2 : 1).join("/")} in ${reference.codec}`);
  return [...groups].map(([name, group]) => `- ${name}: ${name.startsWith("labelled/") ? together(group) : group.map(alone).join(", ")}`).join("\n");
}

function together(group) {
  return `${group.length} files (${total(group, "frames")}; ${Math.min(...group.map((file) => file.answer.worst)).toFixed(1)} dB)`;
}

function alone({ path, answer }) {
  return `${path.split("/").at(-1)} (${answer.frames}; ${answer.worst.toFixed(1)} dB)`;
}
