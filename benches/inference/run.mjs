// Forward passes in Chromium, ours against ONNX Runtime Web on the same model, the same browser and the same adapter.
// Prints a Markdown table, and writes the same as JSON beside it where a file is named.
//
// usage: node benches/inference/run.mjs SITE [--sizes micro,tiny] [--backends wasm,webgpu] [--rounds 20] [--out FILE.md]
//   SITE is made by scripts/bench_inference.sh
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { serve } from "../../scripts/static_server.mjs";
import { startBrowser, temporaryFolder } from "../../tests/e2e/browser.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: "string", default: "micro,tiny" },
    backends: { type: "string", default: "wasm,webgpu" },
    rounds: { type: "string", default: "20" },
    clips: { type: "string", default: "1" },
    out: { type: "string" },
  },
});
const [site] = positionals;
const WARM = 3;

const median = (numbers) => {
  const sorted = [...numbers].sort((one, other) => one - other);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

const endings = [];
const test = { after: (ending) => endings.push(ending) };
const server = await serve(site);
const context = await startBrowser(test, temporaryFolder(test));
const rows = [];
try {
  const browser = context.browser()?.version() ?? (await (await context.newPage()).evaluate(() => navigator.userAgent));
  for (const backend of values.backends.split(",")) {
    for (const size of values.sizes.split(",")) {
      const page = await context.newPage();
      await page.goto(`http://localhost:${server.address().port}/index.html`);
      const adapter = await page.evaluate(async () => {
        const { info } = (await navigator.gpu?.requestAdapter()) ?? {};
        return info ? [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(" ") : "none";
      });
      const asked = { size, backend, clips: Number(values.clips), rounds: Number(values.rounds), warm: WARM };
      const answer = await page.evaluate(
        (asked) =>
          new Promise((resolve) => {
            const worker = new Worker("worker.mjs", { type: "module" });
            worker.onerror = (event) => resolve({ failed: event.message });
            worker.onmessage = ({ data }) => (data.times || data.failed) && resolve(data);
            worker.postMessage(asked);
          }),
        asked,
      );
      await page.close();
      if (answer.failed) throw new Error(`${size} on ${backend}: ${answer.failed}`);
      const [ours, theirs] = [median(answer.times.ours), median(answer.times.theirs)];
      rows.push({ size, backend, adapter: backend === "webgpu" ? adapter : "CPU, one thread", clips: asked.clips, rounds: asked.rounds, ours, theirs, ratio: ours / theirs, apart: answer.apart, times: answer.times });
      console.error(`${size} on ${backend}: ours ${ours.toFixed(1)} ms, ONNX Runtime Web ${theirs.toFixed(1)} ms`);
    }
  }
  const lines = [
    "| model | backend | device | ours, ms | ONNX Runtime Web, ms | ours / theirs | largest difference of a logit |",
    "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ...rows.map((row) => `| ${row.size} | ${row.backend} | ${row.adapter} | ${row.ours.toFixed(1)} | ${row.theirs.toFixed(1)} | ${row.ratio.toFixed(2)} | ${row.apart.toExponential(0)} |`),
    "",
    `Medians of ${values.rounds} interleaved forward passes of ${values.clips} clip${values.clips === "1" ? "" : "s"} after ${WARM} to warm up; pixels in and logits out are part of each. ${browser}.`,
  ];
  console.log(lines.join("\n"));
  if (values.out) {
    writeFileSync(values.out, `${lines.join("\n")}\n`);
    writeFileSync(values.out.replace(/\.md$/, ".json"), `${JSON.stringify({ browser, rows }, null, 1)}\n`);
  }
} finally {
  for (const ending of endings.reverse()) await ending();
  server.close();
}
