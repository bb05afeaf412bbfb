// Folders that cannot be used, or only in part: each gets a clear sentence, and the page goes on working.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ffmpeg, sharedCliptune, temporaryFolder } from "./browser.mjs";
import { linkedFolder, sampleClips, smallFolder } from "./folders.mjs";
import { longTasks, watchTasks } from "./tasks.mjs";

const open = sharedCliptune();

/** A folder that is as it should be is taken after one that was not. */
async function assertGoesOn(t, page) {
  await page.chooseFolder(smallFolder(temporaryFolder(t), { Grow: 4, Shrink: 4, SlideUp: 4 }));
  assert.equal((await page.classes()).length, 3);
  page.assertNothingUncaught();
}

/** A broken file beside clips that can be used, so that the one does not stop the other. */
const beside = (name, write) => (root) => {
  smallFolder(root, { SlideLeft: 4, SlideUp: 4 });
  write(path.join(root, "SlideUp", name));
};

// What each folder holds, and what the page must say about it.
const CASES = {
  "an empty folder": { make: (root) => root, says: /no video|empty|no file/i, classes: 0 },
  "a folder without videos": {
    make: (root) => {
      mkdirSync(path.join(root, "Notes"));
      writeFileSync(path.join(root, "Notes/list.txt"), "nothing to see\n");
      writeFileSync(path.join(root, "readme.md"), "# nothing\n");
    },
    says: /no video/i,
    classes: 0,
  },
  "one class only": { make: (root) => smallFolder(root, { SlideLeft: 6 }), says: /(one|second|two|another) class|classes/i, classes: 1 },
  "classes with one clip": { make: (root) => smallFolder(root, { SlideLeft: 1, SlideUp: 1 }), says: /\b(one|single|1|more)\b/i, classes: 2 },
  "a zero-byte file": { make: beside("empty.mp4", (file) => writeFileSync(file, "")), says: /empty\.mp4/, classes: 2, unusable: 1 },
  "a truncated mp4": {
    make: beside("cut.mp4", (file) => {
      ffmpeg("-f", "lavfi", "-i", "testsrc=size=128x96:rate=15:duration=3", "-c:v", "libx264", "-pix_fmt", "yuv420p", file);
      // The index is at the end; without it no packet can be found.
      writeFileSync(file, readFileSync(file).subarray(0, 4000));
    }),
    says: /cut\.mp4/,
    classes: 2,
    unusable: 1,
  },
  "a text file named .mp4": { make: beside("letter.mp4", (file) => writeFileSync(file, "Dear reader,\n".repeat(200))), says: /letter\.mp4/, classes: 2, unusable: 1 },
  "an audio-only mp4": {
    make: beside("song.mp4", (file) => ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", file)),
    says: /song\.mp4/,
    classes: 2,
    unusable: 1,
  },
};

test("each folder that cannot be used, or only in part, gets a clear sentence, and the next one is taken", { timeout: 5 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  for (const [name, { make, says, classes, unusable = 0 }] of Object.entries(CASES)) {
    await t.test(name, async (t) => {
      const folder = temporaryFolder(t);
      make(folder);
      await page.chooseFolder(folder);
      const { all, files } = await page.complaints();
      t.diagnostic(all);
      assert.match(all, says);
      assert.equal((await page.classes()).length, classes);
      if (unusable > 0) assert.equal(files.length, unusable, "only the broken file is listed");
    });
  }
  await assertGoesOn(t, page);
});

test("2 000 files are imported, and the page goes on working", { timeout: 6 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const folder = linkedFolder(temporaryFolder(t), { SlideLeft: 999, SlideUp: 999 });
  const watched = await watchTasks(page.page);
  await page.chooseFolder(folder);
  t.diagnostic(`tasks over 50 ms on the page's thread: ${JSON.stringify(longTasks(await watched()))}`);
  assert.match(await page.page.locator(".totals").textContent(), /\b(1[, ]?99[89]|2[, ]?000)\b/);
  assert.ok((await page.classes()).includes("SlideLeft") && (await page.classes()).includes("SlideUp"));
  await assertGoesOn(t, page);
});

test("odd file names are shown as they are and never run as markup", { timeout: 4 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu", size: "micro", epochs: "1" });
  const folder = temporaryFolder(t);
  const labels = ["Slide \"left\" & 'so on'", "<script>window.ran=true 🎬", "<img src=x onerror=window.ran=true>"];
  for (const [index, label] of labels.entries()) {
    mkdirSync(path.join(folder, label));
    const clips = sampleClips("train", ["SlideLeft", "SlideUp", "Grow"][index], 5);
    for (const [number, clip] of clips.entries()) copyFileSync(clip, path.join(folder, label, `a 'b' "c" <script> 🎥 ${number}.webm`));
  }
  writeFileSync(path.join(folder, labels[0], "<b>broken \"file\" 💥.mp4"), "");
  await page.chooseFolder(folder);
  assert.deepEqual((await page.classes()).sort(), [...labels].sort());
  assert.match((await page.complaints()).files.join(), /<b>broken "file" 💥\.mp4/);
  await page.startTuning();
  await page.tuned();
  const predictions = await page.classify(path.join(folder, labels[1], "a 'b' \"c\" <script> 🎥 0.webm"));
  assert.ok(predictions.every(({ label }) => labels.includes(label)));
  assert.equal(await page.page.evaluate(() => window.ran), undefined);
  page.assertNothingUncaught();
});
