// How long the page takes from nothing: until it can be used, until the engine is ready, and from "Fine-tune" to the
// first step. Each round has a browser with an empty profile, so nothing is cached. Prints a Markdown table.
//
// usage: node benches/start.mjs [ROUNDS]   CLIPTUNE_DIST names another build, CHROMIUM another browser, DEVICE gpu or cpu
import { startBrowser, startServer, temporaryFolder } from "../tests/e2e/browser.mjs";
import { CliptunePage } from "../tests/e2e/page.mjs";

const rounds = Number(process.argv[2] ?? 5);
const device = process.env.DEVICE ?? "cpu";
const median = (numbers) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1];

/** Notes when each of these is first there, in milliseconds from the navigation. */
function noteFirsts(wanted) {
  window.firsts = {};
  const look = () => {
    for (const [name, selector] of Object.entries(wanted)) {
      if (!window.firsts[name] && document.querySelector(selector)) window.firsts[name] = performance.now();
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
}

const WANTED = {
  usable: "[data-testid=sample-button]",
  engine: "[data-testid=device-chip][data-device=cpu], [data-testid=device-chip][data-device=gpu]",
};

async function measure() {
  const endings = [];
  const test = { after: (ending) => endings.push(ending) };
  try {
    const server = await startServer(test);
    const context = await startBrowser(test, temporaryFolder(test));
    await context.addInitScript(noteFirsts, WANTED);
    const page = new CliptunePage(context.pages()[0], server.address);
    await page.open({ device, size: "micro", epochs: "1" });
    const firsts = await page.page.evaluate(() => window.firsts);
    await page.chooseSample();
    await page.go("fine-tune");
    await page.by("start-tuning").evaluate((button) => button.addEventListener("click", () => (window.pressed = performance.now()), { capture: true }));
    await page.by("start-tuning").click();
    await page.stepsDone(1);
    return { ...firsts, step: await page.page.evaluate(() => performance.now() - window.pressed) };
  } finally {
    for (const ending of endings.reverse()) await ending();
  }
}

const measured = [];
for (let round = 0; round < rounds; round += 1) measured.push(await measure());
const cell = (name) => `${Math.round(median(measured.map((one) => one[name])))} ms`;
console.log("| device | page usable | engine ready | first step after “Fine-tune” | rounds |\n| --- | ---: | ---: | ---: | ---: |");
console.log(`| ${device} | ${cell("usable")} | ${cell("engine")} | ${cell("step")} | ${rounds} |`);
