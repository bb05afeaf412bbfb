// The list of the media set, beside which the project may be checked out.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const MEDIA = fileURLToPath(new URL("../../../shared/media", import.meta.url));

/** One object a file, with the columns of manifest.csv as text; none where the set is absent. */
export function manifest() {
  const list = path.join(MEDIA, "manifest.csv");
  if (!existsSync(list)) return [];
  const [names, ...rows] = readFileSync(list, "utf8").trim().split("\n").map(fields);
  return rows.map((row) => Object.fromEntries(names.map((name, column) => [name, row[column]])));
}

/** Fields with commas are quoted. */
function fields(line) {
  const found = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(found, ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}
