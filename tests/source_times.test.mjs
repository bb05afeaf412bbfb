// Checkouts that share what Cargo built (scripts/source_times.mjs): a file's time follows its content through all of them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../scripts/source_times.mjs", import.meta.url));

/** Checkouts below one folder, and the times that the script leaves in them. */
function checkouts(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "cliptune-times-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const record = path.join(folder, "cache", "times.json");
  const file = (checkout, name = "lib.rs") => path.join(folder, checkout, "src", ...name.split("/"));
  return {
    record,
    write(checkout, content, name) {
      mkdirSync(path.dirname(file(checkout, name)), { recursive: true });
      writeFileSync(file(checkout, name), content);
    },
    /** As Cargo sees it when it builds this checkout now. */
    time(checkout, name) {
      execFileSync("node", [SCRIPT, path.join(folder, checkout), record]);
      return statSync(file(checkout, name)).mtimeMs;
    },
    age: (checkout) => utimesSync(file(checkout), 1000, 1000),
    remove: (checkout) => rmSync(path.join(folder, checkout), { recursive: true }),
  };
}

test("a fresh clone of what was built is as old as what was built", (t) => {
  const { write, time } = checkouts(t);
  write("first", "fn one() {}");
  const built = time("first");
  write("second", "fn one() {}");
  assert.equal(time("second"), built);
  assert.equal(time("first"), built);
});

test("other content is newer than what was built, however old its file is", (t) => {
  const { write, time, age } = checkouts(t);
  write("first", "fn one() {}");
  write("second", "fn two() {}");
  age("second");
  const first = time("first");
  const second = time("second");
  assert.ok(second > first);
  assert.ok(time("first") > second, "and back again");
});

test("what names the checkout that built it is built again once that is gone", (t) => {
  const { write, time, remove } = checkouts(t);
  const names = "video/mediabunny.rs";
  for (const checkout of ["first", "second", "third"]) {
    write(checkout, "#[wasm_bindgen]", names);
    write(checkout, "fn one() {}");
  }
  const built = time("first", names);
  assert.equal(time("second", names), built, "both are there");
  const other = time("first");
  remove("first");
  const anew = time("second", names);
  assert.ok(anew > built);
  assert.equal(time("third", names), anew, "once");
  assert.equal(time("second"), other, "and nothing else");
});

test("without a record, and with a damaged one, all is new", (t) => {
  const { write, time, age, record } = checkouts(t);
  write("first", "fn one() {}");
  age("first");
  const from = Math.floor(Date.now());
  assert.ok(time("first") >= from);
  writeFileSync(record, "{");
  age("first");
  assert.ok(time("first") >= from);
});
