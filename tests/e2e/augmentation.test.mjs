// What changes training clips at random, and the clip that shows it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCliptune } from "./browser.mjs";

test("the preview shows another draw on demand and follows the settings, and classes that are directions are not mirrored", { timeout: 5 * 60_000 }, async (t) => {
  // Clips are held at their first frame, so that pictures can be compared.
  const { page } = await openCliptune(t, { device: "cpu" }, { reducedMotion: "reduce" });
  const picture = () => page.by("preview-canvas").evaluate((canvas) => canvas.toDataURL());
  /** The picture once it is another one. */
  const changed = async (before) => {
    await page.page.waitForFunction(
      (before) => {
        const canvas = document.querySelector("[data-testid=preview-canvas]");
        // A canvas that nothing was drawn on is 300 wide.
        return canvas && canvas.width !== 300 && canvas.toDataURL() !== before;
      },
      before,
      { timeout: 30_000 },
    );
    return picture();
  };
  await page.chooseSample();

  await t.test("Shuffle draws again, in the dialog of a class", async () => {
    await page.by("class-card").first().click();
    const first = await changed("");
    await page.by("shuffle").click();
    const second = await changed(first);
    await page.by("shuffle").click();
    await changed(second);
    await page.page.keyboard.press("Escape");
    await page.by("preview-canvas").waitFor({ state: "detached" });
  });

  await t.test("a change of a setting is seen at once, and a bad value has its reason beside it", async () => {
    await page.go("fine-tune");
    await page.by("warning").waitFor();
    assert.match((await page.texts("warning")).join(), /SlideLeft, SlideRight, SpinLeft and 1 more/);
    await page.page.locator("details.more > summary").click();
    const plain = await changed("");
    const brightness = page.page.locator("#brightness");
    await brightness.fill("1");
    const bright = await changed(plain);
    await brightness.fill("7");
    await page.page.locator("#brightness-hint", { hasText: "Choose 0 to 1" }).waitFor();
    assert.ok(await page.by("start-tuning").isDisabled());
    assert.equal(await picture(), bright, "a value that cannot be used changes nothing");
    await brightness.fill("0");
    assert.equal(await changed(bright), plain, "the same draw without it is the first picture again");
  });

  await t.test("a class is marked and unmarked by the user", async () => {
    await page.by("unmirrored-classes").locator("summary").click();
    const marked = () => page.by("unmirrored").evaluateAll((boxes) => boxes.filter((box) => box.checked).map((box) => box.dataset.label));
    assert.deepEqual(await marked(), ["SlideLeft", "SlideRight", "SpinLeft", "SpinRight"]);
    await page.page.locator("[data-testid=unmirrored][data-label=Grow]").check();
    await page.page.locator("[data-testid=unmirrored][data-label=SpinLeft]").uncheck();
    assert.deepEqual(await marked(), ["Grow", "SlideLeft", "SlideRight", "SpinRight"]);
    await page.by("horizontal-flip").uncheck();
    await page.by("unmirrored-classes").waitFor({ state: "detached" });
    assert.deepEqual(await page.texts("warning"), []);
  });
  page.assertNothingUncaught();
});
