// What is measured while a large folder is imported: how long it takes to be there, the page's tasks, and its memory.
import { readFileSync, readdirSync } from "node:fs";
import { watchTasks } from "./tasks.mjs";

/** Drops a folder as the system's file manager does. */
export async function dropFolder(page, folder) {
  const client = await page.context().newCDPSession(page);
  const box = await page.locator(".dropzone").boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + 30, data: { items: [], files: [folder], dragOperationsMask: 1 } };
  for (const type of ["dragEnter", "dragOver", "drop"]) await client.send("Input.dispatchDragEvent", { type, ...at });
  await client.detach();
}

/**
 * From here on, until the answer is called; it gives milliseconds: until the folder was there, until now, and the page's
 * longest task before it was given files, until the folder was there, and since.
 */
export async function watchImport(page) {
  const watched = await watchTasks(page);
  await page.evaluate(() => {
    const mark = (name) => performance.getEntriesByName(name).length > 0 || performance.mark(name);
    // From here on the files are the page's; before, the browser makes them.
    for (const event of ["change", "drop"]) document.addEventListener(event, () => mark("given"), { capture: true });
    new MutationObserver(() => document.querySelector(".totals") && mark("shown")).observe(document.body, { subtree: true, childList: true });
  });
  return async () => {
    await page.evaluate(() => performance.mark("checked"));
    const { tasks, marks: { given, shown, checked } } = await watched();
    const longest = (from, to) => Math.max(0, ...tasks.filter(({ at }) => at >= from && at < to).map(({ milliseconds }) => milliseconds));
    return {
      listed: Math.round((shown - given) / 1e3),
      checked: Math.round((checked - given) / 1e3),
      // The event comes within the task that hands over the files.
      handing: longest(0, given),
      listing: longest(given, shown),
      checking: longest(shown, Infinity),
    };
  };
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
