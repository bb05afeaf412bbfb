// A folder as large as UCF101: there at once, looked into meanwhile, and gone as soon as another is chosen.
import assert from "node:assert/strict";
import os from "node:os";
import { after, test } from "node:test";
import { sharedCliptune, temporaryFolder } from "./browser.mjs";
import { asLargeAsUcf101 } from "./folders.mjs";
import { dropFolder, watchImport } from "./large_folder.mjs";

const LISTED_WITHIN = 3000;
const LONGEST_TASK = 50;

const open = sharedCliptune();
const folder = asLargeAsUcf101(temporaryFolder({ after }), { lists: true });

/** Of the wall clock's times: where more programs want to run than there are cores, each takes longer. */
const crowd = () => Math.max(1, os.loadavg()[0] / os.availableParallelism());

test("13,320 chosen files are listed, labelled and split in under 3 s, with the page free, and used before they are looked into", { timeout: 8 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu", size: "micro", epochs: "1" });
  const seen = await watchImport(page.page);
  await page.by("folder-input").setInputFiles(folder);
  await page.page.locator(".totals").waitFor({ timeout: 60_000 });
  const { listed, listing } = await seen();
  t.diagnostic(`listed, labelled and split in ${listed} ms; the page's longest task until then: ${listing} ms`);
  assert.ok(listed < LISTED_WITHIN * crowd(), `${listed} ms`);
  assert.ok(listing <= LONGEST_TASK, `${listing} ms`);
  assert.match(await page.page.locator(".totals").textContent(), /13,320 videos in 101 classes/);
  assert.match(await page.found(), /trainlist01\.txt.*testlist01\.txt/);
  assert.equal((await page.classes()).length, 24, "only the first classes are drawn");
  await page.by("all-classes").click();
  assert.equal((await page.classes()).length, 101);

  await t.test("labels change and fine-tuning starts while the files are looked into", async () => {
    await page.by("checking").waitFor();
    const form = await page.openLabels();
    await form.getByLabel("Labels from").selectOption({ label: "Folder names" });
    await page.page.locator("[data-testid=found]", { hasText: "Splits are drawn" }).waitFor();
    assert.ok(await page.by("checking").isVisible());
    await page.startTuning();
    await page.stepsDone(2);
    await page.go("data");
    assert.ok(await page.by("checking").isVisible());
  });

  page.assertNothingUncaught();
});

test("13,320 dropped files are there in under 3 s, too, the page stays free while they are looked into, and another folder takes their place at once", { timeout: 8 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const seen = await watchImport(page.page);
  await dropFolder(page.page, folder);
  await page.page.locator(".totals").waitFor({ timeout: 60_000 });
  assert.match(await page.found(), /trainlist01\.txt.*testlist01\.txt/);
  // The rest takes as long again and again: benches/import.mjs waits for it.
  await page.page.locator("[data-testid=checking]", { hasText: /^Checking [4-9],\d{3} of 13,320 files/ }).waitFor({ timeout: 2 * 60_000 });
  const { listed, checked, listing, checking } = await seen();
  t.diagnostic(`there in ${listed} ms, 4,000 looked into in ${checked} ms; the page's longest task ${listing} ms until the one, ${checking} ms until the other`);
  assert.ok(listed < LISTED_WITHIN * crowd(), `${listed} ms`);
  assert.ok(Math.max(listing, checking) <= LONGEST_TASK, `${listing} ms, ${checking} ms`);
  assert.match(await page.page.locator(".totals").textContent(), /13,320 videos in 101 classes/);
  assert.equal(await page.by("unusable-row").filter({ hasText: "not handed over" }).count(), 0);

  await page.chooseSample();
  assert.equal((await page.classes()).length, 8);
  assert.equal(await page.by("checking").count(), 0, "nothing of the first folder is looked into any more");
  page.assertNothingUncaught();
});
