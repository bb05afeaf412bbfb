// How long a forward pass and a training step of ours take, and how much memory: one model, one batch, a worker of its own.
//
// Comes in: `{ config, device, batch, seconds }`. Goes out: milliseconds of each round, after one to warm up: as many as there
// is time for within these seconds, at least 2 and at most 20; and bytes of wasm memory, before the model, after the first
// forward pass and at the end. That memory never shrinks, so the last is the most that was needed. On a GPU tensors lie elsewhere.
import init, { Computer } from "./training.js";
import { clipShape, labelsOf, numbers, product, timed } from "./model.mjs";

const [LEAST, MOST] = [2, 20];
const SEED = 42;

async function measure({ config, device, batch, seconds }) {
  const { memory } = await init();
  const bytes = { before: memory.buffer.byteLength };
  const trainee = (await Computer.of(device)).of_config(JSON.stringify(config), SEED);
  const pixels = numbers(product([batch, ...clipShape(config)]));
  const labels = labelsOf(batch, Object.keys(config.id2label).length);
  const run = { forward: () => trainee.forward(batch, pixels), step: () => trainee.step(pixels, labels) };
  const times = { forward: [], step: [] };
  for (const [what, compute] of Object.entries(run)) {
    const { milliseconds } = await timed(compute);
    bytes[what] = memory.buffer.byteLength;
    const rounds = Math.min(MOST, Math.max(LEAST, Math.round((1e3 * seconds) / milliseconds)));
    for (let round = 0; round < rounds; round += 1) times[what].push((await timed(compute)).milliseconds);
  }
  return { times, bytes: { ...bytes, end: memory.buffer.byteLength } };
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(await measure(data));
  } catch (error) {
    self.postMessage({ failed: String(error?.stack ?? error) });
  }
};
