// Gives each source file the time at which its content last changed in any checkout.
//
// Cargo rebuilds what is older than its sources, and all checkouts on a machine share the folders it builds into: a fresh
// clone's files are new whatever they hold, another checkout's may be old and yet differ from what was built. So the cache
// keeps each file's digest and time: equal content gets that time back, any other the present one.
//
// usage: node scripts/source_times.mjs ROOT RECORD
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What rustc reads of ours, by itself or through include_bytes! and wasm_bindgen(module = …). */
const SOURCES = [".cargo", "benches", "Cargo.lock", "Cargo.toml", "fuzz", "kernels", "node_modules/mediabunny/mediabunny.js", "src", "starter", "style", "tests"];

const [root, record] = process.argv.slice(2);

function known() {
  try {
    return JSON.parse(readFileSync(record, "utf8"));
  } catch {
    // None yet, or a damaged one: all is built again, once.
    return {};
  }
}

function filesBelow(name) {
  const status = statSync(path.join(root, name), { throwIfNoEntry: false });
  if (!status?.isDirectory()) return status ? [name] : [];
  const below = readdirSync(path.join(root, name), { recursive: true, withFileTypes: true });
  return below.filter((entry) => entry.isFile()).map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)));
}

const before = known();
const after = { ...before };
const now = Date.now();
for (const name of SOURCES.flatMap(filesBelow)) {
  const file = path.join(root, name);
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  const time = before[name]?.digest === digest ? before[name].time : now;
  // Seconds as a floating-point number are not exact to the nanosecond.
  if (Math.abs(statSync(file).mtimeMs - time) > 0.01) utimesSync(file, time / 1000, time / 1000);
  after[name] = { digest, time };
}
mkdirSync(path.dirname(record), { recursive: true });
writeFileSync(`${record}.${process.pid}`, JSON.stringify(after));
renameSync(`${record}.${process.pid}`, record);
