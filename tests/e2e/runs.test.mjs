// Two runs with different settings: laid over one another, noted, exported, and repeated from their settings.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openCliptune, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";

test("runs are compared, noted, exported and repeated", { timeout: 4 * 60_000 }, async (t) => {
  const [folder, out] = [temporaryFolder(t), temporaryFolder(t)];
  const { page } = await openCliptune(t, { device: "cpu", size: "micro", epochs: "2" });
  await page.chooseFolder(smallFolder(folder, { SlideLeft: 8, SlideUp: 8 }));
  const losses = [];
  for (const rate of ["0.001", "0.0002"]) {
    await page.go("fine-tune");
    await page.page.locator("#learning_rate").fill(rate);
    await page.by("start-tuning").click();
    await page.tuned();
    losses.unshift(await page.losses());
    await page.by("tune-again").click();
  }

  await page.showRuns();
  const rows = await page.by("run-row").evaluateAll((rows) => rows.map((row) => ({ best: row.dataset.best, name: row.querySelector(".run-name").textContent, ticked: row.querySelector("input").checked })));
  assert.equal(rows.length, 2);
  assert.ok(rows.every((row) => row.ticked) && rows.filter((row) => row.best === "true").length === 1, JSON.stringify(rows));
  assert.equal(rows[0].name, `${rows[1].name} (2)`);
  assert.equal(await page.by("result-row").count(), 2);
  const differing = await page.by("differing").textContent();
  assert.match(differing, /learning rate2e-41e-3/);
  assert.doesNotMatch(differing, /seed/);
  const charts = page.page.locator("[data-testid=comparison] figure");
  assert.equal(await charts.count(), 4);
  const lines = charts.filter({ hasText: "Training loss" }).locator("g.line");
  assert.equal(await lines.count(), 2);
  assert.match(await charts.first().textContent(), /epoch 2/);
  await page.page.locator("[data-along=steps]").check();
  await charts.first().getByText(`step ${losses[0].length}`).waitFor();

  // One alone.
  await page.page.locator("[data-compare]").last().uncheck();
  await page.by("differing").waitFor({ state: "detached" });
  assert.equal(await page.by("result-row").count(), 1);

  const note = page.page.locator("[data-note]").first();
  await note.fill("Slower, and\nno better <b>");
  await note.blur();
  await page.page.locator("[data-note] + .hint", { hasText: "Saved" }).waitFor();
  await page.page.reload();
  await page.ready();
  await page.showRuns();
  assert.equal(await note.inputValue(), "Slower, and\nno better <b>");
  assert.equal(await page.page.locator("[data-note]").last().inputValue(), "");

  // What was exported is what the page showed while it trained, number by number.
  const save = async (act) => {
    const downloading = page.page.waitForEvent("download");
    await page.page.locator(`[data-act=${act}]`).first().click();
    const download = await downloading;
    const file = path.join(out, download.suggestedFilename());
    await download.saveAs(file);
    return { name: download.suggestedFilename(), bytes: readFileSync(file) };
  };
  const [head, ...steps] = (await save("steps")).bytes.toString().trim().split("\r\n").map((row) => row.split(","));
  const column = head.indexOf("loss");
  assert.deepEqual(steps.map((row) => Math.fround(row[column])), losses[0].map(Math.fround));
  const epochs = (await save("epochs")).bytes.toString().trim().split("\r\n");
  assert.equal(epochs.length, 1 + 2);
  const events = await save("events");
  assert.match(events.name, /^events\.out\.tfevents\.\d+\.cliptune$/);
  assert.ok(events.bytes.includes("train/loss") && events.bytes.includes("brain.Event:2"));
  assert.equal(JSON.parse((await save("settings")).bytes).learning_rate, 0.0002);

  // The form takes its settings over, and the same folder gives the same losses.
  await page.chooseFolder(folder);
  await page.showRuns();
  await page.page.locator("[data-act=use]").first().click();
  await page.page.locator("#learning_rate").waitFor();
  assert.equal(await page.page.locator("#learning_rate").inputValue(), "0.0002");
  await page.by("start-tuning").click();
  await page.tuned();
  assert.deepEqual(await page.losses(), losses[0]);
  page.assertNothingUncaught();
});
