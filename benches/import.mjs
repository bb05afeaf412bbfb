// How long a folder as large as UCF101 (13,320 files) takes until it is listed, labelled and split, what the page's own
// thread and memory do meanwhile, and how long looking into every file takes. Prints a Markdown table.
//
// usage: node benches/import.mjs   CLIPTUNE_DIST names another build, CHROMIUM another browser
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCliptune } from "../tests/e2e/browser.mjs";
import { asLargeAsUcf101 } from "../tests/e2e/folders.mjs";

const WAYS = {
  "chosen, labels from folders": { lists: false, drop: false },
  "chosen, labels and splits from UCF101's lists": { lists: true, drop: false },
  "dropped, labels from folders": { lists: false, drop: true },
};

/** Megabytes that the browser's page and engine hold: the resident memory of its largest renderer. */
function renderer(profile) {
  const sizes = readdirSync("/proc").filter(Number).map((process) => {
    try {
      const command = readFileSync(`/proc/${process}/cmdline`, "utf8");
      if (!command.includes("--type=renderer") || !command.includes(profile)) return 0;
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process}/status`, "utf8"))[1]) / 1e3;
    } catch {
      // Gone meanwhile.
      return 0;
    }
  });
  return Math.round(Math.max(0, ...sizes));
}

/** Drops a folder as the system's file manager does. */
async function drop(page, folder) {
  const client = await page.context().newCDPSession(page);
  const box = await page.locator(".dropzone").boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + 30, data: { items: [], files: [folder], dragOperationsMask: 1 } };
  for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, ...at });
}

async function measure({ lists, drop: dropped }) {
  const endings = [];
  const test = { after: (ending) => endings.push(ending) };
  const folder = mkdtempSync(path.join(tmpdir(), "cliptune-bench-"));
  try {
    asLargeAsUcf101(folder, { lists });
    const { page, profile } = await openCliptune(test, { device: "cpu" });
    const before = renderer(profile);
    await page.page.evaluate(() => {
      window.tasks = [];
      new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ startTime, duration }) => ({ startTime, duration })))).observe({ type: "longtask" });
      // The moment at which the browser hands the files over.
      const given = () => (window.given ??= performance.now());
      for (const event of ["change", "drop"]) document.addEventListener(event, given, { capture: true });
      new MutationObserver(() => {
        if (document.querySelector(".totals")) window.shown ??= performance.now();
      }).observe(document.body, { subtree: true, childList: true });
    });
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, renderer(profile))), 250);
    if (dropped) await drop(page.page, folder);
    else await page.by("folder-input").setInputFiles(folder);
    await page.imported();
    clearInterval(watch);
    const told = await page.page.evaluate(() => {
      const { given, shown, tasks } = window;
      const longest = (from, to) => Math.round(Math.max(0, ...tasks.filter(({ startTime }) => startTime >= from && startTime < to).map(({ duration }) => duration)));
      return {
        listed: Math.round(shown - given),
        checked: Math.round(performance.now() - given),
        handing: longest(0, given - 1),
        listing: longest(given - 1, shown),
        checking: longest(shown, Infinity),
        said: document.querySelector(".totals").textContent,
      };
    });
    return { ...told, before, peak, end: renderer(profile) };
  } finally {
    for (const ending of endings.reverse()) await ending();
    rmSync(folder, { recursive: true, force: true });
  }
}

console.log("| folder | listed, labelled and split | the page's longest task until then | while files are looked into | the browser's own, handing over | every file looked into | memory before, peak, after |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
for (const [name, way] of Object.entries(WAYS)) {
  const { listed, checked, listing, checking, handing, before, peak, end, said } = await measure(way);
  console.log(`| ${name} | ${listed} ms | ${listing} ms | ${checking} ms | ${handing} ms | ${(checked / 1e3).toFixed(1)} s | ${before}, ${peak}, ${end} MB |`);
  console.error(said);
}
