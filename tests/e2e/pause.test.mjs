// A run that is held and let go on, and the screen that stays on meanwhile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCliptune, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";

test("a paused run stands still, goes on with the same losses, and can be stopped; the screen stays on only while it computes", { timeout: 8 * 60_000 }, async (t) => {
  const { page } = await openCliptune(t, { device: "cpu", size: "micro", epochs: "30" });
  await page.page.evaluate(() => {
    window.awake = 0;
    const request = WakeLock.prototype.request;
    WakeLock.prototype.request = async function (...type) {
      const lock = await request.apply(this, type);
      window.awake += 1;
      lock.addEventListener("release", () => (window.awake -= 1));
      return lock;
    };
  });
  const awake = (count) => page.page.waitForFunction((count) => window.awake === count, count, { timeout: 30_000 });
  await page.chooseFolder(smallFolder(temporaryFolder(t), { SlideLeft: 12, SlideUp: 12 }));
  await page.startTuning();
  await page.tuned();
  const whole = await page.losses();
  await awake(0);

  await page.by("tune-again").click();
  await page.by("start-tuning").click();
  await page.stepsDone(2);
  await awake(1);
  await page.by("pause-tuning").click();
  await page.page.getByText("Paused", { exact: true }).waitFor();
  await awake(0);
  // The step that was under way may still be told.
  await page.page.waitForTimeout(1_000);
  const held = await page.losses();
  assert.ok(held.length < whole.length, "it was paused before its end");
  await page.page.waitForTimeout(2_000);
  assert.equal((await page.losses()).length, held.length);
  await page.by("pause-tuning").click();
  await awake(1);
  await page.tuned();
  assert.deepEqual(await page.losses(), whole);
  await awake(0);

  await page.by("tune-again").click();
  await page.by("start-tuning").click();
  await page.stepsDone(1);
  await page.by("pause-tuning").click();
  await page.by("stop-tuning").click();
  await page.tuned(60_000);
  page.assertNothingUncaught();
});
