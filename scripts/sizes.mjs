// Prints what each built program weighs: raw, gzip and brotli, as a Markdown table.
import { readdirSync, readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const brotli = (bytes) =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
const kilobytes = (bytes) => `${(bytes.length / 1e3).toFixed(0)} kB`;

console.log("| file | raw | gzip | brotli |\n| --- | ---: | ---: | ---: |");
for (const name of readdirSync("dist").filter((name) => /\.(wasm|js|css)$/.test(name)).sort()) {
  const bytes = readFileSync(`dist/${name}`);
  console.log(`| ${name} | ${kilobytes(bytes)} | ${kilobytes(gzipSync(bytes))} | ${kilobytes(brotli(bytes))} |`);
}
