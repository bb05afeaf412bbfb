// Folders of any number of tiny clips with names as UCF101 has them, and how long the built page takes to list them.
//
// Comes in: a number of clips. Goes out: milliseconds and megabytes (importing.mjs).
import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { sampleClips } from "../../tests/e2e/folders.mjs";
import { measureImport } from "../importing.mjs";

/** UCF101's own: 13,320 clips in 101 classes of 25 groups. */
const [UCF101, CLASSES, GROUPS] = [13_320, 101, 25];

/** About as many clips a class as UCF101 has, and at least two classes. */
const classesOf = (clips) => Math.max(2, Math.min(CLASSES, Math.round((clips / UCF101) * CLASSES)));

function fill(folder, clips) {
  const [tiny] = sampleClips("train", "Grow", 1);
  const classes = classesOf(clips);
  const number = (value) => String(value).padStart(2, "0");
  for (let clip = 0; clip < clips; clip += 1) {
    const [label, nth] = [`Class${String(clip % classes).padStart(3, "0")}`, Math.floor(clip / classes)];
    if (nth === 0) mkdirSync(path.join(folder, label));
    copyFileSync(tiny, path.join(folder, label, `v_${label}_g${number((nth % GROUPS) + 1)}_c${number(Math.floor(nth / GROUPS) + 1)}.webm`));
  }
}

export async function measureClips(clips) {
  return { clips, classes: classesOf(clips), ...(await measureImport((folder) => fill(folder, clips))) };
}
