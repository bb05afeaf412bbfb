// A first-time user's way through Cliptune, with the default settings on the CPU fallback.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { SAMPLE, openCliptune, startBrowser } from "./browser.mjs";
import { CliptunePage } from "./page.mjs";
import { longTasks, watchTasks } from "./tasks.mjs";

const UNSEEN = path.join(SAMPLE, "test/SlideRight/v_SlideRight_g16_c01.webm");

/** Whether the clip has places that are far from grey; its first frame is drawn a moment after it is there. */
const glows = () => {
  const canvas = document.querySelector("[data-testid=preview-canvas]");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((red, place) => place % 4 === 0 && red - data[place + 2] > 60);
};

test("a chosen folder becomes a model that names unseen clips, offline and after a restart", { timeout: 20 * 60_000 }, async (t) => {
  const { server, profile, context, page } = await openCliptune(t, { device: "cpu" });
  await page.waitForServiceWorker();

  await t.test("the folder's classes and splits are shown", async () => {
    await page.chooseFolder(SAMPLE);
    assert.deepEqual((await page.classes()).sort(), ["Grow", "Shrink", "SlideDown", "SlideLeft", "SlideRight", "SlideUp", "SpinLeft", "SpinRight"]);
    assert.match(await page.by("class-card").first().textContent(), /24\D+6\D+6/);
    assert.deepEqual((await page.complaints()).blocked, []);
  });

  await t.test("fine-tuning passes 90 % on the test split while the page stays responsive", async (t) => {
    await page.go("fine-tune");
    const expected = await page.estimate();
    const watched = await watchTasks(page.page);
    const started = Date.now();
    await page.startTuning();
    await page.tuned(15 * 60_000);
    const took = (Date.now() - started) / 1000;
    const [tasks, accuracy] = [longTasks(await watched()), await page.testAccuracy()];
    const losses = await page.losses();
    t.diagnostic(`${losses.length} steps in ${Math.round(took)} s, measured before: ${Math.round(expected)} s; test accuracy ${accuracy}`);
    assert.ok(took < 3 * expected && expected < 3 * took, `it took ${took} s, and ${expected} s were expected`);
    t.diagnostic(`tasks over 50 ms on the page's thread: ${JSON.stringify(tasks)}`);
    assert.ok(accuracy > 0.9, `test accuracy is ${accuracy}`);
    assert.deepEqual(tasks, [], "how long the page's thread computed without a break");
  });

  const before = await page.checkpoints();
  assert.equal(before.filter((checkpoint) => checkpoint.best).length, 1, "one checkpoint is marked as the best");

  await t.test("with the network off and the server stopped the page opens and classifies, and asks nothing of the network", async () => {
    await context.setOffline(true);
    await server.stop();
    const strays = [];
    const seen = (request) => {
      if (/^(blob|data):/.test(request.url())) return;
      if (request.serviceWorker()) strays.push(`service worker: ${request.url()}`);
    };
    const answered = (response) => {
      if (!/^(blob|data):/.test(response.url()) && !response.fromServiceWorker() && !response.request().serviceWorker()) strays.push(response.url());
    };
    const failed = (request) => strays.push(`failed: ${request.url()}`);
    context.on("request", seen).on("response", answered).on("requestfailed", failed);
    await page.page.reload();
    await page.ready();
    assert.deepEqual((await page.checkpoints()).map(({ id }) => id), before.map(({ id }) => id));
    const predictions = await page.classify(UNSEEN);
    assert.equal(predictions.length, 5);
    assert.equal(predictions[0].label, "SlideRight");
    await page.by("attention").click();
    await page.page.locator("[data-testid=attention][aria-pressed=true]").waitFor();
    await page.page.waitForFunction(glows);
    assert.ok(predictions.every((prediction, index) => index === 0 || prediction.score <= predictions[index - 1].score), "best first");
    assert.deepEqual(strays, [], "requests that the service worker did not answer from its cache");
  });
  page.assertNothingUncaught();

  await t.test("after a restart of the browser the checkpoints are still there", async (t) => {
    const port = Number(new URL(server.address).port);
    await context.close();
    const again = await startBrowser(t, profile);
    const reopened = new CliptunePage(again.pages()[0] ?? (await again.newPage()), `http://localhost:${port}/`);
    await again.setOffline(true);
    await reopened.open({ device: "cpu" });
    assert.deepEqual((await reopened.checkpoints()).map(({ id }) => id), before.map(({ id }) => id));
    const [best] = await reopened.classify(UNSEEN);
    assert.equal(best.label, "SlideRight");
    reopened.assertNothingUncaught();
  });
});

test("\"Try the sample\" brings the same folder, and it comes again with the network off", { timeout: 5 * 60_000 }, async (t) => {
  const { server, context, page } = await openCliptune(t, { device: "cpu" });
  await page.waitForServiceWorker();
  await page.chooseSample();
  assert.equal((await page.classes()).length, 8);
  await context.setOffline(true);
  await server.stop();
  await page.page.reload();
  await page.ready();
  await page.chooseSample();
  assert.equal((await page.classes()).length, 8);
  page.assertNothingUncaught();
});
