// The built page in a Chromium of its own, given a folder of videos.
//
// Comes in: what makes the folder, and whether it is dropped or chosen. Goes out: milliseconds (`watchImport`), megabytes of
// the renderer before, at most and after, and what the page says of the folder.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCliptune } from "../tests/e2e/browser.mjs";
import { dropFolder, rendererMegabytes, watchImport } from "../tests/e2e/large_folder.mjs";

export async function measureImport(makeFolder, { dropped = false } = {}) {
  const endings = [];
  const test = { after: (ending) => endings.push(ending) };
  const folder = mkdtempSync(path.join(tmpdir(), "cliptune-bench-"));
  try {
    makeFolder(folder);
    const { page, profile } = await openCliptune(test, { device: "cpu" });
    const before = rendererMegabytes(profile);
    const seen = await watchImport(page.page);
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, rendererMegabytes(profile))), 250);
    try {
      if (dropped) await dropFolder(page.page, folder);
      else await page.by("folder-input").setInputFiles(folder);
      await page.imported();
    } finally {
      clearInterval(watch);
    }
    const said = await page.page.locator(".totals").textContent();
    const end = rendererMegabytes(profile);
    return { ...(await seen()), said, before, peak: Math.max(peak, end), end };
  } finally {
    for (const ending of endings.reverse()) await ending();
    rmSync(folder, { recursive: true, force: true });
  }
}
