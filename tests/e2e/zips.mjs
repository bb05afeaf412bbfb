// What a zip holds, from its directory.
import { readFileSync } from "node:fs";

/** Each entry's name -> its size in bytes. */
export function zipEntries(file) {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf("PK\x05\x06", undefined, "latin1");
  if (end < 0) throw new Error(`${file} is no zip`);
  const entries = {};
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    entries[bytes.toString("utf8", at + 46, at + 46 + name)] = bytes.readUInt32LE(at + 24);
    at += 46 + name + extra + comment;
  }
  return entries;
}
