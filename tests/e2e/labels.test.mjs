// Where labels and splits come from, and how a user corrects them.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { sharedCliptune, temporaryFolder } from "./browser.mjs";
import { sampleClips, smallFolder } from "./folders.mjs";

const open = sharedCliptune();

/** Copies of a class's training clips in one folder, called `name(number)`. */
function flatClips(root, label, count, name) {
  mkdirSync(root, { recursive: true });
  sampleClips("train", label, count).forEach((clip, number) => copyFileSync(clip, path.join(root, name(number))));
}

test("a list labels and splits a flat folder; its wrong rows are told by line; labels are corrected on the page", { timeout: 5 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu", size: "micro", epochs: "1" });
  const folder = temporaryFolder(t);
  flatClips(path.join(folder, "clips"), "Grow", 6, (number) => `g${number}.webm`);
  flatClips(path.join(folder, "clips"), "SlideUp", 6, (number) => `s${number}.webm`);
  const rows = ["path,label,split,start,end"];
  for (let number = 0; number < 6; number += 1) {
    const split = ["train", "train", "train", "train", "val", "test"][number];
    rows.push(`clips/g${number}.webm,grow,${split},,`, `clips/s${number}.webm,slide,${split},0,1`);
  }
  rows.push("clips/missing.webm,grow,train,,", "clips/g0.webm,grow,tarin,,", "clips/s0.webm,slide,train,2,1");
  writeFileSync(path.join(folder, "labels.csv"), rows.join("\n"));
  await page.chooseFolder(folder);
  assert.deepEqual(await page.classCounts(), ["grow 4 1 1", "slide 4 1 1"]);
  assert.match(await page.found(), /labels\.csv.*as they are given/);
  const { files } = await page.complaints();
  assert.equal(files.length, 3);
  for (const [line, says] of [[14, /missing\.webm, which is not in this folder/], [15, /tarin/], [16, /not after its start/]]) {
    assert.match(files.find((file) => file.includes(`line ${line}`)), says);
  }

  await t.test("a class is renamed, and by another class's name merged; each can be undone", async () => {
    await page.openCorrections("slide");
    await page.by("class-name").fill("up");
    await page.by("class-name").press("Enter");
    await page.page.locator('[data-testid=class-card][data-label="up"]').waitFor();
    await page.by("class-name").fill("grow");
    await page.by("class-name").press("Enter");
    await page.by("blocked").waitFor();
    assert.match((await page.complaints()).blocked.join(), /one class, “grow”/);
    await page.closeDialog();
    await page.openLabels();
    await page.by("undo-correction").click();
    await page.page.locator('[data-testid=class-card][data-label="up"]').waitFor();
    assert.deepEqual(await page.classCounts(), ["grow 4 1 1", "up 4 1 1"]);
  });

  await t.test("a clip is moved to another class, or left out", async () => {
    await page.openCorrections("grow");
    await page.by("video-class").fill("up");
    await page.by("video-class").press("Enter");
    await page.page.waitForFunction(() => document.querySelector('[data-label="grow"] b')?.textContent === "3");
    assert.deepEqual(await page.classCounts(), ["grow 3 1 1", "up 5 1 1"]);
    await page.openCorrections("up");
    await page.by("leave-out-video").click();
    await page.page.waitForFunction(() => document.querySelector('[data-label="up"] b')?.textContent === "4");
    assert.match((await page.complaints()).warnings.join(), /left out 1 video/);
    assert.match(await page.by("corrections").textContent(), /3 corrections/);
  });

  await t.test("what is trained is what was corrected", async () => {
    await page.startTuning();
    await page.tuned();
    const predictions = await page.classify(path.join(folder, "clips/g0.webm"));
    assert.deepEqual(predictions.map(({ label }) => label).sort(), ["grow", "up"]);
  });
  page.assertNothingUncaught();
});

test("names of a flat folder give labels by a pattern, recordings by another, and the form shows what they find", { timeout: 4 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const folder = temporaryFolder(t);
  const people = ["anna", "ben", "carl", "dora"];
  flatClips(folder, "Grow", 8, (number) => `grow_${people[number % 4]}_${number}.webm`);
  flatClips(folder, "SlideUp", 8, (number) => `slide_${people[number % 4]}_${number}.webm`);
  await page.chooseFolder(folder);
  const form = await page.openLabels();
  await form.getByLabel("Labels from").selectOption({ label: "File names" });
  const pattern = page.by("label-pattern");
  await pattern.fill("{label}_{person}_#");
  await page.page.locator(".wrong .hint", { hasText: "{person}" }).waitFor();
  await pattern.fill("{label}_*_#");
  await page.page.locator("[data-testid=examples]", { hasText: "grow_anna_0.webm" }).waitFor();
  assert.deepEqual(await page.classes(), ["grow", "slide"]);
  await form.getByLabel("Clips of one recording").selectOption({ label: "A pattern" });
  await page.by("group-pattern").fill("*_{group}_#");
  await page.page.locator("[data-testid=examples]", { hasText: "recording anna" }).waitFor();
  assert.match(await page.found(), /4 recordings together, seed 42/);
  const counts = await page.classCounts();
  await page.by("split-seed").fill("7");
  await page.page.locator("[data-testid=found]", { hasText: "seed 7" }).waitFor();
  // A person is in one split whatever the motion: both classes change alike.
  assert.ok(counts.every((count) => /^\w+ 4 2 2$/.test(count)), counts.join());
  await form.getByLabel("Clips of one recording").selectOption({ label: "Nothing: each clip for itself" });
  await page.page.locator("[data-testid=found]", { hasText: "each clip for itself" }).waitFor();
  page.assertNothingUncaught();
});

test("the same recording and the same bytes in two splits are told with their files", { timeout: 4 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const folder = temporaryFolder(t);
  smallFolder(path.join(folder, "train"), { Grow: 5, SlideUp: 5 });
  const [copy] = sampleClips("train", "Grow", 1);
  mkdirSync(path.join(folder, "val/Grow"), { recursive: true });
  mkdirSync(path.join(folder, "val/SlideUp"), { recursive: true });
  copyFileSync(copy, path.join(folder, "val/Grow/again.webm"));
  copyFileSync(sampleClips("val", "SlideUp", 1)[0], path.join(folder, "val/SlideUp/v_SlideUp_g01_c09.webm"));
  await page.chooseFolder(folder);
  const { all, warnings } = await page.complaints();
  t.diagnostic(all);
  assert.ok(warnings.some((warning) => /1 recording has clips in more than one split/.test(warning)), warnings.join());
  assert.ok(warnings.some((warning) => /1 video lies in more than one split, byte for byte/.test(warning)), warnings.join());
  assert.match(all, new RegExp(`again\\.webmFor validation; the same bytes as .*${path.basename(copy)}, for training`));
  page.assertNothingUncaught();
});
