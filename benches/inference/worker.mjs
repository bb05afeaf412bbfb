// Both programs in one worker, one after the other on the same clips: ours and ONNX Runtime Web's.
//
// Comes in: `{size, backend, clips, rounds, warm}`. Goes out: milliseconds of each round of each, and how far their logits
// are apart. Each round includes handing over the pixels and reading back the logits, as a user waits for both.
import init, { Computer } from "./forward.js";

const BACKENDS = {
  webgpu: { device: "gpu", script: "./ort.webgpu.min.mjs", providers: ["webgpu"] },
  wasm: { device: "cpu", script: "./ort.wasm.min.mjs", providers: ["wasm"] },
};
let ours;
let theirs;

async function open(size, backend) {
  const { device, script, providers } = BACKENDS[backend];
  const file = async (name) => new Uint8Array(await (await fetch(`models/${size}/${name}`)).arrayBuffer());
  await init();
  const computer = await Computer.of(device);
  const config = await (await fetch(`models/${size}/config.json`)).text();
  ours = await computer.open(config, await file("model.safetensors"));
  const ort = await import(script);
  // One thread: both programs have one here.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
  theirs = { ort, session: await ort.InferenceSession.create(await file("model.onnx"), { executionProviders: providers, graphOptimizationLevel: "all" }) };
  return JSON.parse(config);
}

/** The same numbers each time, about as a normalised clip has them. */
function numbers(count) {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  });
}

async function timed(run) {
  const from = performance.now();
  const logits = await run();
  return { milliseconds: performance.now() - from, logits };
}

self.onmessage = async ({ data: { size, backend, clips, rounds, warm } }) => {
  try {
    const { num_frames, num_channels, image_size } = await open(size, backend);
    const shape = [clips, num_frames, num_channels, image_size, image_size];
    const pixels = numbers(shape.reduce((product, side) => product * side));
    const run = {
      ours: () => ours.logits(clips, pixels),
      theirs: async () => {
        const { ort, session } = theirs;
        const { logits } = await session.run({ pixel_values: new ort.Tensor("float32", pixels, shape) });
        return logits.getData();
      },
    };
    const times = { ours: [], theirs: [] };
    let apart = 0;
    for (let round = -warm; round < rounds; round += 1) {
      const logits = {};
      // Who is first changes, so that neither always finds the other's heat.
      for (const who of round % 2 ? ["theirs", "ours"] : ["ours", "theirs"]) {
        const answer = await timed(run[who]);
        if (round >= 0) times[who].push(answer.milliseconds);
        logits[who] = answer.logits;
      }
      logits.ours.forEach((logit, index) => (apart = Math.max(apart, Math.abs(logit - logits.theirs[index]))));
      self.postMessage({ round });
    }
    self.postMessage({ times, apart });
  } catch (error) {
    self.postMessage({ failed: String(error?.stack ?? error) });
  }
};
