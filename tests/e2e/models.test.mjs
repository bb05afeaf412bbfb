// Models that come from elsewhere, in every form that transformers writes, and runs that go on.
import assert from "node:assert/strict";
import { cpSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ROOT, sharedCliptune, temporaryFolder } from "./browser.mjs";
import { sampleClips, smallFolder } from "./folders.mjs";

const open = sharedCliptune();

const GOLDEN = path.join(ROOT, "tests/fixtures/golden");
const MICRO = path.join(GOLDEN, "micro/model");
const PRETRAINED = path.join(GOLDEN, "pretrain/model");

/** Form -> how far its scores may be from the plain one's: the 16-bit ones are rounded. */
const FORMS = { sharded: 1e-5, pytorch_bin: 1e-5, keys_v5_8_with_key_bias: 1e-5, float16: 1e-2, bfloat16: 5e-2 };

test("each form of the same model is brought, and names a clip alike", { timeout: 5 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const clip = sampleClips("test", "SlideLeft", 1)[0];
  const { welcome, groups } = await page.bring(MICRO);
  assert.match(welcome, /is here: .* weights, \d+ classes/);
  assert.deepEqual(groups, [], "every tensor found its place");
  const scores = async () => Object.fromEntries((await page.classify(clip)).map(({ label, score }) => [label, score]));
  const expected = await scores();
  for (const [form, tolerance] of Object.entries(FORMS)) {
    const folder = path.join(temporaryFolder(t), form);
    cpSync(path.join(GOLDEN, "micro/variants", form), folder, { recursive: true });
    cpSync(path.join(MICRO, "preprocessor_config.json"), path.join(folder, "preprocessor_config.json"));
    const { welcome, refusal } = await page.bring(folder);
    assert.match(welcome, /is here/, `${form}: ${refusal}`);
    await page.by("notice-good").getByRole("button", { name: "Close" }).click();
    const found = await scores();
    for (const [label, score] of Object.entries(found)) {
      assert.ok(Math.abs(score - expected[label]) <= tolerance, `${form}, ${label}: ${score}, expected ${expected[label]}`);
    }
    const [{ id }] = await page.checkpoints();
    await page.delete(id);
  }
  page.assertNothingUncaught();
});

test("a pre-trained model says what it lacks, classifies nothing, and becomes a classifier", { timeout: 5 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu", epochs: "1" });
  const { welcome, groups, tensors } = await page.bring(PRETRAINED);
  assert.match(welcome, /no classifier yet/);
  assert.ok(groups.some((group) => /^36 tensors of the pre-training decoder are not needed$/.test(group)), groups.join("\n"));
  assert.ok(tensors.some((row) => row.startsWith("mask_token") && /1 × 1 × 24/.test(row)), tensors.join("\n"));
  const [{ id }] = await page.checkpoints();
  assert.match(await page.by(`no-classifier-${id}`).textContent(), /fine-tune it first/);
  assert.equal(await page.by(`open-${id}`).count(), 0);
  await page.go("classify");
  assert.equal(await page.by("classify-input").count(), 0, "there is no model to classify with");

  await page.chooseFolder(smallFolder(temporaryFolder(t), { SlideLeft: 8, SlideUp: 8 }));
  await page.go("models");
  await page.by(`start-from-${id}`).click();
  assert.ok(await page.by(`start-${id}`).isChecked());
  assert.match(await page.page.locator(".start-about").textContent(), /a head for your 2 classes/);
  await page.page.getByText(/of memory to train/).waitFor();
  await page.by("start-tuning").click();
  await page.tuned();
  const labels = (await page.classify(sampleClips("test", "SlideUp", 1)[0])).map(({ label }) => label);
  assert.deepEqual(labels.sort(), ["SlideLeft", "SlideUp"]);
  page.assertNothingUncaught();
});

test("damaged and foreign files are refused in a sentence, and the next one is taken", { timeout: 4 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const cut = path.join(temporaryFolder(t), "cut");
  cpSync(MICRO, cut, { recursive: true });
  const weights = path.join(cut, "model.safetensors");
  truncateSync(weights, readFileSync(weights).length / 2);
  const other = path.join(temporaryFolder(t), "other");
  cpSync(MICRO, other, { recursive: true });
  writeFileSync(path.join(other, "config.json"), JSON.stringify({ model_type: "bert" }));
  for (const [folder, says] of [[cut, /model\.safetensors/], [other, /bert/]]) {
    const { refusal } = await page.bring(folder);
    t.diagnostic(refusal);
    assert.match(refusal, says);
    assert.equal(await page.by("checkpoint-row").count(), 0);
  }
  await page.by("import-model-folder").setInputFiles(MICRO);
  await page.by("notice-good").waitFor();
  assert.equal(await page.by("notice-error").count(), 0, "the complaint is gone");
  page.assertNothingUncaught();
});

test("a stopped run goes on after a reload, to its end", { timeout: 8 * 60_000 }, async (t) => {
  const epochs = 60;
  const { page } = await open({ device: "cpu", size: "micro", epochs: String(epochs) });
  const folder = smallFolder(temporaryFolder(t), { SlideLeft: 8, SlideUp: 8 });
  await page.chooseFolder(folder);
  await page.startTuning();
  await page.stepsDone(3);
  await page.by("stop-tuning").click();
  await page.tuned();
  const stopped = await page.losses();
  const total = await page.totalSteps();
  assert.ok(stopped.length < total, `stopped after ${stopped.length} of ${total} steps`);

  await page.page.reload();
  await page.ready();
  await page.checkpoints();
  const resume = page.page.locator("[data-testid^=resume-]").first();
  await resume.click();
  const notice = page.by("notice-error").first();
  await notice.waitFor();
  assert.match(await notice.textContent(), /folder/, "without its folder the run cannot go on");

  await page.chooseFolder(folder);
  await page.go("models");
  await resume.click();
  await page.tuned();
  const resumed = await page.losses();
  assert.equal(resumed.length, total, "its curve is whole");
  assert.deepEqual(resumed.slice(0, stopped.length), stopped, "and begins as it was");
  assert.equal(await page.totalSteps(), total);
  page.assertNothingUncaught();
});
