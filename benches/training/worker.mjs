// Forward passes and training steps of both programs in one worker, one after the other on the same clips: ours and
// TensorFlow.js'.
//
// Comes in: `{ size, batch, backend, rounds, warm, classes, derived }`; `derived`: TensorFlow.js derives all gradients by itself.
// Goes out: milliseconds of each round of each, how far the logits are apart before the first step and the losses at most over
// all steps, the configuration, and which of its backends TensorFlow.js trained on. Each round includes handing over the pixels
// and reading back the logits or the loss.
import init, { Computer } from "./training.js";
import { clipShape, labelsOf, numbers, product, timed } from "./model.mjs";
import { readTensors } from "./safetensors.mjs";
import { Network } from "./tensorflow.mjs";

const DEVICES = { wasm: "cpu", webgpu: "gpu" };
const SEED = 42;

async function loadTensorFlow() {
  // Each adds to the one global object.
  for (const part of ["tf", "tf-backend-wasm", "tf-backend-webgpu"]) await import(`./${part}.es2017.min.js`);
  const { tf } = globalThis;
  tf.wasm.setWasmPaths(new URL("./", import.meta.url).href);
  // One thread: both programs have one here.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  return tf;
}

/** A network on this backend that has done a step, or on its cpu backend, and why. */
async function trainable(tf, backend, config, weights, [pixels, labels], derived) {
  const open = async (name) => {
    if (!(await tf.setBackend(name))) throw new Error(`TensorFlow.js has no backend ${name} here.`);
    await tf.ready();
    return new Network(tf, config, readTensors(weights), name === "wasm" && !derived);
  };
  const close = (network) => {
    for (const variable of Object.values(network.variables)) variable.dispose();
    network.optimizer.dispose();
  };
  const trial = await open(backend);
  try {
    await trial.step(pixels, labels);
    close(trial);
    return { network: await open(backend), backend };
  } catch (error) {
    if (backend !== "wasm") throw error;
    close(trial);
    return { network: await open("cpu"), backend: "cpu", because: String(error) };
  }
}

const apartOf = (ours, theirs) => ours.reduce((most, value, index) => Math.max(most, Math.abs(value - theirs[index])), 0);

async function measure({ size, batch, backend, rounds, warm, classes, derived }) {
  await init();
  const computer = await Computer.of(DEVICES[backend]);
  const ours = computer.of_size(size, classes, SEED);
  const config = JSON.parse(ours.config());
  const weights = await ours.weights();
  const pixels = numbers(product([batch, ...clipShape(config)]));
  const labels = labelsOf(batch, classes);
  const tf = await loadTensorFlow();
  const { network: theirs, ...trained } = await trainable(tf, backend, config, weights, [pixels, labels], derived);

  const times = { ours: { forward: [], step: [] }, theirs: { forward: [], step: [] } };
  const losses = { ours: [], theirs: [] };
  const apart = { logits: undefined };
  const run = {
    ours: { forward: () => ours.forward(batch, pixels), step: () => ours.step(pixels, labels) },
    theirs: { forward: () => theirs.forward(batch, pixels), step: () => theirs.step(pixels, labels) },
  };
  for (let round = -warm; round < rounds; round += 1) {
    const values = { ours: {}, theirs: {} };
    for (const what of ["forward", "step"]) {
      // Who is first changes, so that neither always finds the other's heat.
      for (const who of round % 2 ? ["theirs", "ours"] : ["ours", "theirs"]) {
        const { milliseconds, value } = await timed(run[who][what]);
        if (round >= 0) times[who][what].push(milliseconds);
        values[who][what] = value;
      }
    }
    apart.logits ??= apartOf(values.ours.forward, values.theirs.forward);
    for (const who of ["ours", "theirs"]) losses[who].push(values[who].step);
    self.postMessage({ round });
  }
  apart.loss = apartOf(losses.ours, losses.theirs);
  return { times, losses, apart, config, parameters: theirs.parameters, theirs: trained, version: tf.version_core };
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(await measure(data));
  } catch (error) {
    self.postMessage({ failed: String(error?.stack ?? error) });
  }
};
