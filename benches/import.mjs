// How long a folder as large as UCF101 (13,320 files) takes until it is listed, labelled and split, what the page's own
// thread and memory do meanwhile, and how long looking into every file takes. Prints a Markdown table.
//
// usage: node benches/import.mjs   CLIPTUNE_DIST names another build, CHROMIUM another browser
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCliptune } from "../tests/e2e/browser.mjs";
import { asLargeAsUcf101 } from "../tests/e2e/folders.mjs";
import { dropFolder, rendererMegabytes, watchImport } from "../tests/e2e/large_folder.mjs";

const WAYS = {
  "chosen, labels from folders": { lists: false, dropped: false },
  "chosen, labels and splits from UCF101's lists": { lists: true, dropped: false },
  "dropped, labels from folders": { lists: false, dropped: true },
  "dropped, labels and splits from UCF101's lists": { lists: true, dropped: true },
};

async function measure({ lists, dropped }) {
  const endings = [];
  const test = { after: (ending) => endings.push(ending) };
  const folder = mkdtempSync(path.join(tmpdir(), "cliptune-bench-"));
  try {
    asLargeAsUcf101(folder, { lists });
    const { page, profile } = await openCliptune(test, { device: "cpu" });
    const before = rendererMegabytes(profile);
    const seen = await watchImport(page.page);
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, rendererMegabytes(profile))), 250);
    if (dropped) await dropFolder(page.page, folder);
    else await page.by("folder-input").setInputFiles(folder);
    await page.imported();
    clearInterval(watch);
    const said = await page.page.locator(".totals").textContent();
    return { ...(await seen()), said, before, peak, end: rendererMegabytes(profile) };
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
