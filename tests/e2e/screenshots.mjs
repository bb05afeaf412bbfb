// Takes a picture of every state of the page, light and dark, wide and narrow.
//
// usage: node tests/e2e/screenshots.mjs FOLDER
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SAMPLE, openCliptune } from "./browser.mjs";
import { sampleClips, smallFolder } from "./folders.mjs";

const out = process.argv[2];
if (!out) {
  console.error("usage: node tests/e2e/screenshots.mjs FOLDER");
  process.exit(2);
}
mkdirSync(out, { recursive: true });
const WINDOWS = { wide: { width: 1280, height: 900 }, narrow: { width: 390, height: 844 } };

// Stands in for node's test context: runs what was left to do afterwards, last first.
const afterwards = [];
const session = { after: (act) => afterwards.unshift(act) };

const broken = mkdtempSync(path.join(tmpdir(), "cliptune-shots-"));
session.after(() => rmSync(broken, { recursive: true, force: true }));
smallFolder(broken, { SlideLeft: 6, SlideUp: 1 });
writeFileSync(path.join(broken, "SlideUp/empty.mp4"), "");
writeFileSync(path.join(broken, "SlideLeft/letter.mp4"), "Dear reader");

const { page } = await openCliptune(session, { device: "cpu", size: "micro", epochs: "6" });

async function shoot(state) {
  for (const [width, viewport] of Object.entries(WINDOWS)) {
    await page.page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.page.emulateMedia({ colorScheme });
      await page.page.waitForTimeout(150);
      await page.page.screenshot({ path: path.join(out, `${state}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.page.emulateMedia({ colorScheme: "light" });
  await page.page.setViewportSize(WINDOWS.wide);
  console.log(state);
}

try {
  await shoot("01-start");
  await page.go("models");
  await shoot("02-no-models");
  await page.go("classify");
  await shoot("03-nothing-to-classify-with");
  await page.chooseFolder(broken);
  await shoot("04-folder-with-problems");
  await page.chooseFolder(SAMPLE);
  await shoot("05-sample");
  await page.by("class-card").first().click();
  await page.by("preview-canvas").first().waitFor();
  await shoot("06-preview");
  await page.page.keyboard.press("Escape");
  await page.go("fine-tune");
  await shoot("07-settings");
  await page.page.locator("details.more summary").click();
  await shoot("08-more-settings");
  await page.startTuning();
  await page.stepsDone(60);
  await shoot("09-tuning");
  await page.tuned();
  await shoot("10-tuned");
  await page.classify(sampleClips("test", "SpinLeft", 1)[0]);
  await shoot("11-classified");
  const [checkpoint] = await page.checkpoints();
  await shoot("12-models");
  await page.by(`delete-${checkpoint.id}`).click();
  await shoot("13-delete");
  await page.page.keyboard.press("Escape");
  await page.by("device-chip").click();
  await shoot("14-device-menu");
} finally {
  for (const act of afterwards) await act();
}
