// Which starter model a folder is begun with, and that both are there without a network.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { openCliptune, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";

test("a folder starts from the people model, the sample from the shapes', and a choice stays; offline, too", { timeout: 6 * 60_000 }, async (t) => {
  const { context, server, page } = await openCliptune(t, { device: "cpu", epochs: "1" });
  const videos = smallFolder(path.join(temporaryFolder(t), "gestures"), { SlideLeft: 6, SlideUp: 6 });
  const chosen = async () => (await page.page.locator("input[name=start]:checked").getAttribute("data-testid")).replace("start-", "");
  await page.chooseSample();
  await page.go("fine-tune");
  assert.equal(await chosen(), "starter");
  await page.chooseFolder(videos);
  await page.go("fine-tune");
  assert.equal(await chosen(), "people");
  await page.page.locator("#batch").fill("4");
  await page.go("data");
  await page.chooseSample();
  await page.go("fine-tune");
  assert.equal(await chosen(), "people", "what its user set stays");

  await page.waitForServiceWorker();
  await context.setOffline(true);
  await server.stop();
  await page.page.reload();
  await page.ready();
  await page.chooseFolder(videos);
  await page.go("fine-tune");
  await page.by("start-fit").filter({ hasText: /^524,775 weights/ }).waitFor();
  await page.startTuning();
  await page.tuned();
  assert.ok((await page.losses()).every(Number.isFinite));
  page.assertNothingUncaught();
});
