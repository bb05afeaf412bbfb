// What a user sees and does, in words of the page; the only file here that knows its markup.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import path from "node:path";

const IMPORT = 120_000;
const MINUTE = 60_000;

export class CliptunePage {
  constructor(page, address) {
    this.page = page;
    this.address = address;
    // An error that nothing on the page tells of.
    this.uncaught = [];
    page.on("pageerror", (error) => {
      this.uncaught.push(String(error));
      console.error(`The page threw: ${error.stack}`);
    });
    page.on("crash", () => this.uncaught.push("the page crashed"));
  }

  by(name) {
    return this.page.getByTestId(name);
  }

  async open(parameters = {}) {
    await this.page.goto(`${this.address}?${new URLSearchParams(parameters)}`);
    await this.ready();
  }

  /** Until the engine has a device. */
  async ready() {
    await this.page.locator('[data-testid=device-chip][data-device="cpu"], [data-testid=device-chip][data-device="gpu"]').waitFor({ timeout: MINUTE });
  }

  device() {
    return this.by("device-chip").getAttribute("data-device");
  }

  go(view) {
    return this.page.locator(`nav a[href="#${view}"]`).click();
  }

  async waitForServiceWorker() {
    await this.page.waitForFunction(() => navigator.serviceWorker.controller !== null, undefined, { timeout: MINUTE });
  }

  /** Chooses a folder as the browser's dialog would, and waits for what the page says about it. */
  async chooseFolder(folder) {
    await this.go("data");
    await this.markAnswers();
    await this.by("folder-input").setInputFiles(folder);
    await this.imported();
  }

  /** Marks what an earlier folder left, so that it is not taken for the next one's answer. */
  markAnswers() {
    return this.page.evaluate(() => {
      for (const old of document.querySelectorAll(".totals, [data-testid=notice-error]")) old.dataset.old = "";
    });
  }

  async chooseSample() {
    await this.markAnswers();
    await this.by("sample-button").click();
    await this.imported();
  }

  /** Until the folder is there and its files were looked into. */
  async imported() {
    const answer = ".totals:not([data-old]), [data-testid=notice-error]:not([data-old])";
    await this.page.locator(answer).first().waitFor({ timeout: IMPORT });
    await this.by("importing").waitFor({ state: "detached", timeout: IMPORT });
    await this.by("checking").waitFor({ state: "detached", timeout: IMPORT });
  }

  /** Classes with their counts of training, validation and test clips, as `Wave 3 1 1`. */
  classCounts() {
    return this.by("class-card").evaluateAll((cards) => cards.map((card) => [card.dataset.label, ...[...card.querySelectorAll("b")].map((count) => count.textContent)].join(" ")));
  }

  /** Opens what decides labels and splits. */
  async openLabels() {
    const form = this.by("labels-form");
    if (!(await form.evaluate((form) => form.open))) await form.locator("summary").click();
    return form;
  }

  /** Opens a class's dialog with its corrections, once a clip is shown. */
  async openCorrections(label) {
    await this.page.locator(`[data-testid=class-card][data-label="${label}"]`).click();
    await this.by("preview-canvas").first().waitFor();
    await this.by("class-edit").locator("summary").click();
  }

  closeDialog() {
    return this.page.keyboard.press("Escape");
  }

  /** What the page says about where labels and splits come from. */
  found() {
    return this.by("found").textContent();
  }

  texts(name) {
    return this.by(name).allTextContents();
  }

  classes() {
    return this.by("class-card").evaluateAll((cards) => cards.map((card) => card.dataset.label));
  }

  /** Everything that the page says against a folder: what blocks it, warnings, and files with their reasons. */
  async complaints() {
    const [blocked, warnings, errors, files] = await Promise.all(["blocked", "warning", "notice-error", "unusable-row"].map((name) => this.texts(name)));
    return { blocked, warnings, errors, files, all: [...blocked, ...warnings, ...errors, ...files].join("\n") };
  }

  /** How many seconds the run will take, once the page has measured it. */
  async estimate() {
    await this.page.locator("[data-testid=estimate][data-seconds]").waitFor({ timeout: MINUTE });
    return Number(await this.by("estimate").getAttribute("data-seconds"));
  }

  async startTuning() {
    await this.go("fine-tune");
    await this.by("start-tuning").click();
  }

  /** Until `steps` steps are done. */
  async stepsDone(steps, timeout = 5 * MINUTE) {
    await this.page.waitForFunction(
      (steps) => JSON.parse(document.querySelector("[data-testid=step-loss]")?.dataset.losses ?? "[]").length >= steps,
      steps,
      { timeout, polling: 20 },
    );
  }

  /** Until the run is over; fails with the page's own sentence where it ends in an error. */
  async tuned(timeout = 10 * MINUTE) {
    const failed = this.by("notice-error").first();
    await this.by("to-classify").or(failed).first().waitFor({ timeout });
    if (await failed.isVisible()) assert.fail(`Fine-tuning ended with: ${await failed.textContent()}`);
  }

  async losses() {
    return JSON.parse(await this.by("step-loss").getAttribute("data-losses"));
  }

  /** Steps of the whole run, as the chart of the loss ends with them. */
  async totalSteps() {
    const end = await this.page.locator(".tick", { hasText: /^step / }).first().textContent();
    return Number(end.replace(/\D/g, ""));
  }

  async testAccuracy() {
    return Number(await this.by("test-accuracy").getAttribute("data-value"));
  }

  /** The models' list: id, name as shown, whether it is the best of its run. */
  async checkpoints() {
    await this.go("models");
    await this.by("checkpoint-row").first().waitFor({ timeout: MINUTE });
    return this.by("checkpoint-row").evaluateAll((rows) =>
      rows.map((row) => ({ id: row.dataset.id, best: row.dataset.best === "true", text: row.textContent })),
    );
  }

  /** The runs, with their comparison. */
  async showRuns() {
    await this.go("models");
    await this.page.locator('.intro a[href="#runs"]').click();
    await this.by("run-row").first().waitFor({ timeout: MINUTE });
    await this.by("result-row").first().waitFor({ timeout: MINUTE });
  }

  row(id) {
    return this.page.locator(`[data-testid=checkpoint-row][data-id="${id}"]`);
  }

  /** Deletes a checkpoint and waits until its row is gone. */
  async delete(id) {
    await this.by(`delete-${id}`).click();
    await this.by("confirm-delete").click();
    await this.row(id).waitFor({ state: "detached" });
  }

  /** Exports a checkpoint into `folder` with 32- or 16-bit weights; the zip's path. */
  async export(id, folder, numbers = "f32") {
    await this.by(`export-${id}`).click();
    await this.by(`numbers-${numbers}`).check();
    const downloading = this.page.waitForEvent("download");
    await this.by("export-zip").click();
    const download = await downloading;
    const file = path.join(folder, `${numbers}-${download.suggestedFilename()}`);
    await download.saveAs(file);
    await this.by("export-zip").waitFor({ state: "detached" });
    return file;
  }

  /** Brings a model's folder, or a zip, from disk. */
  async bring(file) {
    await this.go("models");
    const input = statSync(file).isDirectory() ? "import-model-folder" : "import-checkpoint";
    await this.by(input).setInputFiles(file);
    return this.brought();
  }

  /** What the page says of the model that is being brought: either a welcome with its list of tensors, or why it is not here. */
  async brought(timeout = MINUTE) {
    await this.by("notice-good").or(this.by("notice-error")).first().waitFor({ timeout });
    const [welcome, refusal] = await Promise.all(["notice-good", "notice-error"].map((name) => this.texts(name)));
    const tensors = await this.by("tensor-row").allTextContents();
    const groups = await this.page.locator("[data-testid=load-report] summary").allTextContents();
    return { welcome: welcome.join(), refusal: refusal.join(), groups, tensors };
  }

  /** Sets the Hub's address, and a token where there is one. */
  async useHub(endpoint, token = "") {
    await this.go("models");
    if (!(await this.by("hub-endpoint").isVisible())) await this.by("hub-more").click();
    await this.by("hub-endpoint").fill(endpoint);
    await this.by("hub-token").fill(token);
  }

  /** From here on, what a bar shows; the answer gives the shares in order, in percent. */
  async watchProgress(testid) {
    await this.page.evaluate((testid) => {
      window.shares = [];
      const look = () => {
        const now = document.querySelector(`[data-testid=${testid}]`)?.getAttribute("aria-valuenow");
        if (now && window.shares.at(-1) !== Number(now)) window.shares.push(Number(now));
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    }, testid);
    return () => this.page.evaluate(() => window.shares);
  }

  async startDownload(model) {
    await this.go("models");
    await this.by("hub-model").fill(model);
    await this.by("hub-download").click();
  }

  /** Evaluates the chosen model, and waits for the report or for why there is none. */
  async evaluate() {
    await this.by("evaluate").click();
    await this.page.locator("[data-testid=report]:visible, [data-testid=notice-error]").first().waitFor({ timeout: 2 * MINUTE });
  }

  /** What the report says of each split: its name, its accuracy as shown, and the confusion matrix's counts. */
  splitsOfReport() {
    return this.by("report").locator("section:has(.matrix)").evaluateAll((sections) =>
      sections.map((section) => ({
        split: section.querySelector("h2").textContent,
        accuracy: section.querySelector(".figure-row dd").textContent,
        matrix: [...section.querySelectorAll(".matrix tbody tr")].map((row) => [...row.querySelectorAll("td")].map((cell) => Number(cell.textContent) || 0)),
        classes: [...section.querySelectorAll(".matrix tbody th")].map((head) => head.textContent),
      })),
    );
  }

  /** A cell of a split's confusion matrix, as a button. */
  matrixCell(split, label, prediction) {
    const section = this.by("report").locator("section", { has: this.page.getByRole("heading", { name: split, exact: true }) });
    return section.locator(`.matrix tbody tr:nth-child(${label + 1}) td:nth-of-type(${prediction + 1}) button`);
  }

  /** The videos in the dialog, once all are there; their paths. */
  async shownClips(count) {
    await this.by("shown-clip").nth(count - 1).locator("canvas.picture").waitFor({ timeout: MINUTE });
    return this.by("shown-clip").evaluateAll((clips) => clips.map((clip) => clip.dataset.path));
  }

  /** Classifies one file with the chosen model; label and score, best first. */
  async classify(file) {
    await this.go("classify");
    const clear = this.page.getByRole("button", { name: "Clear" });
    if (await clear.isVisible()) await clear.click();
    await this.by("classify-input").setInputFiles(file);
    await this.by("prediction-row").or(this.by("unusable-row")).first().waitFor({ timeout: MINUTE });
    return this.by("prediction-row").evaluateAll((rows) => rows.map((row) => ({ label: row.dataset.label, score: Number(row.dataset.score) })));
  }

  assertNothingUncaught() {
    assert.deepEqual(this.uncaught, [], "errors that the page did not turn into a sentence");
  }
}
