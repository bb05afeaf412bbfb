// How long a training step stands still until its clips are decoded, a clip: in a first epoch that begins at once, in one
// that begins after the folder was decoded ahead, in the second epoch of the latter, and in one that decodes everything
// again because nothing may lie on disk. The model is so small that the wait is not hidden behind computing. Prints a
// Markdown table.
//
// usage: node benches/decoding.mjs [FOLDER…]   CLIPTUNE_DIST names another build, CHROMIUM another browser
//   Without a folder: UCF101's XviD files of ../shared/media, the same as H.264, and as H.264 of 1920 x 1080.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { ROOT, ffmpeg, openCliptune } from "../tests/e2e/browser.mjs";

const UCF101 = path.join(ROOT, "../shared/media/labelled/ucf101");
/** Of each video, so that an epoch has some steps. */
const COPIES = 3;
const ENCODED = {
  "XviD, 320 x 240": ["avi", ["-c", "copy"]],
  "H.264, 320 x 240": ["mp4", ["-c:v", "libx264", "-pix_fmt", "yuv420p"]],
  "H.264, 1920 x 1080": ["mp4", ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", "scale=1920:1080"]],
};

/** The same recordings in each encoding, below `place`. */
function encoded(place) {
  return Object.entries(ENCODED).map(([name, [extension, options]]) => {
    for (const label of readdirSync(UCF101)) {
      mkdirSync(path.join(place, name, label), { recursive: true });
      for (const clip of readdirSync(path.join(UCF101, label))) {
        const copy = (number) => path.join(place, name, label, `${path.parse(clip).name}_${number}.${extension}`);
        ffmpeg("-i", path.join(UCF101, label, clip), "-an", ...options, copy(1));
        for (let number = 2; number <= COPIES; number += 1) copyFileSync(copy(1), copy(number));
      }
    }
    return path.join(place, name);
  });
}

/** Runs so many epochs of the smallest model, and reads what the last one says of a clip. */
async function told(folder, { epochs, ahead = true, disk }) {
  const endings = [];
  try {
    const { page } = await openCliptune({ after: (ending) => endings.push(ending) }, { device: "cpu", size: "micro", epochs });
    if (disk !== undefined) await page.page.evaluate((disk) => localStorage.setItem("cliptune.disk", disk), disk);
    await page.chooseFolder(folder);
    await page.go("fine-tune");
    if (ahead) await page.by("decoded-ahead").filter({ hasText: /^([\d,]+) of \1 / }).waitFor({ timeout: 10 * 60_000 });
    await page.by("start-tuning").click();
    await page.tuned(30 * 60_000);
    return await Promise.all(["waiting", "computing"].map((name) => page.by(name).innerText()));
  } finally {
    for (const ending of endings.reverse()) await ending();
  }
}

const place = mkdtempSync(path.join(tmpdir(), "cliptune-decoding-"));
try {
  const folders = process.argv.length > 2 ? process.argv.slice(2) : encoded(place);
  console.log(`Waiting for a clip, on ${cpus().length} cores:\n`);
  console.log("| folder | first epoch, at once | first epoch, decoded ahead | second epoch | second epoch, nothing on disk | computing |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
  for (const folder of folders) {
    const [atOnce] = await told(folder, { epochs: "1", ahead: false });
    const [first] = await told(folder, { epochs: "1" });
    const [second, computing] = await told(folder, { epochs: "2" });
    const [again] = await told(folder, { epochs: "2", ahead: false, disk: "0" });
    console.log(`| ${[path.basename(folder), atOnce, first, second, again, computing].join(" | ")} |`);
  }
} finally {
  rmSync(place, { recursive: true, force: true, maxRetries: 5 });
}
