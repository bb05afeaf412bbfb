// What is measured while a large folder is imported: how long it takes to be there, the page's tasks, and its memory.
import { readFileSync, readdirSync } from "node:fs";

/** Drops a folder as the system's file manager does. */
export async function dropFolder(page, folder) {
  const client = await page.context().newCDPSession(page);
  const box = await page.locator(".dropzone").boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + 30, data: { items: [], files: [folder], dragOperationsMask: 1 } };
  for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, ...at });
  await client.detach();
}

/** From here on: when files are handed over, when the folder is there, and every task above 50 ms. */
export function watchImport(page) {
  return page.evaluate(() => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ startTime, duration }) => ({ startTime, duration })))).observe({ type: "longtask" });
    // From here on the files are the page's; before, the browser makes them.
    const given = () => (window.given ??= performance.now());
    for (const event of ["change", "drop"]) document.addEventListener(event, given, { capture: true });
    new MutationObserver(() => {
      if (document.querySelector(".totals")) window.shown ??= performance.now();
    }).observe(document.body, { subtree: true, childList: true });
  });
}

/** Milliseconds: until the folder was there, until now, and the page's longest task before it was given files, until it was there, and since. */
export function seenImport(page) {
  return page.evaluate(() => {
    const { given, shown, tasks } = window;
    const longest = (from, to) => Math.round(Math.max(0, ...tasks.filter(({ startTime }) => startTime >= from && startTime < to).map(({ duration }) => duration)));
    return {
      listed: Math.round(shown - given),
      checked: Math.round(performance.now() - given),
      handing: longest(0, given - 1),
      listing: longest(given - 1, shown),
      checking: longest(shown, Infinity),
    };
  });
}

/** Megabytes that the browser's page and engine hold: the resident memory of its largest renderer. */
export function rendererMegabytes(profile) {
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
