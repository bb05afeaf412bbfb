// Accuracy on groups (people, scenes) that the model has never seen: each group's clips are tested by a model that was
// fine-tuned on all the others', as often as there are groups. Nothing is chosen by the tested clips: validation repeats a
// group of the training clips, and the model of the least loss on it, the last or nearly, is tested. Prints a Markdown table.
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

function native(place) {
  const program = process.env.CLIPTUNE ?? "cliptune";
  const options = ["tune", path.join(place, "data"), "--out", path.join(place, "run"), "--settings", settings];
  const best = JSON.parse(execFileSync(program, options, { stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 28 }));
  return best.test.accuracy;
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
    return await page.testAccuracy();
  } finally {
    for (const ending of endings.reverse()) await ending();
  }
}

console.log("| held out | clips | right | seconds |\n| --- | ---: | ---: | ---: |");
const started = performance.now();
let [right, tested] = [0, 0];
for (const group of groups) {
  const place = mkdtempSync(path.join(tmpdir(), "cliptune-held-out-"));
  try {
    holdOut(path.join(place, "data"), group);
    const from = performance.now();
    const accuracy = await run(place);
    const count = clips.filter((clip) => clip.group === group).length;
    const hits = Math.round(accuracy * count);
    [right, tested] = [right + hits, tested + count];
    console.log(`| ${group} | ${count} | ${hits} | ${Math.round((performance.now() - from) / 1e3)} |`);
  } finally {
    rmSync(place, { recursive: true, force: true, maxRetries: 5 });
  }
}
console.log(`| all | ${tested} | ${right} (${((100 * right) / tested).toFixed(1)} %) | ${Math.round((performance.now() - started) / 1e3)} |`);
