// What is trained and when, as the form offers it, and settings that travel as a file.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { sharedCliptune, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";

const open = sharedCliptune();

const FIELDS = {
  no_freeze: {},
  freeze: { frozen_views: "2" },
  freeze_unfreeze: { unfreeze_epoch: "1" },
  unfreeze_milestones: { first_milestone: "1", second_milestone: "2", unfrozen_layers: "1" },
  lora: { lora_rank: "4", lora_alpha: "8" },
};

async function openSettings(t, epochs) {
  const { page } = await open({ device: "cpu", epochs });
  await page.chooseFolder(smallFolder(temporaryFolder(t), { SlideLeft: 6, SlideUp: 6 }));
  await page.go("fine-tune");
  return page;
}

test("each strategy trains from the form, and what it froze stays as it was", { timeout: 8 * 60_000 }, async (t) => {
  const page = await openSettings(t, "4");
  const field = (name) => page.page.locator(`#${name}`);
  assert.equal(await field("strategy").inputValue(), "no_freeze");
  assert.match(await page.page.locator("#strategy-hint").textContent(), /^Recommended\. /);
  const first = {};
  for (const [strategy, fields] of Object.entries(FIELDS)) {
    await field("strategy").selectOption(strategy);
    for (const [name, value] of Object.entries(fields)) await field(name).fill(value);
    await page.by("start-tuning").click();
    await page.tuned();
    const losses = await page.losses();
    assert.equal(losses.length, (await page.totalSteps()), strategy);
    assert.ok(losses.every(Number.isFinite), `${strategy}: ${losses}`);
    first[strategy] = losses;
    // Its last two epochs computed nothing with the backbone.
    assert.equal(await page.by("saved").count(), strategy === "freeze" ? 1 : 0, strategy);
    await page.by("tune-again").click();
  }
  assert.equal(await field("learning_rate").inputValue(), "0.02", "ten times the usual");
  assert.equal(await field("lora_targets").inputValue(), "query,value");
  // The first step is the same model on the same clips; after it what is trained differs.
  assert.equal(first.lora[0], first.no_freeze[0]);
  assert.notDeepEqual(first.lora, first.freeze);
  assert.notDeepEqual(first.freeze, first.no_freeze);
  assert.notDeepEqual(first.unfreeze_milestones, first.freeze_unfreeze);
  page.assertNothingUncaught();
});

test("a run that brings nothing new ends early, and says after which epoch", { timeout: 3 * 60_000 }, async (t) => {
  const page = await openSettings(t, "30");
  await page.page.getByText("More settings", { exact: true }).click();
  // Nothing moves, so nothing gets better after the first epoch.
  await page.page.locator("#learning_rate").fill("0.000000000001");
  await page.page.locator("#early_stopping_patience").fill("1");
  await page.by("start-tuning").click();
  await page.tuned();
  assert.equal((await page.losses()).length * 15, await page.totalSteps());
  await page.page.getByText("The run ended early, after epoch 2").waitFor();
  page.assertNothingUncaught();
});

test("milestones that make no sense are refused beside their field", { timeout: 3 * 60_000 }, async (t) => {
  const page = await openSettings(t, "4");
  await page.page.locator("#strategy").selectOption("unfreeze_milestones");
  await page.page.locator("#first_milestone").fill("3");
  await page.page.locator("#second_milestone").fill("2");
  assert.match(await page.page.locator("#second_milestone-hint").textContent(), /first milestone/);
  assert.ok(await page.by("start-tuning").isDisabled());
  page.assertNothingUncaught();
});

test("settings from a machine with another GPU are refused with what to change", { timeout: 3 * 60_000 }, async (t) => {
  const page = await openSettings(t, "4");
  await page.page.getByText("More settings", { exact: true }).click();
  assert.ok(await page.by("fp16").isDisabled(), "the CPU has nothing to gain from 16 bits");
  const file = path.join(temporaryFolder(t), "settings.json");
  writeFileSync(file, '{"optimization": {"fp16": true}}');
  await page.by("load-settings").setInputFiles(file);
  await page.page.waitForFunction(() => document.querySelector('[data-testid="fp16"]').checked);
  await page.by("start-tuning").click();
  await page.page.getByText("Turn “Products in 16 bits” off").waitFor();
  await page.page.getByText("More settings", { exact: true }).click();
  await page.by("fp16").uncheck();
  assert.ok(await page.by("fp16").isDisabled());
  page.assertNothingUncaught();
});

test("settings that were saved come back from their file, and one that nobody knows is named", { timeout: 3 * 60_000 }, async (t) => {
  const page = await openSettings(t, "4");
  const folder = temporaryFolder(t);
  const field = (name) => page.page.locator(`#${name}`);
  await page.page.getByText("More settings", { exact: true }).click();
  await field("layer_decay").fill("0.75");
  await field("mixup").fill("0.8");
  await field("token_keep").fill("0.5");
  await field("lr_scheduler_type").selectOption("cosine");
  await field("metric_for_best_model").selectOption("f1");
  await field("strategy").selectOption("freeze");
  const [download] = await Promise.all([page.page.waitForEvent("download"), page.by("save-settings").click()]);
  const file = path.join(folder, download.suggestedFilename());
  await download.saveAs(file);
  const saved = JSON.parse(readFileSync(file));
  assert.deepEqual([saved.strategy, saved.optimization.lr_scheduler_type], ["freeze", "cosine"]);
  assert.deepEqual([saved.regularisation.mixup, saved.regularisation.token_keep], [0.8, 0.5]);

  await page.page.reload();
  await page.ready();
  await page.go("fine-tune");
  await page.page.getByText("More settings", { exact: true }).click();
  await page.by("load-settings").setInputFiles(file);
  await page.page.waitForFunction(() => document.querySelector("#layer_decay").value === "0.75");
  const read = await Promise.all(["mixup", "lr_scheduler_type", "metric_for_best_model", "strategy"].map((name) => field(name).inputValue()));
  assert.deepEqual(read, ["0.8", "cosine", "f1", "freeze"]);

  writeFileSync(file, '{"optimization": {"beta": 0.9}}');
  await page.by("load-settings").setInputFiles(file);
  await page.page.getByText("optimization.beta").waitFor();
  page.assertNothingUncaught();
});
