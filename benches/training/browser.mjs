// Training steps in Chromium, ours beside TensorFlow.js' on the same model, the same browser and the same adapter.
// Prints a Markdown table, and writes the same as JSON beside it where a file is named.
//
// usage: node benches/training/browser.mjs SITE [--cases micro:8:wasm,tiny:8:wasm,micro:1:webgpu] [--rounds N] [--warm N]
//          [--derived] [--out FILE.md]
//   SITE is made by scripts/bench_training.sh browser; a case is SIZE:BATCH:BACKEND, and a backend wasm or webgpu. Rounds are
//   20 after 3 to warm up on wasm, and 5 after 2 on webgpu, where no others are asked for. `--derived`: TensorFlow.js derives
//   all gradients by itself on wasm, too (tensorflow.mjs).
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { inWorker, openSite } from "../site.mjs";
import { forwardFlop, median } from "./model.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: "string", default: "micro:8:wasm,tiny:8:wasm,micro:1:webgpu" },
    rounds: { type: "string" },
    warm: { type: "string" },
    derived: { type: "boolean", default: false },
    out: { type: "string" },
  },
});
const ROUNDS = { wasm: { rounds: 20, warm: 3 }, webgpu: { rounds: 5, warm: 2 } };
const CLASSES = 10;
/** Further apart, and the two networks, or their steps, are not the same. */
const APART = { logits: 1e-4, loss: 1e-3 };

function row(asked, adapter, { times, apart, config, theirs: theirBackend, ...told }) {
  for (const [what, most] of Object.entries(APART)) {
    if (!(apart[what] <= most)) throw new Error(`${asked.size} on ${asked.backend} is not the same in both programs: ${what} ${apart[what]} apart, more than ${most}.`);
  }
  const of = (who) => ({ forward: median(times[who].forward), step: median(times[who].step) });
  const [ours, theirs] = [of("ours"), of("theirs")];
  const rate = (3 * asked.batch * forwardFlop(config)) / (ours.step / 1e3);
  const device = asked.backend === "webgpu" ? adapter : "CPU, one thread";
  return { ...asked, device, ours, theirs, flopPerSecond: rate, ratio: ours.step / theirs.step, apart, theirBackend, ...told, times };
}

const cells = ({ size, batch, backend, device, ours, theirs, flopPerSecond, ratio, apart, theirBackend }) => [
  size,
  batch,
  backend === theirBackend.backend ? backend : `${backend}, theirs ${theirBackend.backend}`,
  device,
  ours.forward.toFixed(1),
  ours.step.toFixed(1),
  (ours.step / ours.forward).toFixed(2),
  (flopPerSecond / 1e9).toFixed(flopPerSecond < 1e9 ? 2 : 1),
  theirs.forward.toFixed(1),
  theirs.step.toFixed(1),
  ratio.toFixed(2),
  apart.logits.toExponential(0),
  apart.loss.toExponential(0),
];

const HEAD = ["model", "batch", "backend", "device", "our forward, ms", "our step, ms", "step / forward", "GFLOP/s", "TensorFlow.js' forward, ms", "TensorFlow.js' step, ms", "ours / theirs", "logits apart", "losses apart"];

const site = await openSite(positionals[0]);
try {
  const rows = [];
  for (const [size, batch, backend] of values.cases.split(",").map((words) => words.split(":"))) {
    if (!ROUNDS[backend]) throw new Error(`${backend} is no backend; there are wasm and webgpu.`);
    const { rounds, warm } = ROUNDS[backend];
    const asked = { size, batch: Number(batch), backend, rounds: Number(values.rounds ?? rounds), warm: Number(values.warm ?? warm), classes: CLASSES, derived: values.derived };
    const { answer, adapter } = await inWorker(site, "worker.mjs", asked);
    rows.push(row(asked, adapter, answer));
    console.error(`${cells(rows.at(-1)).join("  ")}${answer.theirs.because ? `  TensorFlow.js cannot train on ${backend}: ${answer.theirs.because}` : ""}`);
  }
  const lines = [HEAD, HEAD.map((_, index) => ([0, 2, 3].includes(index) ? "---" : "---:")), ...rows.map(cells)].map((row) => `| ${row.join(" | ")} |`);
  const of = (backend) => rows.find((row) => row.backend === backend);
  const rounds = ["wasm", "webgpu"].filter(of).map((backend) => `${of(backend).rounds} rounds after ${of(backend).warm} to warm up on ${backend}`);
  lines.push("", `Medians of ${rounds.join(", of ")}, in turns. TensorFlow.js ${rows[0].version}, Chromium ${site.browser}.`);
  console.log(lines.join("\n"));
  if (values.out) {
    writeFileSync(values.out, `${lines.join("\n")}\n`);
    writeFileSync(values.out.replace(/\.md$/, ".json"), `${JSON.stringify({ browser: site.browser, rows }, null, 1)}\n`);
  }
} finally {
  await site.close();
}
