// Small folders of videos for a test, made from the sample's clips.
import { copyFileSync, linkSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
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

/** A folder `<Class>/<clip>` below `root`, each class one clip under as many names as `counts` says, and once beside it. */
export function linkedFolder(root, counts) {
  for (const [label, count] of Object.entries(counts)) {
    // Links need the same disk.
    const clip = path.join(root, `${label}.webm`);
    copyFileSync(sampleClips("train", label, 1)[0], clip);
    mkdirSync(path.join(root, label));
    for (let number = 0; number < count; number += 1) linkSync(clip, path.join(root, label, `clip_${String(number).padStart(5, "0")}.webm`));
  }
  return root;
}

/** As many files in as many classes and groups as UCF101 has, each a copy of a tiny clip; with its lists where they are wanted. */
export function asLargeAsUcf101(root, { lists = false } = {}) {
  const clips = ["Grow", "SlideLeft", "SpinLeft"].map((label) => sampleClips("train", label, 1)[0]);
  const names = { train: [], test: [] };
  for (let number = 0; number < 13_320; number += 1) {
    const [label, nth] = [`Class${String(number % 101).padStart(3, "0")}`, Math.floor(number / 101)];
    const group = (nth % 25) + 1;
    const name = `${label}/v_${label}_g${String(group).padStart(2, "0")}_c${String(Math.floor(nth / 25) + 1).padStart(2, "0")}.webm`;
    if (nth === 0) mkdirSync(path.join(root, label), { recursive: true });
    copyFileSync(clips[number % clips.length], path.join(root, name));
    names[group <= 7 ? "test" : "train"].push(name);
  }
  if (lists) {
    mkdirSync(path.join(root, "ucfTrainTestlist"));
    writeFileSync(path.join(root, "ucfTrainTestlist/trainlist01.txt"), names.train.map((name) => `${name} 1\r\n`).join(""));
    writeFileSync(path.join(root, "ucfTrainTestlist/testlist01.txt"), names.test.map((name) => `${name}\r\n`).join(""));
  }
  return root;
}
