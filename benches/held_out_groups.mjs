// Accuracy on groups (people, scenes) that the model has never seen: each group's clips are tested by a model that was
// fine-tuned on all the others', as often as there are groups. Nothing is chosen by the tested clips: validation repeats a
// group of the training clips, and the model of the least loss on it, the last or nearly, is tested: looking at each clip
// once and, natively, also as often as the paper does (5 clips, 3 crops). Prints a Markdown table.
//
// usage: node benches/held_out_groups.mjs FOLDER native|browser [SETTINGS.json]
//   FOLDER holds <Class>/<name with _gNN_>; CLIPTUNE is the native program, CLIPTUNE_DIST the build of the page; without
//   SETTINGS.json those beside this file over the defaults
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCliptune } from "../tests/e2e/browser.mjs";

const [folder, where, settings = path.join(import.meta.dirname, "held_out_groups.json")] = process.argv.slice(2);
if (!folder || !["native", "browser"].includes(where)) {
  console.error("usage: node benches/held_out_groups.mjs FOLDER native|browser [SETTINGS.json]");
  process.exit(2);
}

const clips = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name: label }) => readdirSync(path.join(folder, label)).map((name) => ({ label, name, group: name.match(/_(g\d+)_/)?.[1] })))
  .filter(({ group }) => group);
const groups = [...new Set(clips.map(({ group }) => group))].sort();

/** The folder with one group as its test split and the others to train on. */
function holdOut(place, held) {
  const repeated = groups.find((group) => group !== held);
  for (const { label, name, group } of clips) {
    const splits = group === held ? ["test"] : group === repeated ? ["train", "val"] : ["train"];
    for (const split of splits) {
      const target = path.join(place, split, label);
      mkdirSync(target, { recursive: true });
      cpSync(path.join(folder, label, name), path.join(target, name));
    }
  }
  return place;
}

const run = { native, browser }[where];

/** What the native program prints. */
const told = (...words) => JSON.parse(execFileSync(process.env.CLIPTUNE ?? "cliptune", words, { stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 28 }));

/** Accuracy by one view of each clip, and by the paper's. */
function native(place) {
  const [data, out] = [path.join(place, "data"), path.join(place, "run")];
  const best = told("tune", data, "--out", out, "--settings", settings);
  const [many] = told("evaluate", path.join(out, best.id), data, "--splits", "test", "--views", "kinetics");
  return [best.test.accuracy, many.accuracy];
}

async function browser(place) {
  const endings = [];
  try {
    const { page } = await openCliptune({ after: (ending) => endings.push(ending) }, { device: process.env.DEVICE ?? "cpu" });
    await page.chooseFolder(path.join(place, "data"));
    await page.go("fine-tune");
    await page.page.locator("details.more > summary").click();
    await page.by("load-settings").setInputFiles(settings);
    await page.startTuning();
    await page.tuned(60 * 60_000);
    return [await page.testAccuracy()];
  } finally {
    for (const ending of endings.reverse()) await ending();
  }
}

const views = { native: ["once", "15 views"], browser: ["once"] }[where];
const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);
row("held out", "clips", ...views.map((name) => `right, ${name}`), "seconds");
row("---", "---:", ...views.map(() => "---:"), "---:");
const started = performance.now();
const seconds = (from) => Math.round((performance.now() - from) / 1e3);
const right = views.map(() => 0);
for (const group of groups) {
  const place = mkdtempSync(path.join(tmpdir(), "cliptune-held-out-"));
  try {
    holdOut(path.join(place, "data"), group);
    const from = performance.now();
    const count = clips.filter((clip) => clip.group === group).length;
    const hits = (await run(place)).map((accuracy) => Math.round(accuracy * count));
    hits.forEach((hit, index) => (right[index] += hit));
    row(group, count, ...hits, seconds(from));
  } finally {
    rmSync(place, { recursive: true, force: true, maxRetries: 5 });
  }
}
row("all", clips.length, ...right.map((hits) => `${hits} (${((100 * hits) / clips.length).toFixed(1)} %)`), seconds(started));
