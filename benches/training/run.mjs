// A training step's time beside PyTorch's, and what it takes of a GPU's memory, natively. Prints a Markdown table.
//
// usage: node benches/training/run.mjs time STEP_PROGRAM PYTHON [SIZE:BATCH:STEPS]…   on the CPU, in turns, three rounds
//        node benches/training/run.mjs memory STEP_PROGRAM [SIZE:BATCH:STEPS]…         on the GPU that the driver offers
//   Both are run by scripts/bench_training.sh.
import { execFileSync } from "node:child_process";
import path from "node:path";

const [what, program, ...rest] = process.argv.slice(2);
const ROUNDS = 3;
const median = (numbers) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1];
const gigabytes = (bytes) => (bytes / 1e9).toFixed(2);

function run(command, words) {
  console.error([path.basename(command), ...words].join(" "));
  return JSON.parse(execFileSync(command, words, { stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 24 }).toString().trim().split("\n").at(-1));
}

function time(python, cases) {
  const rows = cases.map((words) => {
    const [ours, theirs] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(run(program, [...words, "cpu"]));
      theirs.push(run(python, [path.join(import.meta.dirname, "torch_step.py"), ...words]));
    }
    const of = (runs, name) => median(runs.map((one) => one[name]));
    const [forward, step, other] = [of(ours, "forward_ms"), of(ours, "step_ms"), of(theirs, "step_ms")];
    const rate = (3 * ours[0].forward_flop) / (step / 1e3);
    return [words[0], words[1], forward.toFixed(1), step.toFixed(1), (step / forward).toFixed(2), (rate / 1e9).toFixed(1), `${Math.round((100 * rate) / of(ours, "peak_flop_per_s"))} %`, of(theirs, "forward_ms").toFixed(1), other.toFixed(1), (step / other).toFixed(2)];
  });
  return [["model", "batch", "forward, ms", "step, ms", "step / forward", "GFLOP/s", "of a plain product's", "PyTorch's forward, ms", "PyTorch's step, ms", "ours / theirs"], rows];
}

function memory(cases) {
  const rows = cases.flatMap((words) =>
    [[], ["twice"], ["half"], ["half", "twice"]].map((ways) => {
      const { memory, ...told } = run(program, [...words, "gpu", ...ways]);
      const { weights, forward, backward, after, reserved } = memory;
      return [told.size, told.batch, told.half ? "16 bits" : "32 bits", told.twice ? "twice" : "once", told.device, ...[weights, forward - after, backward - after, after - weights, reserved].map(gigabytes)];
    }),
  );
  return [["model", "batch", "products in", "each layer", "device", "weights", "kept by the forward pass", "gradients", "moments", "reserved at most"], rows];
}

const cases = (words, usual) => (words.length > 0 ? words : usual).map((one) => one.split(":"));
const [head, rows] =
  what === "memory" ? memory(cases(rest, ["small:1:1", "base:1:1"])) : time(rest[0], cases(rest.slice(1), ["micro:8:20", "tiny:8:10", "small:1:3"]));
for (const row of [head, head.map((_, index) => (index < 1 ? "---" : "---:")), ...rows]) console.log(`| ${row.join(" | ")} |`);
