// A folder served to a Chromium of its own, and a worker of it, for a bench.
//
// Comes in: the folder, which has an index.html; then a worker's script and a message to it. Goes out: what the worker answers.
import { serve } from "../scripts/static_server.mjs";
import { startBrowser, temporaryFolder } from "../tests/e2e/browser.mjs";

export async function openSite(folder) {
  const endings = [];
  const test = { after: (ending) => endings.push(ending) };
  const server = await serve(folder);
  const context = await startBrowser(test, temporaryFolder(test));
  const address = `http://localhost:${server.address().port}/index.html`;
  const browser = context.browser()?.version() ?? (await (await context.newPage()).evaluate(() => navigator.userAgent));
  const close = async () => {
    for (const ending of endings.reverse()) await ending();
    server.close();
  };
  return { context, address, browser, close };
}

/** The last message of a new worker in a new page, and the page's WebGPU adapter. A message `{ round }` is not the last. */
export async function inWorker({ context, address }, script, asked) {
  const page = await context.newPage();
  try {
    await page.goto(address);
    const adapter = await page.evaluate(async () => {
      const { info } = (await navigator.gpu?.requestAdapter()) ?? {};
      return info ? [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(" ") : "none";
    });
    const answer = await page.evaluate(
      ([script, asked]) =>
        new Promise((resolve) => {
          const worker = new Worker(script, { type: "module" });
          worker.onerror = (event) => resolve({ failed: event.message ?? "the worker did not start" });
          worker.onmessage = ({ data }) => data.round === undefined && resolve(data);
          worker.postMessage(asked);
        }),
      [script, asked],
    );
    if (answer.failed) throw new Error(`${script} could not measure ${JSON.stringify(asked)}: ${answer.failed}`);
    return { answer, adapter };
  } finally {
    await page.close();
  }
}
