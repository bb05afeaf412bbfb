// What a clip of a training step takes on the CPU, with as many cores as the machine has and with fewer: a browser that tells
// of fewer cores, so that fewer workers share the computing. Each is a run of its own, from the same folder. Prints a
// Markdown table.
//
// usage: node benches/cores.mjs [SIZE,… [FOLDER [EPOCHS]]]   CLIPTUNE_DIST names another build, CHROMIUM another browser
//   Without them: micro, the starter for people and tiny, 12 epochs of Weizmann's recordings of ../shared/media.
import { cpus } from "node:os";
import path from "node:path";
import { ROOT, openCliptune, siteWith } from "../tests/e2e/browser.mjs";

const [sizes = "micro,people,tiny", folder = path.join(ROOT, "../shared/media/labelled/weizmann"), epochs = "12"] = process.argv.slice(2);
const CORES = [1, 2, 4, 8].filter((cores) => cores < cpus().length).concat(cpus().length);

/** What the page shows of a clip's times in the last epoch, and the seconds of the whole run. */
async function told(size, cores) {
  const endings = [];
  const test = { after: (ending) => endings.push(ending) };
  try {
    const site = siteWith(test, `() => Object.defineProperty(WorkerNavigator.prototype, "hardwareConcurrency", { get: () => ${cores} })`);
    const parameters = { device: "cpu", epochs, ...(size === "people" ? {} : { size }) };
    const { page } = await openCliptune(test, parameters, { site });
    await page.chooseFolder(folder);
    await page.go("fine-tune");
    if (size === "people") await page.by("start-people").check();
    await page.by("decoded-ahead").filter({ hasText: /^([\d,]+) of \1 / }).waitFor({ timeout: 10 * 60_000 });
    const from = Date.now();
    await page.by("start-tuning").click();
    await page.tuned(60 * 60_000);
    const seconds = ((Date.now() - from) / 1e3).toFixed(1);
    const [computing, waiting] = await Promise.all(["computing", "waiting"].map((name) => page.by(name).innerText()));
    return { computing, waiting, seconds };
  } finally {
    for (const ending of endings.reverse()) await ending();
  }
}

console.log("| model | cores told of | computing a clip | waiting for a clip | the whole run, s |");
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const size of sizes.split(",")) {
  for (const cores of CORES) {
    const { computing, waiting, seconds } = await told(size, cores);
    console.log(`| ${[size, cores, computing, waiting, seconds].join(" | ")} |`);
  }
}
