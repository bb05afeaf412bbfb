// Every file of ../shared/media in Chromium, held against ffmpeg -> docs/media-support.md.
//
// usage: scripts/media_support.sh [PART OF A PATH]   with a part, only the files whose path has it, and no table
// Ends with 1 where a file that should open does not, or is not shown as ffmpeg shows it.
import { symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve } from "../../scripts/static_server.mjs";
import { ROOT, startBrowser, temporaryFolder } from "../e2e/browser.mjs";
import { MEDIA, manifest } from "./manifest.mjs";
import { ffmpegVersion, reference, referenceFolder } from "./references.mjs";
import { describe, verdict } from "./verdict.mjs";
import { table } from "./table.mjs";

const [site, part = ""] = process.argv.slice(2);

async function openPage(test) {
  const server = await serve(site);
  test.after(() => server.close());
  const context = await startBrowser(test, temporaryFolder(test));
  const page = await context.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  await page.waitForFunction(() => window.look);
  return { page, browser: `Chromium ${context.browser()?.version() ?? ""}`.trim() };
}

async function main(test) {
  const files = manifest().filter((file) => file.path.includes(part));
  const references = await referenceFolder(path.join(process.env.CLIPTUNE_CACHE, "media-support/references"));
  for (const [index, file] of files.entries()) {
    process.stderr.write(`\rffmpeg: ${index + 1} of ${files.length}`);
    file.reference = await reference(path.join(MEDIA, file.path), file.sha256, references);
  }
  process.stderr.write("\n");
  symlinkSync(references, path.join(site, "references"));
  const { page, browser } = await openPage(test);
  await page.locator("input").setInputFiles(files.map((file) => path.join(MEDIA, file.path)));
  for (const [index, file] of files.entries()) {
    file.answer = await page.evaluate(([index, sha256]) => window.look(index, sha256), [index, file.sha256]);
    file.verdict = verdict(file);
    console.log(describe(file));
  }
  writeFileSync(path.join(site, "answers.json"), JSON.stringify(files.map(({ path, verdict, answer }) => ({ path, verdict, ...answer })), null, 1));
  if (!part) writeFileSync(path.join(ROOT, "docs/media-support.md"), table(files, browser, await ffmpegVersion()));
  return files.filter((file) => file.verdict.wrong).length;
}

if (manifest().length === 0) {
  console.error(`${MEDIA} is absent; there is nothing to look at.`);
  process.exit(1);
}
// What the tests' browser wants of a test: somewhere to leave what is to be done afterwards.
const endings = [];
try {
  const wrong = await main({ after: (ending) => endings.push(ending) });
  console.log(wrong === 0 ? "Every file that should open does, and is shown as ffmpeg shows it." : `${wrong} files are not as they should be.`);
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  for (const ending of endings.reverse()) await ending();
}
