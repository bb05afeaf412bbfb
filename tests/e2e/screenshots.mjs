// Takes a picture of every state of the page, light and dark, wide and narrow.
//
// usage: node tests/e2e/screenshots.mjs FOLDER
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT, SAMPLE, openCliptune } from "./browser.mjs";
import { sampleClips, smallFolder } from "./folders.mjs";
import { filesOf, startHub } from "./hub_server.mjs";

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

// Where a model is large enough to be seen on its way, and the first try is cut.
const PUBLISHED = "ada/videomae-micro";
const files = filesOf(path.join(ROOT, "tests/fixtures/golden/micro/model"));
const hub = await startHub({
  models: { [PUBLISHED]: { files, licence: "cc-by-nc-4.0" } },
  tokens: { hf_ada: { name: "ada", role: "write" } },
});
session.after(() => hub.stop());

const { page } = await openCliptune(session, { device: "cpu", size: "micro", epochs: "6" });

async function shoot(state) {
  for (const [width, viewport] of Object.entries(WINDOWS)) {
    await page.page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.page.emulateMedia({ colorScheme });
      await page.page.evaluate(() => scrollTo(0, 0));
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
  await page.page.evaluate(() => (location.hash = "#pre-train"));
  await shoot("06b-without-labels");
  await page.page.locator("#epochs").fill("40");
  await page.by("start-pretraining").click();
  await page.page.locator("[data-testid=reconstruction] canvas").waitFor();
  await shoot("06c-learning");
  await page.by("tune-from-learnt").waitFor({ timeout: 300_000 });
  await shoot("06d-learnt");
  await page.by("tune-from-learnt").click();
  await page.by("start-starter").check();
  await page.page.getByText(/to train\.$/).waitFor();
  await shoot("07-settings");
  await page.by("size-base").check();
  await page.by("blocked").waitFor();
  await shoot("08-too-large");
  await page.by("size-micro").check();
  await page.page.locator("details.more > summary").click();
  await shoot("09-more-settings");
  await page.startTuning();
  await page.stepsDone(60);
  await shoot("10-tuning");
  await page.tuned();
  await shoot("11-tuned");
  await page.by("to-evaluate").click();
  await shoot("11a-evaluate");
  await page.evaluate();
  await shoot("11b-report");
  await page.by("report").locator(".matrix button").first().click();
  await page.shownClips(1);
  await shoot("11c-clips-of-the-report");
  await page.closeDialog();
  await page.go("fine-tune");
  await page.by("tune-again").click();
  await page.page.locator("#learning_rate").fill("0.0003");
  await page.page.locator("#epochs").fill("4");
  await page.by("start-tuning").click();
  await page.tuned();
  await page.showRuns();
  await page.page.locator("[data-note]").first().fill("A third of the rate: slower, and it ends where the other one was after two epochs.");
  await shoot("11d-runs");
  await page.go("fine-tune");
  await page.classify(sampleClips("test", "SpinLeft", 1)[0]);
  await shoot("12-classified");
  await page.by("attention").click();
  await page.page.locator("[aria-pressed=true]").waitFor();
  await shoot("12a-attention");
  const [checkpoint] = await page.checkpoints();
  await page.useHub(hub.address);
  hub.cut["model.safetensors"] = files["model.safetensors"].length >> 1;
  await page.startDownload(PUBLISHED);
  await page.by("download-again").waitFor();
  await shoot("13-download-cut");
  await page.by("download-again").click();
  await page.by("notice-good").waitFor();
  await shoot("14-downloaded");
  await page.bring(path.join(ROOT, "tests/fixtures/golden/pretrain/model"));
  await page.page.locator("[data-testid=load-report] summary").last().click();
  await shoot("15-brought-from-disk");
  const [pretrained, downloaded] = await page.page.locator("[data-testid=fit]").locator("xpath=ancestor::li").evaluateAll((rows) => rows.map((row) => row.dataset.id));
  await page.by(`export-${downloaded}`).click();
  await shoot("16-export");
  await page.by("push-open").click();
  await page.by("push-repository").fill("ada/tuned");
  await page.by("push-token").fill("hf_ada");
  await shoot("17-push");
  await page.by("push").click();
  await page.by("notice-link").waitFor();
  await shoot("18-pushed");
  await page.page.keyboard.press("Escape");
  await page.by(`start-from-${downloaded}`).click();
  await page.page.getByText(/to train\.$/).waitFor();
  await shoot("19-start-from-downloaded");
  await page.go("models");
  await page.by(`start-from-${pretrained}`).click();
  await page.page.getByText(/to train\.$/).waitFor();
  await shoot("20-start-from-pretrained");
  await page.go("models");
  await shoot("21-models");
  await page.by(`delete-${checkpoint.id}`).click();
  await shoot("22-delete");
  await page.page.keyboard.press("Escape");
  await page.by("device-chip").click();
  await shoot("23-device-menu");
  await page.page.reload();
  await page.ready();
  await page.by(`evaluate-${downloaded}`).click();
  await shoot("24-nothing-to-evaluate-on");
} finally {
  for (const act of afterwards) await act();
}
