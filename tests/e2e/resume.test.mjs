// A run whose tab is killed, and what the page offers to whoever comes back.
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openCliptune, startBrowser, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";
import { CliptunePage } from "./page.mjs";

const ASKED = { device: "cpu", size: "micro", epochs: "12" };
const SAVE_STEPS = 2;

/** The same numbers on each machine: Lehmer's, as Park and Miller choose it. */
function randomNumbers(seed) {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

/** The tab's process dies, with the engine's worker in it. */
async function crash(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  // Nobody is left to answer.
  session.send("Page.crash").catch(() => {});
  await crashed;
  await page.close();
}

/** The browser's process dies; its profile names it. */
async function killBrowser(context, profile) {
  const closed = context.waitForEvent("close");
  process.kill(Number(readlinkSync(path.join(profile, "SingletonLock")).split("-").at(-1)), "SIGKILL");
  await closed;
}

test("a run whose tab is killed at random moments is offered again, and goes on with the losses of one that never was", { timeout: 8 * 60_000 }, async (t) => {
  const { server, profile, context, page: first } = await openCliptune(t, ASKED);
  const videos = smallFolder(path.join(temporaryFolder(t), "gestures"), { SlideLeft: 12, SlideUp: 12 });
  await first.chooseFolder(videos);
  await first.go("fine-tune");
  await first.page.getByText("More settings", { exact: true }).click();
  await first.page.locator("#batch").fill("2");
  await first.page.locator("#save_steps").fill(String(SAVE_STEPS));
  await first.startTuning();
  await first.stepsDone(1);
  const started = performance.now();
  await first.tuned();
  const whole = await first.losses();
  // Long enough for five kills on any machine, which each come a few steps and a moment after the last.
  assert.ok(whole.length > 90, `${whole.length} steps`);
  const step = (performance.now() - started) / whole.length;
  await first.go("data");
  assert.equal(await first.by("unfinished").count(), 0, "a run that is complete is not offered");

  await first.go("fine-tune");
  await first.by("tune-again").click();
  await first.by("start-tuning").click();
  const random = randomNumbers(7);
  let [current, alive, seen] = [first, context, 0];
  for (let kill = 0; kill < 5; kill += 1) {
    await current.stepsDone(Math.max(seen, SAVE_STEPS) + 1 + random(5), 60_000);
    await current.page.waitForTimeout((step * random(200)) / 100);
    seen = (await current.losses()).length;
    assert.ok(seen < whole.length, "it was killed before its end");
    if (kill === 2) {
      await killBrowser(alive, profile);
      alive = await startBrowser(t, profile);
    } else {
      await crash(current.page);
    }
    current = new CliptunePage(await alive.newPage(), server.address);
    await current.open(ASKED);
    await current.by("unfinished").waitFor({ timeout: 30_000 });
    const offer = await current.by("unfinished").textContent();
    const [, kept, total] = offer.match(/“Gestures” was cut off after step (\d+) of (\d+)/) ?? assert.fail(offer);
    t.diagnostic(`killed after step ${seen}, on return at ${kept}`);
    assert.equal(Number(total), whole.length);
    // A step more may have been done and kept since the page was looked at.
    assert.ok(Number(kept) > seen - SAVE_STEPS - 1, `${seen} steps were done, ${kept} are kept`);
    assert.match(offer, /choose its folder again, “gestures”/);
    assert.ok(await current.by("go-on").isDisabled());
    await current.chooseFolder(videos);
    await current.by("go-on").click();
  }
  await current.tuned();
  assert.deepEqual(await current.losses(), whole);

  await current.by("tune-again").click();
  await current.by("start-tuning").click();
  await current.stepsDone(1);
  await current.by("stop-tuning").click();
  await current.tuned(60_000);
  await current.page.reload();
  await current.ready();
  assert.equal((await current.checkpoints()).length > 0, true);
  await current.go("data");
  assert.equal(await current.by("unfinished").count(), 0, "nor is one that its user stopped");
  current.assertNothingUncaught();
});
