// Every damaged file of the media set at once, and whatever in it is no video: a line for each, and a page that still works.
import assert from "node:assert/strict";
import { cpSync, mkdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MEDIA, manifest } from "../media/manifest.mjs";
import { openCliptune, temporaryFolder } from "./browser.mjs";

/** Nothing in it can be shown, whoever tries. */
const holdsNoPicture = ({ codec, tags }) => codec === "none" || codec.startsWith("audio-only") || tags.includes("zero-byte") || tags.includes("missing");
// What is said of some of them, by the ends of their names.
const ENCRYPTED = "The video is encrypted. Use a copy without copy protection.";
const PIECE = "This is one piece of a stream, without the start that says how to decode it. Save the whole video, or leave it out.";
const SENTENCES = {
  "short-cenc.mp4": ENCRYPTED,
  "multidrm-video-init.mp4": ENCRYPTED,
  "subsample_encrypted_noaltref.webm": ENCRYPTED,
  "multiple-trun-segment.mp4": PIECE,
  "sideloaded_track.mp4": PIECE,
  "mediabunny__mp3.ts": "The file holds sound but no picture. Leave it out.",
  "sample_with_sdt.ts": "The video comes in a codec (MPEG-2) that cannot be decoded here; convert it to mp4 (H.264), for example with HandBrake.",
};

/** Made by cutting good files: what is left of some can be shown. */
const isDamaged = ({ kind }) => kind === "codec-derived";
const saidOf = ({ path }) => Object.entries(SENTENCES).find(([end]) => path.endsWith(end))?.[1];

test("every damaged file at once gets one line with a reason, and the page goes on working", { timeout: 6 * 60_000 }, async (t) => {
  const files = manifest().filter((file) => holdsNoPicture(file) || isDamaged(file) || saidOf(file));
  if (files.length === 0) return t.skip(`${MEDIA} is absent`);
  const { page } = await openCliptune(t, { device: "cpu", size: "micro" });
  const folder = temporaryFolder(t);
  // Each in a class of its own, so that one that can be shown after all is seen as a class.
  const labels = files.map((file, index) => `Class ${String(index).padStart(3, "0")}`);
  for (const [index, file] of files.entries()) {
    mkdirSync(path.join(folder, labels[index]));
    cpSync(path.join(MEDIA, file.path), path.join(folder, labels[index], path.basename(file.path)));
  }
  await page.chooseFolder(folder);

  const list = page.page.locator("details.unusable").first();
  await list.locator("summary").click();
  // The first 50 are shown at once.
  const all = list.getByRole("button", { name: /^Show all/ });
  if (await all.isVisible()) await all.click();
  const rows = await list.getByTestId("unusable-row").evaluateAll((rows) => rows.map((row) => ["path", "reason"].map((part) => row.querySelector(`.${part}`).textContent)));
  const classes = await page.classes();
  for (const [index, file] of files.entries()) {
    const reasons = rows.filter(([path]) => path.endsWith(`${labels[index]}/${file.path.split("/").at(-1)}`)).map(([, reason]) => reason);
    const shown = classes.includes(labels[index]);
    assert.equal(reasons.length + Number(shown), 1, `${file.path}: ${reasons.length} lines${shown ? ", and a class" : ""}`);
    if (holdsNoPicture(file)) assert.equal(reasons.length, 1, `${file.path} cannot be a video`);
    if (saidOf(file)) assert.deepEqual(reasons, [saidOf(file)], file.path);
    for (const reason of reasons) assert.match(reason, /^[^a-z].+[.;] .+\.$/s, "what is wrong, and what to do");
  }
  t.diagnostic(`${rows.length} lines for ${files.length} files:\n${rows.map((row) => row.join(": ")).join("\n")}`);

  await page.chooseSample();
  assert.equal((await page.classes()).length, 8, "the sample can still be imported");
  await page.by("class-card").first().click();
  const canvas = page.by("preview-canvas").first();
  await canvas.waitFor();
  await page.page.waitForFunction((canvas) => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size > 10, await canvas.elementHandle());
  page.assertNothingUncaught();
});
