// Writes service-worker.js into a build, with the list of the build's files and a name that changes when they do.
//
// usage: node scripts/precache.mjs [FOLDER]   default: Trunk's staging folder (it runs this as a hook), else dist
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const OUTPUT = "service-worker.js";
const folder = process.argv[2] ?? process.env.TRUNK_STAGING_DIR ?? "dist";

const all = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)).split(path.sep).join("/"))
  .filter((file) => file !== OUTPUT && !file.endsWith(".map"))
  .sort();
const isSample = (file) => file.startsWith("sample/");
const files = all.filter((file) => !isSample(file));

/** The same for the same names and contents, in 16 hexadecimal digits. */
function digest(names, start = "") {
  const hash = createHash("sha256").update(start);
  for (const name of names) hash.update(`\0${name}\0`).update(createHash("sha256").update(readFileSync(path.join(folder, name))).digest());
  return hash.digest("hex").slice(0, 16);
}

const template = readFileSync(new URL("service-worker.template.js", import.meta.url), "utf8");
// The folder's own address rather than index.html: some servers redirect the latter, and a redirect cannot be replayed.
const list = files.map((file) => (file === "index.html" ? "./" : file.split("/").map(encodeURIComponent).join("/")));
const values = {
  __BUILD__: `cliptune-build-${digest(files, template)}`,
  __SAMPLE__: `cliptune-sample-${digest(all.filter(isSample))}`,
  __FILES__: JSON.stringify(list, null, 2),
};
writeFileSync(path.join(folder, OUTPUT), template.replace(/__(BUILD|SAMPLE|FILES)__/g, (name) => values[name]));
console.log(`${OUTPUT}: ${files.length} files work offline`);
