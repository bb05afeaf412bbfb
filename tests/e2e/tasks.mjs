// How long the page's own thread computes without a break, by that thread's clock, which stands still while another program
// has the core: the wall clock would measure the machine's other work.
//
// Comes in: a page. Goes out: its tasks and its marks (`performance.mark`), from Chromium's own trace.

const CATEGORIES = ["disabled-by-default-devtools.timeline", "blink.user_timing"];
const WATCHED = "watched";
/** In milliseconds; shorter tasks are nobody's concern and many. */
const SHORT = 5;

/** From here on, until the answer is called; it gives tasks as `{ at, milliseconds }`, and when each mark was first set. */
export async function watchTasks(page) {
  const client = await page.context().newCDPSession(page);
  const [tasks, marks, pages] = [[], {}, new Set()];
  let timed = 0;
  const thread = ({ pid, tid }) => `${pid} ${tid}`;
  client.on("Tracing.dataCollected", ({ value }) => {
    for (const event of value) {
      if (event.name === "thread_name" && event.args.name === "CrRendererMain") pages.add(thread(event));
      else if (event.name === "RunTask" && event.tdur !== undefined) {
        timed += 1;
        if (event.tdur > 1e3 * SHORT) tasks.push({ at: event.ts, milliseconds: Math.round(event.tdur / 1e3), thread: thread(event) });
      } else if (event.cat === "blink.user_timing") marks[event.name] ??= event.ts;
    }
  });
  const traceConfig = { includedCategories: CATEGORIES, excludedCategories: ["*"], traceBufferSizeInKb: 1 << 20 };
  await client.send("Tracing.start", { transferMode: "ReportEvents", traceConfig });
  // Found in the trace only where the page was watched from here on.
  await page.evaluate((name) => performance.mark(name), WATCHED);
  return async () => {
    // A task that has not ended yet is not in the trace.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    const complete = new Promise((resolve) => client.once("Tracing.tracingComplete", resolve));
    await client.send("Tracing.end");
    const { dataLossOccurred } = await complete;
    if (dataLossOccurred) throw new Error("Chromium's trace was too long to be kept.");
    if (timed === 0 || pages.size === 0 || !marks[WATCHED]) throw new Error("Chromium's trace does not tell what the page did.");
    await client.detach();
    return { tasks: tasks.filter((task) => pages.has(task.thread)), marks };
  };
}

/** Milliseconds of the tasks that are longer than anybody would not notice. */
export function longTasks({ tasks }) {
  return tasks.map(({ milliseconds }) => milliseconds).filter((milliseconds) => milliseconds > 50);
}
