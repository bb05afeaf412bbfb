// Serves a folder over HTTP on this machine only, with the headers that the page wants from any server.
//
// usage: node scripts/static_server.mjs [PORT] [FOLDER]   defaults: 8080 and dist
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".webm": "video/webm",
  ".mp4": "video/mp4",
  ".txt": "text/plain; charset=utf-8",
  ".md": "text/markdown; charset=utf-8",
};

// Isolation gives the page shared memory; no-cache lets the browser keep a file but ask whether it has changed.
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-cache",
};

/** The file below `folder` that an address names; undefined where it names none or leads outside. */
function fileFor(folder, address) {
  let wanted;
  try {
    wanted = decodeURIComponent(address.split(/[?#]/, 1)[0]);
  } catch {
    return undefined;
  }
  if (wanted.includes("\0") || wanted.includes("\\")) return undefined;
  const file = path.resolve(folder, `.${wanted.endsWith("/") ? `${wanted}index.html` : wanted}`);
  return file.startsWith(path.resolve(folder) + path.sep) ? file : undefined;
}

async function answer(folder, request, response) {
  const refuse = (status, text) => response.writeHead(status, { ...HEADERS, "Content-Type": "text/plain" }).end(text);
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "Only GET and HEAD are answered here.\n");
  const file = fileFor(folder, request.url);
  const found = file && (await stat(file).catch(() => undefined));
  if (!found?.isFile()) return refuse(404, "There is no such file.\n");
  const tag = `"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`;
  const headers = { ...HEADERS, ETag: tag, "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" };
  if (request.headers["if-none-match"] === tag) return response.writeHead(304, headers).end();
  response.writeHead(200, { ...headers, "Content-Length": found.size });
  if (request.method === "HEAD") return response.end();
  createReadStream(file).on("error", () => response.destroy()).pipe(response);
}

/** Resolves to a listening server; port 0 takes a free one. */
export function serve(folder, port = 0) {
  const server = http.createServer((request, response) => {
    answer(folder, request, response).catch(() => response.destroy());
  });
  return new Promise((resolve, reject) => server.once("error", reject).listen(port, "localhost", () => resolve(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.argv[2] ?? 8080);
  const folder = process.argv[3] ?? "dist";
  try {
    await serve(folder, port);
    console.log(`Serving ${folder} at http://localhost:${port} (Ctrl-C stops it)`);
  } catch (error) {
    const why = error.code === "EADDRINUSE" ? `port ${port} is in use; choose another with PORT=8081` : error.message;
    console.error(`Cannot serve ${folder}: ${why}.`);
    process.exit(1);
  }
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
}
