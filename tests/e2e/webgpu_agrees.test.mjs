// The same few steps on WebGPU and on the CPU. The GPU here is usually a software adapter: slow, but the same kernels.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedCliptune, temporaryFolder } from "./browser.mjs";
import { smallFolder } from "./folders.mjs";

const STEPS = 4;

const open = sharedCliptune();

async function losses(device, folder) {
  const { page } = await open({ device, size: "micro", epochs: "2" });
  assert.equal(await page.device(), device);
  await page.chooseFolder(folder);
  await page.go("fine-tune");
  // In the middle of the measurement, which is given up: what it reads back just then must not end the engine.
  if (device === "gpu") await page.page.getByText("Measuring how long it will take").waitFor();
  await page.by("start-tuning").click();
  await page.stepsDone(STEPS, 8 * 60_000);
  const losses = await page.losses();
  page.assertNothingUncaught();
  return losses.slice(0, STEPS);
}

test("each step's loss on WebGPU agrees with the CPU's to 1e-3", { timeout: 20 * 60_000 }, async (t) => {
  const { page } = await open({ device: "cpu" });
  const adapter = await page.page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
  if (!adapter) return t.skip("this browser gives no WebGPU adapter, not even a software one");
  const folder = smallFolder(temporaryFolder(t), { SlideLeft: 12, SlideUp: 12 });
  const cpu = await losses("cpu", folder);
  const gpu = await losses("gpu", folder);
  t.diagnostic(`CPU ${cpu}, GPU ${gpu}`);
  for (const step of cpu.keys()) assert.ok(Math.abs(cpu[step] - gpu[step]) < 1e-3, `step ${step + 1}: CPU ${cpu[step]}, GPU ${gpu[step]}`);
});
