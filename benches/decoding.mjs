// How long a training step waits for its clips to be decoded, seconds a clip: in a first epoch that begins at once, in one
// that begins after the folder was decoded ahead, and in the second epoch of the latter. The model is so small that the
// wait is not hidden behind computing. Prints a Markdown table.
//
// usage: node benches/decoding.mjs FOLDER…   CLIPTUNE_DIST names another build, CHROMIUM another browser
import path from "node:path";
import { openCliptune } from "../tests/e2e/browser.mjs";

/** Runs so many epochs of the smallest model, and reads what the last one says of a clip. */
async function waiting(folder, { epochs, ahead }) {
  const endings = [];
  try {
    const { page } = await openCliptune({ after: (ending) => endings.push(ending) }, { device: "cpu", size: "micro", epochs });
    await page.chooseFolder(folder);
    await page.go("fine-tune");
    if (ahead) await page.by("decoded-ahead").filter({ hasText: /^([\d,]+) of \1 / }).waitFor({ timeout: 10 * 60_000 });
    await page.by("start-tuning").click();
    await page.tuned(30 * 60_000);
    return await Promise.all(["waiting", "computing"].map((name) => page.by(name).innerText()));
  } finally {
    for (const ending of endings.reverse()) await ending();
  }
}

console.log("| folder | first epoch, at once | first epoch, decoded ahead | second epoch | computing |\n| --- | ---: | ---: | ---: | ---: |");
for (const folder of process.argv.slice(2)) {
  const [atOnce] = await waiting(folder, { epochs: "1", ahead: false });
  const [first] = await waiting(folder, { epochs: "1", ahead: true });
  const [second, computing] = await waiting(folder, { epochs: "2", ahead: true });
  console.log(`| ${path.basename(folder)} | ${atOnce} | ${first} | ${second} | ${computing} |`);
}
