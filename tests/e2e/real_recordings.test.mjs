// Real recordings as they are: import, preview, a short fine-tune, classify. H.264 in mp4 (ARID), UCF101's own XviD in
// AVI with packed B-frames, and HEVC in mp4 (basketball), which this Chromium does not decode.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ROOT, sharedCliptune } from "./browser.mjs";

const open = sharedCliptune();

const RECORDINGS = path.join(ROOT, "../shared/media/labelled");

// Basketball's pictures are small enough for memory.
const ON_DISK = /^[1-9][\d.]* [MG]B$/;
for (const [set, codec, disk] of [["arid", "H.264", ON_DISK], ["ucf101", "XviD", ON_DISK], ["basketball", "HEVC", /^0 kB$/]]) {
  test(`real ${codec} recordings go through import, preview, fine-tuning and classification`, { timeout: 10 * 60_000 }, (t) => pass(t, path.join(RECORDINGS, set), disk));
}

async function pass(t, folder, disk) {
  if (!existsSync(folder)) return t.skip(`${folder} is absent`);
  const { page } = await open({ device: "cpu", size: "micro", epochs: "2" });
  await page.chooseFolder(folder);
  const classes = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  assert.deepEqual((await page.classes()).sort(), classes.sort());
  assert.deepEqual((await page.complaints()).blocked, []);

  await page.by("class-card").first().click();
  const canvas = page.by("preview-canvas").first();
  await canvas.waitFor();
  const colours = () => canvas.evaluate((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size);
  await page.page.waitForTimeout(500);
  assert.ok((await colours()) > 10, "the preview shows a picture");
  await page.page.keyboard.press("Escape");

  if (disk === ON_DISK) {
    await page.go("fine-tune");
    await page.page.getByTestId("decoded-ahead").filter({ hasText: /^([\d,]+) of \1 videos decoded ahead/ }).waitFor({ timeout: 2 * 60_000 });
  }
  await page.startTuning();
  await page.tuned(8 * 60_000);
  const losses = await page.losses();
  assert.ok(losses.length > 0 && losses.every(Number.isFinite), `losses: ${losses}`);
  for (const time of ["computing", "waiting"]) assert.match(await page.by(time).innerText(), /^[\d.]+ m?s$/);
  assert.match(await page.by("busy").innerText(), /^ ?\(\d+%\)$/);
  assert.match(await page.by("disk").innerText(), disk);
  const clip = readdirSync(path.join(folder, classes[0])).find((name) => /\.(mp4|avi)$/.test(name));
  const predictions = await page.classify(path.join(folder, classes[0], clip));
  assert.equal(predictions.length, Math.min(5, classes.length));
  assert.ok(predictions.every(({ label }) => classes.includes(label)));
  page.assertNothingUncaught();
}
