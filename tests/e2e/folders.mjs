// Small folders of videos for a test, made from the sample's clips.
import { copyFileSync, linkSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { SAMPLE } from "./browser.mjs";

/** The first clips of a class of the sample, as paths. */
export function sampleClips(split, label, count) {
  const folder = path.join(SAMPLE, split, label);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".webm"))
    .sort()
    .slice(0, count)
    .map((name) => path.join(folder, name));
}

/** A folder `<Class>/<clip>` below `root`; `clips` maps a class to how many of its training clips it gets. */
export function smallFolder(root, clips) {
  for (const [label, count] of Object.entries(clips)) {
    mkdirSync(path.join(root, label), { recursive: true });
    for (const clip of sampleClips("train", label, count)) copyFileSync(clip, path.join(root, label, path.basename(clip)));
  }
  return root;
}

/** One file under many names, as hard links. */
export function manyLinks(root, file, label, count) {
  mkdirSync(path.join(root, label), { recursive: true });
  for (let number = 0; number < count; number += 1) linkSync(file, path.join(root, label, `clip_${String(number).padStart(5, "0")}.webm`));
}
