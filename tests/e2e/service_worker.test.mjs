// The service worker across two versions of the page.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { serve } from "../../scripts/static_server.mjs";
import { DIST, ROOT, startBrowser, temporaryFolder } from "./browser.mjs";
import { CliptunePage } from "./page.mjs";

test("a new version of the page takes over on the next load", { timeout: 3 * 60_000 }, async (t) => {
  const copy = temporaryFolder(t);
  cpSync(DIST, copy, { recursive: true, filter: (file) => !file.endsWith("/sample") });
  execFileSync("node", [path.join(ROOT, "scripts/precache.mjs"), copy]);
  const server = await serve(copy);
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const context = await startBrowser(t, temporaryFolder(t));
  const page = new CliptunePage(context.pages()[0], `http://localhost:${server.address().port}/`);
  await page.open({ device: "cpu" });
  await page.waitForServiceWorker();
  const index = path.join(copy, "index.html");
  writeFileSync(index, readFileSync(index, "utf8").replace("<body", '<body data-version="second"'));
  execFileSync("node", [path.join(ROOT, "scripts/precache.mjs"), copy]);
  await page.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    await registration.update();
    const newer = registration.installing;
    if (newer) await new Promise((resolve) => newer.addEventListener("statechange", resolve, { once: true }));
  });
  const second = page.page.locator("body[data-version=second]");
  assert.equal(await second.count(), 0);
  await page.page.reload();
  await second.waitFor({ timeout: 30_000 });
  await page.ready();
  assert.equal(await page.page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith("cliptune-build-")).length), 1);
  page.assertNothingUncaught();
});
