// Puts a build's sample clips into one file: asked for one by one, hundreds of small files take seconds.
//
// Comes in: sample/sample.json, a list of paths, and those files. Goes out: sample/clips.bin, the clips one after another,
// and a sample.json that has each one's length, too (src/ui/sample.rs takes them apart). public/sample stays a folder of
// videos, like a user's.
//
// usage: node scripts/pack_sample.mjs [FOLDER]   default: Trunk's staging folder (it runs this as a hook), else dist
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const sample = path.join(process.argv[2] ?? process.env.TRUNK_STAGING_DIR ?? "dist", "sample");
const list = path.join(sample, "sample.json");
const clips = JSON.parse(readFileSync(list, "utf8")).files.map((name) => ({ name, content: readFileSync(path.join(sample, name)) }));

writeFileSync(path.join(sample, "clips.bin"), Buffer.concat(clips.map(({ content }) => content)));
writeFileSync(list, JSON.stringify({ files: clips.map(({ name, content }) => [name, content.length]) }));
for (const folder of new Set(clips.map(({ name }) => name.split("/", 1)[0]))) rmSync(path.join(sample, folder), { recursive: true });
console.log(`sample/clips.bin: ${clips.length} clips`);
