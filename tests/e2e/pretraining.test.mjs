// A folder without labels: learnt from, and then fine-tuned from on one with labels.
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openCliptune, temporaryFolder } from "./browser.mjs";
import { sampleClips, smallFolder } from "./folders.mjs";

test("a model learns from videos without labels, and fine-tuning starts from it", { timeout: 4 * 60_000 }, async (t) => {
  const { page } = await openCliptune(t, { device: "cpu", size: "micro", epochs: "1" });
  const folder = temporaryFolder(t);
  const clips = ["Grow", "SlideLeft"].flatMap((label) => sampleClips("train", label, 6));
  clips.forEach((clip, number) => copyFileSync(clip, path.join(folder, `holiday ${number}.webm`)));
  await page.chooseFolder(folder);
  assert.equal(await page.by("to-tuning").count(), 0, "nothing here can be fine-tuned on");
  await page.page.getByText("12 videos here need no label").waitFor();
  await page.by("to-pretraining").click();

  // A value that makes no sense is refused beside its field.
  const field = (name) => page.page.locator(`#${name}`);
  await field("mask_ratio").fill("1.5");
  await field("mask_ratio").blur();
  await page.page.locator("#mask_ratio-hint", { hasText: "0.9 is the paper's" }).waitFor();
  assert.ok(await page.by("start-pretraining").isDisabled());
  await field("mask_ratio").fill("0.9");
  await field("epochs").fill("30");
  await field("batch").fill("4");
  await field("batch").blur();
  await page.by("start-pretraining").click();

  // Held and let go on.
  await page.stepsDone(5);
  await page.by("pause-tuning").click();
  await page.page.getByText("Paused", { exact: true }).waitFor();
  await page.by("pause-tuning").click();
  await page.by("tune-from-learnt").waitFor({ timeout: 120_000 });
  const losses = await page.losses();
  assert.equal(losses.length, 30 * 3);
  const mean = (some) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
  const [first, last] = [mean(losses.slice(0, 9)), mean(losses.slice(-9))];
  assert.ok(last < 0.97 * first, `the loss fell from ${first} to ${last}`);

  // Three rows: the clip, a tenth of it, and all of it again.
  const lit = await page.page.locator("[data-testid=reconstruction] canvas").evaluate((canvas) => {
    const height = (canvas.height - 4) / 3;
    const context = canvas.getContext("2d");
    return [0, 1, 2].map((row) => {
      const { data } = context.getImageData(0, row * (height + 2), canvas.width, height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4) count += data[at] + data[at + 1] + data[at + 2] > 0 ? 1 : 0;
      return count / (data.length / 4);
    });
  });
  assert.ok(lit[1] < 0.2 && lit[0] > 0.5 && lit[2] > 0.5, `${lit}`);

  const [learnt] = await page.checkpoints();
  assert.match(learnt.text, /without labels.*Has no classifier yet/s);
  await page.go("fine-tune");
  await page.by("tune-from-learnt").click();
  await page.chooseFolder(smallFolder(temporaryFolder(t), { SlideLeft: 8, SlideUp: 8 }));
  await page.go("fine-tune");
  assert.ok(await page.by(`start-${learnt.id}`).isChecked());
  await page.startTuning();
  await page.tuned();
  assert.ok((await page.losses()).every(Number.isFinite));
  const [tuned] = await page.checkpoints();
  assert.notEqual(tuned.id, learnt.id);
  page.assertNothingUncaught();
});
