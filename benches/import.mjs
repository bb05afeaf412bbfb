// How long a folder as large as UCF101 (13,320 files) takes until it is listed, labelled and split, what the page's own
// thread and memory do meanwhile, and how long looking into every file takes. Prints a Markdown table.
//
// usage: node benches/import.mjs   CLIPTUNE_DIST names another build, CHROMIUM another browser
import { asLargeAsUcf101 } from "../tests/e2e/folders.mjs";
import { measureImport } from "./importing.mjs";

const WAYS = {
  "chosen, labels from folders": { lists: false, dropped: false },
  "chosen, labels and splits from UCF101's lists": { lists: true, dropped: false },
  "dropped, labels from folders": { lists: false, dropped: true },
  "dropped, labels and splits from UCF101's lists": { lists: true, dropped: true },
};

console.log("| folder | listed, labelled and split | the page's longest task until then | while files are looked into | the browser's own, handing over | every file looked into | memory before, peak, after |");
console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
for (const [name, way] of Object.entries(WAYS)) {
  const { listed, checked, listing, checking, handing, before, peak, end, said } = await measureImport((folder) => asLargeAsUcf101(folder, way), way);
  console.log(`| ${name} | ${listed} ms | ${listing} ms | ${checking} ms | ${handing} ms | ${(checked / 1e3).toFixed(1)} s | ${before}, ${peak}, ${end} MB |`);
  console.error(said);
}
