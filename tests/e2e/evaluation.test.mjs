// What a model is worth: evaluated on the page, its report read, clicked and saved.
import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { SAMPLE, openCliptune, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

test("an evaluation agrees with its confusion matrix, whose cells show their clips", { timeout: 8 * 60_000 }, async (t) => {
  const { page } = await openCliptune(t, { device: "cpu", size: "micro", epochs: "1" });
  await page.page.evaluate(() => { location.hash = "#evaluate"; });
  await page.page.getByText("There is no model yet").waitFor();
  await page.chooseFolder(SAMPLE);
  await page.startTuning();
  await page.tuned();
  const testAccuracy = await page.testAccuracy();
  await page.by("to-evaluate").click();
  await page.evaluate();
  const splits = await page.splitsOfReport();
  assert.deepEqual(splits.map(({ split }) => split), ["Validation", "Test"]);
  for (const { split, accuracy, matrix } of splits) {
    const [right, all] = [sum(matrix.map((row, label) => row[label])), sum(matrix.flat())];
    t.diagnostic(`${split}: ${right} of ${all} right, ${accuracy}`);
    assert.deepEqual(matrix.map(sum), Array(8).fill(6), "each class has six clips");
    assert.equal(accuracy, `${((100 * right) / all).toFixed(1)}%`);
  }
  assert.equal(splits[1].accuracy, `${(100 * testAccuracy).toFixed(1)}%`, "as the run itself found");

  await t.test("a cell shows as many clips of its class as it says, playing", async () => {
    const [{ matrix, classes }] = splits;
    const counts = matrix.flatMap((row, label) => row.map((count, prediction) => ({ count, label, prediction })));
    const { count, label, prediction } = counts.reduce((most, cell) => (cell.count > most.count ? cell : most));
    await page.matrixCell("Validation", label, prediction).click();
    const paths = await page.shownClips(count);
    assert.equal(paths.length, count);
    assert.ok(paths.every((path) => path.includes(`/${classes[label]}/`)), `${paths} of ${classes[label]}`);
    const dialog = page.page.getByRole("dialog");
    assert.match(await dialog.getAttribute("aria-label"), new RegExp(`^“${classes[label]}”`));
    await page.page.waitForFunction(() => {
      const canvas = document.querySelector("[data-testid=shown-clip] canvas");
      window.firstFrame ??= canvas.toDataURL();
      return canvas.toDataURL() !== window.firstFrame;
    });
    await page.closeDialog();
    await dialog.waitFor({ state: "hidden" });
  });

  await t.test("cells and clips of the lists open by keyboard, and the focus comes back", async () => {
    const uncertain = page.by("report").locator(".clips button").last();
    await uncertain.focus();
    await page.page.keyboard.press("Enter");
    const [shown] = await page.shownClips(1);
    assert.equal(shown, await uncertain.textContent());
    await page.closeDialog();
    await page.page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.ok(await uncertain.evaluate((button) => button.getRootNode().activeElement === button));
  });

  await t.test("the report is saved as a file that needs no other", async (t) => {
    const downloading = page.page.waitForEvent("download");
    await page.by("report").getByRole("button", { name: "Save the report" }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^[\w-]+-evaluation\.html$/);
    const file = path.join(temporaryFolder(t), "report.html");
    await download.saveAs(file);
    const html = readFileSync(file, "utf8");
    for (const { accuracy } of splits) assert.ok(html.includes(accuracy));
    assert.ok(html.startsWith("<!DOCTYPE html>") && html.includes("SpinLeft"));
    assert.ok(!/https?:|<script|data-clips/.test(html));
  });

  await t.test("cancelling leaves no report and no complaint", async () => {
    await page.page.getByLabel("Looks at each video").selectOption("kinetics");
    await page.by("evaluate").click();
    await page.by("evaluation-progress-cancel").click();
    await page.by("evaluate").waitFor();
    assert.ok(await page.by("report").isHidden());
    assert.deepEqual(await page.texts("notice-error"), []);
  });

  await t.test("a folder of other classes is refused in a sentence that names both", async (t) => {
    const folder = temporaryFolder(t);
    smallFolder(folder, { Grow: 6, Shrink: 6 });
    renameSync(path.join(folder, "Grow"), path.join(folder, "Wax"));
    renameSync(path.join(folder, "Shrink"), path.join(folder, "Wane"));
    await page.chooseFolder(folder);
    const [{ id }] = await page.checkpoints();
    await page.by(`evaluate-${id}`).click();
    await page.evaluate();
    assert.match((await page.texts("notice-error")).join(), /“Wane” and “Wax”.*“Grow”/);
  });

  await page.page.reload();
  await page.ready();
  await page.page.getByText("There are no videos to evaluate on").waitFor();
  page.assertNothingUncaught();
});
