// A Chromium with a profile of its own and a server of the built page, for one test.
//
// Comes in: a test context. Goes out: a page that is open. Whatever is started here ends with the test, or with its spec.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve } from "../../scripts/static_server.mjs";
import { CliptunePage } from "./page.mjs";

// Without it Playwright does not tell what a service worker asks from the network.
process.env.PW_EXPERIMENTAL_SERVICE_WORKER_NETWORK_EVENTS = "1";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const SAMPLE = path.join(ROOT, "public/sample");
export const DIST = process.env.CLIPTUNE_DIST ?? path.join(ROOT, "dist");
// Flags that all browser tests share; Playwright itself chooses headless mode.
const FLAGS = JSON.parse(readFileSync(path.join(ROOT, "webdriver.json"), "utf8"))["goog:chromeOptions"].args
  .filter((flag) => !flag.startsWith("headless"))
  .map((flag) => `--${flag}`);

const endings = new WeakMap();

/** To be done after the test, last first: a browser ends before its profile is deleted. */
function afterwards(test, action) {
  if (!endings.has(test)) {
    const actions = [];
    endings.set(test, actions);
    test.after(async () => {
      for (const act of actions.reverse()) await act();
    });
  }
  endings.get(test).push(action);
}

/** A folder that is deleted after the test. */
export function temporaryFolder(test) {
  const folder = mkdtempSync(path.join(tmpdir(), "cliptune-e2e-"));
  afterwards(test, () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A copy of the built page each of whose workers runs `program`, a function, before its own: `self.name` says which it is. */
export function siteWith(test, program) {
  const site = path.join(temporaryFolder(test), "site");
  cpSync(DIST, site, { recursive: true });
  const worker = path.join(site, "worker.js");
  writeFileSync(worker, `(${program})();\n${readFileSync(worker, "utf8")}`);
  return site;
}

export async function startServer(test, site = DIST) {
  if (!existsSync(path.join(site, "index.html"))) throw new Error(`${site} holds no build; run make build first`);
  const server = await serve(site);
  const stop = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    });
  afterwards(test, stop);
  return { address: `http://localhost:${server.address().port}/`, stop };
}

/** A browser on this profile; a second one on the same profile is the same user come back. */
export async function startBrowser(test, profile, options = {}) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  afterwards(test, () => context.close().catch(() => {}));
  return context;
}

/** The usual start of a test: a server, of this build or another, a fresh profile, the page with these address parameters. */
export async function openCliptune(test, parameters = {}, { site, ...options } = {}) {
  const server = await startServer(test, site);
  const profile = temporaryFolder(test);
  const context = await startBrowser(test, profile, options);
  const page = new CliptunePage(context.pages()[0] ?? (await context.newPage()), server.address);
  await page.open(parameters);
  return { server, profile, context, page };
}

/**
 * For specs of several tests: one browser for all of them, so that the programs are compiled once. What it gives goes to an
 * empty page of its server, on line and with nothing stored of the tests before: its tab, server and context.
 */
export function sharedBrowser() {
  const spec = { after };
  const profile = temporaryFolder(spec);
  let started;
  const start = async () => ({ server: await startServer(spec), context: await startBrowser(spec, profile) });
  return async () => {
    started ??= start();
    const { server, context } = await started;
    const [tab] = context.pages();
    for (const event of ["pageerror", "crash"]) tab.removeAllListeners(event);
    await context.setOffline(false);
    await tab.goto(`${server.address}icons/icon.svg`);
    const client = await context.newCDPSession(tab);
    const origin = new URL(server.address).origin;
    await client.send("Storage.clearDataForOrigin", { origin, storageTypes: "file_systems,indexeddb,local_storage" });
    await client.detach();
    return { server, context, tab };
  };
}

/** `openCliptune` in a shared browser; tests that change more than their page need one of their own. */
export function sharedCliptune() {
  const browser = sharedBrowser();
  return async (parameters = {}) => {
    const { server, context, tab } = await browser();
    const page = new CliptunePage(tab, server.address);
    await page.open(parameters);
    return { server, context, page };
  };
}

export function ffmpeg(...options) {
  execFileSync("ffmpeg", ["-v", "error", "-y", ...options], { stdio: ["ignore", "inherit", "inherit"] });
}
