// A decoder that panics and one that hangs: each loses its worker and one file, and nothing else.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { ROOT, openCliptune, siteWith } from "./browser.mjs";

const ADVICE = "It may be damaged: convert it to mp4 (H.264), for example with HandBrake, or leave it out.";
const VIDEO = path.join(ROOT, "tests/fixtures/video");
const MICRO = path.join(ROOT, "tests/fixtures/golden/micro/model");

/**
 * Runs in each worker before its program. The decoder's own code panics at a packet of Motion JPEG, whose length it is
 * lied to about, and the worker never comes back from one of HEVC.
 */
function breakDecoders() {
  if (self.name !== "decoder") return;
  let codec;
  self.addEventListener("message", ({ data: { Start, Packet } }) => {
    codec = Start?.codec ?? codec;
    if (Packet && codec === "MotionJpeg") Object.defineProperty(Packet.data, "length", { value: 2 ** 31 });
    // As an endless loop, but for the core that this would take from other tests.
    if (Packet && codec === "Hevc") Atomics.wait(new Int32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer), 0, 0);
  });
}

test("a decoder that panics and one that hangs lose one file each, and the page goes on working", { timeout: 5 * 60_000 }, async (t) => {
  const { page } = await openCliptune(t, { device: "cpu" }, { site: siteWith(t, breakDecoders), serviceWorkers: "block" });
  await page.bring(MICRO);
  await page.go("classify");
  const files = ["xvid.avi", "mjpeg.avi", "xvid-packed.avi", "hevc.mp4", "xvid-open-dml.avi"];
  await page.by("classify-input").setInputFiles(files.map((name) => path.join(VIDEO, name)));
  const cards = page.page.locator(".result-card");
  const answered = cards.filter({ has: page.by("prediction-row").or(page.by("unusable-row")) });
  await answered.nth(files.length - 1).waitFor({ timeout: 2 * 60_000 });
  const answers = await cards.evaluateAll((cards) => cards.map((card) => [card.querySelector("h3").textContent, card.querySelector(".reason")?.textContent]));
  assert.deepEqual(answers, [
    ["xvid.avi", undefined],
    ["mjpeg.avi", `The decoder gave up on the video (it crashed). ${ADVICE}`],
    ["xvid-packed.avi", undefined],
    ["hevc.mp4", `The decoder gave up on the video (it took too long). ${ADVICE}`],
    ["xvid-open-dml.avi", undefined],
  ]);
  // In the place of those that were lost are new workers.
  assert.ok((await page.classify(path.join(VIDEO, "xvid-global-motion.avi"))).length > 0);
  page.assertNothingUncaught();
});
