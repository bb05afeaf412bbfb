// What a user can do with checkpoints, and what stopping leaves.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { sharedCliptune, temporaryFolder } from "./browser.mjs";
import { sampleClips, smallFolder } from "./folders.mjs";
import { zipEntries } from "./zips.mjs";

const open = sharedCliptune();

test("a checkpoint can be renamed, exported, deleted and imported, and then scores as before", { timeout: 8 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu", size: "micro", epochs: "1" });
  const folder = temporaryFolder(t);
  await page.chooseFolder(smallFolder(path.join(folder, "clips"), { SlideLeft: 8, SlideUp: 8 }));
  await page.startTuning();
  await page.tuned();
  const clip = sampleClips("test", "SlideLeft", 1)[0];
  const before = await page.classify(clip);
  const rows = await page.checkpoints();
  assert.equal(rows.length, 1);
  const { id } = rows[0];

  await page.by(`rename-${id}`).click();
  await page.by("rename-input").fill("Left or up? <é> 🎬");
  await page.by("rename-save").click();
  await page.by("checkpoint-row").filter({ hasText: "Left or up? <é> 🎬" }).waitFor();

  const exported = await page.export(id, folder);
  assert.match(exported, /\.zip$/);
  const half = await page.export(id, folder, "f16");
  const weights = (file) => zipEntries(file)["model.safetensors"];
  t.diagnostic(`model.safetensors: ${weights(exported)} bytes in 32 bits, ${weights(half)} in 16`);
  assert.ok(Math.abs(weights(half) / weights(exported) - 0.5) < 0.05, "16-bit weights are half as large");

  await page.delete(id);

  await page.bring(exported);
  const [again] = await page.checkpoints();
  assert.match(again.text, /Left or up\? <é> 🎬/);
  const after = await page.classify(clip);
  assert.deepEqual(after.map(({ label }) => label), before.map(({ label }) => label));
  for (const [index, { score }] of after.entries()) assert.ok(Math.abs(score - before[index].score) < 1e-6, `${score} after, ${before[index].score} before`);
  page.assertNothingUncaught();
});

test("a file that is no exported checkpoint is refused in a sentence", { timeout: 3 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  await page.go("models");
  await page.by("import-checkpoint").setInputFiles({ name: "letter.zip", mimeType: "application/zip", buffer: Buffer.from("Dear reader") });
  assert.match((await page.brought()).refusal, /letter\.zip/);
  page.assertNothingUncaught();
});

test("stopping keeps what was learnt", { timeout: 8 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu", size: "micro", epochs: "500" });
  await page.chooseFolder(smallFolder(temporaryFolder(t), { SlideLeft: 8, SlideUp: 8 }));
  await page.startTuning();
  await page.stepsDone(3);
  await page.by("stop-tuning").click();
  await page.tuned(60_000);
  const learnt = (await page.losses()).length;
  const checkpoints = await page.checkpoints();
  assert.ok(checkpoints.length > 0, "there is a checkpoint");
  await page.page.reload();
  await page.ready();
  assert.equal((await page.checkpoints()).length, checkpoints.length, "it survives a reload");
  assert.ok(learnt >= 3 && learnt < 500, `${learnt} steps`);
  assert.equal((await page.classify(sampleClips("test", "SlideUp", 1)[0])).length, 2);
  page.assertNothingUncaught();
});
