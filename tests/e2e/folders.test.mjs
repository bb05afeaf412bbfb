// The ways in which a folder comes to the page, other than its chooser of files: dropped, and from the browser's dialog.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { sharedCliptune, temporaryFolder } from "./browser.mjs";
import { linkedFolder, smallFolder } from "./folders.mjs";
import { dropFolder } from "./large_folder.mjs";

const open = sharedCliptune();

const total = (counts) => counts.split(" ").slice(1).map(Number).reduce((one, other) => one + other);

test("a dropped folder's files are opened when they are needed: one that is gone by then is told of, the others are used", { timeout: 2 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const folder = smallFolder(path.join(temporaryFolder(t), "motions"), { Grow: 4, SlideUp: 4 });
  const [gone] = readdirSync(path.join(folder, "Grow")).sort();
  await page.page.evaluate((gone) => {
    const refuse = (opened, failed) => failed(new DOMException("It is gone.", "NotFoundError"));
    const spoil = ({ dataTransfer }) => {
      const reader = Object.getPrototypeOf(dataTransfer.items[0].webkitGetAsEntry().createReader());
      const { readEntries } = reader;
      reader.readEntries = function (given, failed) {
        const spoilt = (entries) => given(entries.map((entry) => (entry.name === gone ? Object.assign(entry, { file: refuse }) : entry)));
        readEntries.call(this, spoilt, failed);
      };
    };
    document.addEventListener("drop", spoil, { capture: true, once: true });
  }, gone);
  await dropFolder(page.page, folder);
  await page.imported();
  assert.deepEqual((await page.classCounts()).map(total), [3, 4]);
  const { files } = await page.complaints();
  assert.equal(files.length, 1);
  assert.match(files[0], new RegExp(`Grow/${gone}.*not handed over.*choose the folder again`));
  page.assertNothingUncaught();
});

test("a folder chosen in the browser's dialog is used as one that was dropped", { timeout: 2 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const folder = smallFolder(temporaryFolder(t), { Grow: 4, SlideUp: 4 });
  const files = ["Grow", "SlideUp"].flatMap((label) => readdirSync(path.join(folder, label)).map((name) => [label, name, readFileSync(path.join(folder, label, name)).toString("base64")]));
  // No test can press the dialog's buttons: the page is given a folder of its own storage, by the same kind of handle.
  await page.page.evaluate(async (files) => {
    const motions = await (await navigator.storage.getDirectory()).getDirectoryHandle("motions", { create: true });
    for (const [label, name, bytes] of files) {
      const file = await (await motions.getDirectoryHandle(label, { create: true })).getFileHandle(name, { create: true });
      const writable = await file.createWritable();
      await writable.write(Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0)));
      await writable.close();
    }
    window.showDirectoryPicker = () => Promise.resolve(motions);
  }, files);
  await page.page.getByRole("button", { name: "Choose a folder" }).click();
  await page.imported();
  assert.deepEqual((await page.classCounts()).map(total), [4, 4]);
  assert.match(await page.page.locator(".totals").textContent(), /from “motions”/);
  assert.deepEqual((await page.complaints()).files, []);
  page.assertNothingUncaught();
});

test("a folder that is still being walked through is taken, though its user has gone on to another view", { timeout: 2 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const folder = linkedFolder(temporaryFolder(t), { Grow: 1000, SlideUp: 1000 });
  await page.page.evaluate(() => {
    const goOn = () => (location.hash = "#models");
    document.addEventListener("change", goOn, { capture: true, once: true });
  });
  await page.by("folder-input").setInputFiles(folder);
  await page.page.waitForURL(/#models$/);
  await page.go("data");
  await page.imported();
  assert.deepEqual((await page.classCounts()).map(total), [1000, 1000]);
  page.assertNothingUncaught();
});

test("a chooser that is open keeps its place where the address alone changes", { timeout: 2 * 60_000 }, async () => {
  const { page } = await open({ device: "cpu" });
  const input = await page.by("folder-input").elementHandle();
  const changed = page.page.evaluate(() => new Promise((resolve) => addEventListener("hashchange", () => setTimeout(resolve), { once: true })));
  await page.go("data");
  await changed;
  assert.ok(await input.evaluate((input) => input.isConnected), "the view is the one that was there");
});
