// Gives each source file the time at which its content last changed in any checkout.
//
// Cargo rebuilds what is older than its sources, and all checkouts on a machine share the folders it builds into: a fresh
// clone's files are new whatever they hold, another checkout's may be old and yet differ from what was built. So the cache
// keeps each file's digest and time: equal content gets that time back, any other the present one.
//
// What is built may name the checkout that built it, and be useless once that is gone. So the cache keeps the checkouts, too:
// where one of them is gone, the files whose builds name it get the present time.
//
// usage: node scripts/source_times.mjs ROOT RECORD
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What rustc reads of ours, by itself or through include_bytes! and wasm_bindgen(module = …). */
const SOURCES = [".cargo", "benches", "Cargo.lock", "Cargo.toml", "fuzz", "kernels", "node_modules/mediabunny/mediabunny.js", "src", "starter", "style", "tests"];

/** wasm_bindgen(module = …) leaves the path of the checkout's package.json in the program, and its linker reads that file. */
const NAMING_THE_CHECKOUT = ["src/video/mediabunny.rs"];

const [root, record] = process.argv.slice(2);

/** The checkouts that may have built what is there, and each source's digest and time. */
function known() {
  try {
    const { checkouts, sources } = JSON.parse(readFileSync(record, "utf8"));
    return { checkouts: new Set(checkouts), sources: Object(sources) };
  } catch {
    // None yet, or a damaged one: all is built again, once.
    return { checkouts: new Set(), sources: {} };
  }
}

function filesBelow(name) {
  const status = statSync(path.join(root, name), { throwIfNoEntry: false });
  if (!status?.isDirectory()) return status ? [name] : [];
  const below = readdirSync(path.join(root, name), { recursive: true, withFileTypes: true });
  return below.filter((entry) => entry.isFile()).map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)));
}

const { checkouts, sources: before } = known();
const after = { ...before };
const now = Date.now();
if ([...checkouts].some((checkout) => !existsSync(checkout))) {
  NAMING_THE_CHECKOUT.forEach((name) => delete before[name]);
  checkouts.clear();
}
checkouts.add(path.resolve(root));
for (const name of SOURCES.flatMap(filesBelow)) {
  const file = path.join(root, name);
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  const time = before[name]?.digest === digest ? before[name].time : now;
  // Seconds as a floating-point number are not exact to the nanosecond.
  if (Math.abs(statSync(file).mtimeMs - time) > 0.01) utimesSync(file, time / 1000, time / 1000);
  after[name] = { digest, time };
}
mkdirSync(path.dirname(record), { recursive: true });
writeFileSync(`${record}.${process.pid}`, JSON.stringify({ checkouts: [...checkouts], sources: after }));
renameSync(`${record}.${process.pid}`, record);
