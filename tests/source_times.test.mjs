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
  const file = (checkout) => path.join(folder, checkout, "src", "lib.rs");
  return {
    record,
    write(checkout, content) {
      mkdirSync(path.dirname(file(checkout)), { recursive: true });
      writeFileSync(file(checkout), content);
    },
    /** As Cargo sees it when it builds this checkout now. */
    time(checkout) {
      execFileSync("node", [SCRIPT, path.join(folder, checkout), record]);
      return statSync(file(checkout)).mtimeMs;
    },
    age: (checkout) => utimesSync(file(checkout), 1000, 1000),
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
