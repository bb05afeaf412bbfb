// The Hub as a user meets it on the page: a model comes, stays, and goes to a repository of one's own.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { ROOT, sharedCliptune } from "./browser.mjs";
import { sampleClips } from "./folders.mjs";
import { filesOf, startHub } from "./hub_server.mjs";

const MICRO = filesOf(path.join(ROOT, "tests/fixtures/golden/micro/model"));
const NAME = "ada/videomae-micro";
const LICENCE = "cc-by-nc-4.0";
const CLIP = sampleClips("test", "SlideLeft", 1)[0];

const openPage = sharedCliptune();

/** The same weights and a large tensor that no model needs, so that the download takes a while. */
function padded(weights, megabytes) {
  const length = Number(weights.readBigUInt64LE());
  const header = JSON.parse(weights.subarray(8, 8 + length));
  const data = weights.subarray(8 + length);
  const size = megabytes * 1_000_000;
  header.padding = { dtype: "F32", shape: [size / 4], data_offsets: [data.length, data.length + size] };
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([start, text, data, Buffer.alloc(size)]);
}

async function open(t, files = MICRO) {
  const hub = await startHub({ models: { [NAME]: { files, licence: LICENCE } }, tokens: { hf_ada: { name: "ada", role: "write" } } });
  t.after(() => hub.stop());
  const opened = await openPage({ device: "cpu" });
  await opened.page.useHub(hub.address);
  return { hub, ...opened };
}

test("a model of the Hub comes with progress and its licence, and needs no network the second time", { timeout: 5 * 60_000 }, async (t) => {
  const { hub, context, page } = await open(t, { ...MICRO, "model.safetensors": padded(MICRO["model.safetensors"], 80) });
  const progress = await page.watchProgress("bring-progress");
  await page.startDownload(NAME);
  const { welcome, tensors } = await page.brought();
  assert.match(welcome, /videomae-micro.* is here: .* weights, \d+ classes/);
  assert.deepEqual(tensors, ["padding20000000"], "what the model has no use for is listed");
  const shares = await progress();
  t.diagnostic(`progress: ${shares}`);
  assert.ok(shares.length > 2 && shares.every((share, index) => index === 0 || share >= shares[index - 1]), "the bar moves, and only forwards");
  const [{ id, text }] = await page.checkpoints();
  assert.match(text, new RegExp(`From ${NAME} at [0-9a-f]{7}`));
  assert.match(await page.row(id).getByTestId("licence").textContent(), /^CC-BY-NC-4\.0: not for commercial use$/);
  await page.row(id).getByText(/Fits this device: about/).waitFor();
  const before = await page.classify(CLIP);

  await page.waitForServiceWorker();
  await context.setOffline(true);
  await hub.stop();
  await page.page.reload();
  await page.ready();
  assert.deepEqual((await page.checkpoints()).map((checkpoint) => checkpoint.id), [id]);
  assert.deepEqual(await page.classify(CLIP), before);

  await page.go("models");
  await page.by(`start-from-${id}`).click();
  assert.match(await page.by("start-licence").textContent(), /inherits this licence/);
  page.assertNothingUncaught();
});

test("a download that was cut says so and goes on where it stopped", { timeout: 4 * 60_000 }, async (t) => {
  const { hub, page } = await open(t);
  const size = MICRO["model.safetensors"].length;
  hub.cut["model.safetensors"] = size >> 1;
  await page.startDownload(NAME);
  const { refusal } = await page.brought();
  t.diagnostic(refusal);
  assert.match(refusal, /model\.safetensors|connection/i);
  await page.by("download-again").click();
  await page.by("notice-good").waitFor();
  const asked = hub.requests.filter(({ server, method }) => server === "large" && method === "GET").map(({ range }) => range);
  assert.equal(asked.length, 2);
  assert.match(asked[1], /^bytes=[1-9]\d*-$/, "the second request asks for the rest");
  page.assertNothingUncaught();
});

test("a model is pushed to a private repository with a token that is kept nowhere", { timeout: 5 * 60_000 }, async (t) => {
  const { hub, page } = await open(t);
  await page.startDownload(NAME);
  await page.brought();
  const [{ id }] = await page.checkpoints();
  await page.by(`export-${id}`).click();
  await page.by("numbers-f16").check();
  await page.by("push-open").click();
  assert.ok(await page.by("push-private").isChecked(), "private unless the user says otherwise");
  await page.by("push-repository").fill("ada/tuned");
  assert.ok(await page.by("push").isDisabled(), "there is no token yet");
  await page.by("push-token").fill("hf_wrong");
  await page.by("push").click();
  const refusal = page.by("notice-error").first();
  await refusal.waitFor();
  t.diagnostic(await refusal.textContent());
  assert.match(await refusal.textContent(), /token/);

  await page.by("push-token").fill("hf_ada");
  await page.by("push").click();
  const address = page.by("notice-link");
  await address.waitFor();
  assert.equal(await address.getAttribute("href"), `${hub.address}/ada/tuned`);
  assert.ok(hub.models.get("ada/tuned").isPrivate);
  const files = hub.files("ada/tuned");
  t.diagnostic(Object.entries(files).map(([name, bytes]) => `${name}: ${bytes.length}`).join(", "));
  for (const name of ["config.json", "preprocessor_config.json", "README.md"]) assert.ok(name in files, `${name} is pushed`);
  assert.ok(files["model.safetensors"].length < 0.6 * MICRO["model.safetensors"].length, "in 16 bits");
  assert.match(files["README.md"].toString(), /^license: "?cc-by-nc-4\.0/m);
  const kept = await page.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.doesNotMatch(kept, /hf_/);

  await page.page.reload();
  await page.ready();
  await page.checkpoints();
  await page.by(`export-${id}`).click();
  await page.by("push-open").click();
  assert.equal(await page.by("push-token").inputValue(), "");
  page.assertNothingUncaught();
});
