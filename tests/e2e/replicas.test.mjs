// On the CPU, workers beside the engine share each step's clips; the run is the same, and goes on where one of them ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SAMPLE, openCliptune, siteWith } from "./browser.mjs";

/** What runs in each worker before its program: the machine has so many cores; each task of a replica is told. */
function tellsOf(cores) {
  return `() => {
    Object.defineProperty(WorkerNavigator.prototype, "hardwareConcurrency", { get: () => ${cores} });
    if (self.name !== "engine replica") return;
    const told = new BroadcastChannel("tasks");
    self.addEventListener("message", ({ data: { task } }) => told.postMessage(typeof task === "string" ? task : Object.keys(task)[0]));
  }`;
}

/** The same on two cores; the replica's own code panics at its sixth task, with numbers whose length it is lied to about. */
function breaksReplica() {
  Object.defineProperty(WorkerNavigator.prototype, "hardwareConcurrency", { get: () => 2 });
  if (self.name !== "engine replica") return;
  let tasks = 0;
  self.addEventListener("message", ({ data: { numbers } }) => {
    tasks += 1;
    if (tasks === 6) Object.defineProperty(numbers, "length", { value: 2 ** 31 });
  });
}

/** An epoch of the sample; what the page tells of it, and the tasks of replicas until then. */
async function tuned(t, program) {
  const site = siteWith(t, program);
  const { page } = await openCliptune(t, { device: "cpu", epochs: "1" }, { site, serviceWorkers: "block" });
  await page.page.evaluate(() => {
    window.tasks = [];
    new BroadcastChannel("tasks").onmessage = ({ data }) => window.tasks.push(data);
  });
  await page.chooseFolder(SAMPLE);
  await page.go("fine-tune");
  // What it is measured by is shared out, too, and is over then.
  await page.estimate();
  const before = await page.page.evaluate(() => window.tasks.splice(0).length);
  await page.startTuning();
  await page.tuned();
  const tasks = await page.page.evaluate(() => window.tasks);
  page.assertNothingUncaught();
  const warning = page.page.locator(".notice.warning", { hasText: "beside the engine" });
  return { before, tasks, losses: await page.losses(), accuracy: await page.testAccuracy(), warnings: await warning.allTextContents() };
}

test("a run's clips are shared out among as many workers as there are cores to spare, and it is the same run", { timeout: 6 * 60_000 }, async (t) => {
  const alone = await tuned(t, tellsOf(1));
  assert.deepEqual(alone.tasks, []);
  const shared = await tuned(t, tellsOf(4));
  const count = (kind) => shared.tasks.filter((task) => task === kind).length;
  assert.ok(shared.before > 0, "it was measured with them");
  // Two beside the engine, and a core for the page; the first model, and the best for the test videos.
  assert.equal(count("Hold"), 2 * 2);
  assert.ok(count("Learn") > 1.5 * shared.losses.length && count("Answer") > 0, `${shared.tasks}`);
  assert.deepEqual([alone.warnings, shared.warnings], [[], []]);
  assert.equal(alone.losses.length, shared.losses.length);
  const apart = alone.losses.map((loss, step) => Math.abs(loss - shared.losses[step]));
  assert.ok(Math.max(...apart) < 1e-3, `the losses are ${Math.max(...apart)} apart`);
  assert.equal(shared.accuracy, alone.accuracy);
});

test("where a worker crashes the run goes on without it and says so", { timeout: 6 * 60_000 }, async (t) => {
  const { losses, warnings } = await tuned(t, breaksReplica);
  assert.ok(losses.length > 10 && losses.every(Number.isFinite));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /1 worker that computed beside the engine ended/);
});
