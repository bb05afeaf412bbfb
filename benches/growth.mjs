// How time and memory grow in Chromium: of a forward pass and a training step with tokens, batch and classes, and of the built
// page with the number of clips. Prints a report in Markdown, and writes the same, and JSON beside it, where a file is named.
//
// usage: node benches/growth.mjs SITE [--tables tokens,batch,classes,clips] [--device cpu] [--passes 3] [--seconds 3]
//          [--out FILE.md]
//   SITE is made by scripts/bench_growth.sh; `--device gpu` computes on the GPU that the browser finds. A table is gone through
//   as often as there are passes, so that what else the machine does meets all of its rows; each time a row has a browser of its
//   own and is repeated for about these seconds. Tables that are not asked for are kept as the JSON beside FILE.md has them.
//   CLIPTUNE_DIST names another build of the page, CHROMIUM another browser.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { measureClips } from "./growth/clips.mjs";
import { TABLES, line, section, wrapped } from "./growth/tables.mjs";
import { inWorker, openSite } from "./site.mjs";
import { median } from "./training/model.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tables: { type: "string", default: "tokens,batch,classes,clips" },
    device: { type: "string", default: "cpu" },
    passes: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    out: { type: "string" },
  },
});

/** A model's row, once. */
async function compute({ config, batch }) {
  const site = await openSite(positionals[0]);
  try {
    const asked = { config, device: values.device, batch, seconds: Number(values.seconds) };
    const { answer: { times, bytes }, adapter } = await inWorker(site, "growth_worker.mjs", asked);
    const device = values.device === "gpu" ? adapter : "CPU, one thread";
    return { forward: median(times.forward), step: median(times.step), bytes, times, device, browser: site.browser };
  } finally {
    await site.close();
  }
}

/** The median of each number, and what else the first has. */
function middle(tables) {
  const one = ([name, value]) => {
    const all = tables.map((table) => table[name]);
    if (typeof value === "number") return [name, median(all)];
    return [name, name === "bytes" ? middle(all) : value];
  };
  return Object.fromEntries(Object.entries(tables[0]).map(one));
}

async function measure(name) {
  const { rows } = TABLES[name];
  const passes = rows.map(() => []);
  for (let pass = 0; pass < Number(values.passes); pass += 1) {
    for (const [index, row] of rows.entries()) {
      const measured = name === "clips" ? await measureClips(row.clips) : await compute(row);
      passes[index].push(measured);
      console.error(`${name} ${line({ ...row, ...measured })}`);
    }
  }
  return rows.map((row, index) => ({ ...row, ...middle(passes[index]), times: undefined, passes: passes[index] }));
}

const names = values.tables.split(",").filter(Boolean);
const unknown = names.find((name) => !TABLES[name]);
if (unknown) throw new Error(`${unknown} is no table; there are ${Object.keys(TABLES).join(", ")}.`);
const json = values.out?.replace(/\.md$/, ".json");
const before = json && existsSync(json) ? JSON.parse(readFileSync(json, "utf8")) : {};
const kept = before.chosen === values.device ? before.tables : {};
const measured = {};
for (const [name, { rows }] of Object.entries(TABLES)) {
  if (names.includes(name)) measured[name] = await measure(name);
  else if (kept[name]) measured[name] = rows.map((row, index) => ({ ...row, ...kept[name][index] }));
}

const { device, browser, bytes } = Object.values(measured).flat().find(({ bytes }) => bytes) ?? {};
const computing = `A pass and a step are computed on: ${device}. The model is as wide and deep as tiny (192, 4 layers, 3 heads), of random weights, on clips of random numbers. A row has a browser of its own each time; medians of ${values.passes} passes over a table, each of 2 to 20 rounds after one to warm up. A step is the whole one, with clipping and AdamW. Wasm memory never shrinks, so what it has at the end is the most that was needed; the program starts with ${Math.round(bytes?.before / 1e6)} MB of it.`;
const confirmed = values.device === "gpu" ? "What lies in a GPU's memory is not counted." : "**No GPU has confirmed these tables**; `--device gpu` makes the first three on one.";
const powers = "Below each table is the power of what there is more of that its time and memory grow with: 1 is linear, 2 is the square, and less than 1 that much of it is there from the start.";
const report = [
  "# How time and memory grow",
  "",
  ...wrapped([browser && `Chromium ${browser}, headless.`, browser && computing, confirmed].filter(Boolean).join(" ")),
  "",
  ...wrapped(powers),
  "",
  ...Object.keys(measured).flatMap((name) => section(TABLES[name], measured[name])),
  "    make bench-growth",
  "",
  "[Every pass](growth.json).",
  "",
].join("\n");
console.log(report);
if (json) {
  // A configuration is what benches/growth/tables.mjs says; 700 labels of it say nothing.
  const told = (name, value) => (name === "config" ? undefined : value);
  writeFileSync(values.out, report);
  writeFileSync(json, `${JSON.stringify({ chosen: values.device, browser, device, tables: measured }, told, 1)}\n`);
}
