// A model of the published size: a file of 346 MB goes in and comes out with little of it in the engine's memory.
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ROOT, openCliptune, temporaryFolder } from "./browser.mjs";

const GOLDEN = path.join(ROOT, "tests/fixtures/golden");
const MEGABYTE = 2 ** 20;

/** videomae-base-finetuned-kinetics by its published names and shapes; the values are small and finite. */
function writeModel(folder) {
  const { config, tensors } = JSON.parse(readFileSync(path.join(GOLDEN, "shapes/videomae-base-finetuned-kinetics.json"), "utf8"));
  const classes = Array.from({ length: 400 }, (_, id) => `class ${id}`);
  const id2label = Object.fromEntries(classes.map((label, id) => [id, label]));
  const label2id = Object.fromEntries(classes.map((label, id) => [label, id]));
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, id2label, label2id }));
  writeFileSync(path.join(folder, "preprocessor_config.json"), readFileSync(path.join(GOLDEN, "micro/model/preprocessor_config.json")));
  const header = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [name, shape] of Object.entries(tensors)) {
    const bytes = 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const values = Buffer.from(Float32Array.from({ length: MEGABYTE / 4 }, (_, index) => Math.sin(index) / 50).buffer);
  const file = openSync(path.join(folder, "model.safetensors"), "w");
  writeSync(file, length);
  writeSync(file, text);
  for (let left = end; left > 0; left -= values.length) writeSync(file, values, 0, Math.min(left, values.length));
  closeSync(file);
}

test("346 MB of weights are imported and exported within 64 MB of the engine's memory", { timeout: 5 * 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  writeModel(folder);
  const { page } = await openCliptune(t, { device: "cpu" });
  const engine = page.page.workers()[0];
  // The program is there already: asked for once more, it hands out what it exports.
  const memory = () => engine.evaluate(async () => (await (await import(new URL("./engine.js", self.location.href))).default()).memory.buffer.byteLength);
  const before = await memory();
  const { refusal } = await page.bring(folder);
  assert.equal(refusal, "");
  const imported = await memory();
  const [{ id }] = await page.checkpoints();
  const zip = await page.export(id, temporaryFolder(t));
  const exported = await memory();
  t.diagnostic(`the engine's memory: ${[before, imported, exported].map((bytes) => `${Math.round(bytes / MEGABYTE)} MiB`).join(", then ")}`);
  assert.ok(statSync(zip).size > 346e6, "the zip holds the weights");
  assert.ok(exported - before < 64 * MEGABYTE, `the engine took ${Math.round((exported - before) / MEGABYTE)} MiB`);
});
