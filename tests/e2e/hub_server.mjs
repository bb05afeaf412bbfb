// A Hub on this machine: what Cliptune and @huggingface/hub use of the Hugging Face Hub's protocol, and no more.
//
// Comes in: models as folders or as files in memory, tokens, and what is to go wrong. Goes out: a server whose answers
// have the real one's status, headers and texts (as of 2026), with a second server for large files, on an origin of its
// own as the real one's is; what was pushed; a log of the requests. Never listens beyond this machine.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";

const EXPOSED =
  "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash";
const HIDDEN = "Invalid username or password.";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const gitSha1 = (bytes) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
/** What the repositories' .gitattributes say. */
const isLarge = (name, size) => /\.(safetensors|bin|pt|ckpt|h5|onnx|zip)$/.test(name) || size > 10_000_000;

/** An answer with an error, as a thrown value. */
class Refusal {
  constructor(status, message, code) {
    Object.assign(this, { status, message, code });
  }
}

/** A folder's files, by name. */
export function filesOf(folder) {
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(names.map(({ name }) => [name, readFileSync(path.join(folder, name))]));
}

class Model {
  constructor({ files = {}, licence, gated = false, isPrivate = false } = {}) {
    Object.assign(this, { licence, gated, isPrivate, commits: new Map(), branches: new Map() });
    this.commit("main", new Map(Object.entries(files)));
  }

  commit(branch, files) {
    const hash = createHash("sha1");
    for (const name of [...files.keys()].sort()) hash.update(`${name}\0${gitSha1(files.get(name))}\0`);
    const id = hash.digest("hex");
    this.commits.set(id, files);
    this.branches.set(branch, id);
    return id;
  }

  /** The commit of a branch or of a commit's own id. */
  at(revision) {
    const id = this.branches.get(revision === "HEAD" ? "main" : revision) ?? (this.commits.has(revision) ? revision : undefined);
    if (!id) throw new Refusal(404, `Invalid rev id: ${revision}`, "RevisionNotFound");
    return { id, files: this.commits.get(id) };
  }
}

class Hub {
  /** By name; what is pushed comes in here, too. */
  models = new Map();
  /** Large files that were uploaded, by SHA-256. */
  uploads = new Map();
  /** { server: "hub" or "large", method, path, range, token, status, leftEarly } of each request but a preflight's. */
  requests = [];
  /** Who may do what: token -> { name, role: "read" or "write", gated: whether conditions were accepted }. */
  tokens = {};
  /** File -> after how many bytes its connection is cut, once. */
  cut = {};
  /** File -> { after, until }: its connection waits once after so many bytes, until the promise is kept. */
  pause = {};
  /** Files that come with a wrong byte. */
  damaged = new Set();
  /** Called with each request; what it returns, [status, message, code], is the answer. */
  refuse = () => undefined;
  /** Whether a part of a file can be asked for. */
  ranges = true;
  /** Uploads over this come in parts of this size. */
  partSize = 16_000_000;

  addModel(name, model) {
    this.models.set(name, new Model(model));
  }

  /** The files of a model's main branch. */
  files(name) {
    return Object.fromEntries(this.models.get(name).at("main").files);
  }

  async start() {
    this.hub = await listen((request) => this.answer(request), this.requests, "hub");
    this.large = await listen((request) => this.answerLarge(request), this.requests, "large");
    this.address = this.hub.address;
  }

  stop() {
    return Promise.all([this.hub.stop(), this.large.stop()]);
  }

  answer(request) {
    const refusal = this.refuse(request);
    if (refusal) throw new Refusal(...refusal);
    const user = this.user(request);
    const route = (method, pattern) => request.method === method && pattern.exec(request.path)?.slice(1).map(decodeURIComponent);
    const MODEL = "([\\w.-]+(?:/[\\w.-]+)?)";
    let found;
    if (route("GET", /^\/api\/whoami-v2$/)) return this.whoAmI(user);
    if (route("POST", /^\/api\/repos\/create$/)) return this.create(user, request.json());
    if ((found = route("GET", new RegExp(`^/api/models/${MODEL}/revision/([^/]+)$`)))) return this.info(user, request, ...found);
    if ((found = route("POST", new RegExp(`^/api/models/${MODEL}/preupload/([^/]+)$`)))) return this.preupload(user, request.json(), ...found);
    if ((found = route("POST", new RegExp(`^/api/models/${MODEL}/commit/([^/]+)$`)))) return this.commit(user, request, ...found);
    if ((found = route("GET", new RegExp(`^/api/resolve-cache/models/${MODEL}/(\\w{40})/(.+)$`)))) return this.cached(user, request, ...found);
    if ((found = route("POST", new RegExp(`^/${MODEL}\\.git/info/lfs/objects/batch$`)))) return this.batch(user, request.json(), ...found);
    if ((found = route("GET", new RegExp(`^/${MODEL}/resolve/([^/]+)/(.+)$`)))) return this.resolve(user, ...found);
    throw new Refusal(404, "Sorry, we can't find the page you are looking for.");
  }

  user(request) {
    const given = request.headers.authorization;
    if (given === undefined) return undefined;
    const user = this.tokens[given.replace(/^Bearer /, "")];
    if (!user) throw new Refusal(401, "Invalid credentials in Authorization header");
    return user;
  }

  whoAmI(user) {
    if (!user) throw new Refusal(401, HIDDEN);
    return json({ type: "user", name: user.name, orgs: [], auth: { type: "access_token", accessToken: { role: user.role } } });
  }

  /** A model that this user may know of. */
  model(user, name) {
    const model = this.models.get(name);
    if (model && (!model.isPrivate || name.split("/")[0] === user?.name)) return model;
    // Who is not known is not told whether it is there.
    throw user ? new Refusal(404, "Repository not found", "RepoNotFound") : new Refusal(401, HIDDEN);
  }

  /** A model that this user may change. */
  own(user, name) {
    if (!user) throw new Refusal(401, HIDDEN);
    const model = this.model(user, name);
    if (user.role !== "write" || name.split("/")[0] !== user.name) {
      throw new Refusal(403, "Forbidden: you must use a write token to upload to a repository.");
    }
    return model;
  }

  /** The list stays public where a model is gated. */
  info(user, request, name, revision) {
    const model = this.model(user, name);
    const { id, files } = model.at(revision);
    const siblings = [...files].map(([rfilename, bytes]) => {
      if (!request.query.has("blobs")) return { rfilename };
      const size = bytes.length;
      if (!isLarge(rfilename, size)) return { rfilename, blobId: gitSha1(bytes), size };
      const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${size}\n`);
      return { rfilename, blobId: gitSha1(pointer), size, lfs: { sha256: sha256(bytes), size, pointerSize: pointer.length } };
    });
    return json({
      _id: "621ffdc036468d709f17434d",
      id: name,
      modelId: name,
      sha: id,
      private: model.isPrivate,
      gated: model.gated && "auto",
      disabled: false,
      tags: ["transformers", "videomae", ...(model.licence ? [`license:${model.licence}`] : []), "region:us"],
      cardData: model.licence ? { license: model.licence } : undefined,
      siblings,
    });
  }

  file(user, name, revision, file) {
    const model = this.model(user, name);
    if (model.gated && !user) {
      throw new Refusal(401, `Access to model ${name} is restricted. You must have access to it and be authenticated to access it. Please log in.`, "GatedRepo");
    }
    if (model.gated && !user.gated) {
      throw new Refusal(403, `Access to model ${name} is restricted and you are not in the authorized list. Visit its page to ask for access.`, "GatedRepo");
    }
    const { id, files } = model.at(revision);
    if (!files.has(file)) throw new Refusal(404, "Entry not found", "EntryNotFound");
    return { id, bytes: files.get(file) };
  }

  resolve(user, name, revision, file) {
    const { id, bytes } = this.file(user, name, revision, file);
    const tag = isLarge(file, bytes.length) ? sha256(bytes) : gitSha1(bytes);
    const linked = { "X-Repo-Commit": id, "X-Linked-ETag": `"${tag}"`, "X-Linked-Size": bytes.length, "Accept-Ranges": "bytes" };
    if (!isLarge(file, bytes.length)) {
      return { status: 307, headers: { ...linked, Location: `/api/resolve-cache/models/${name}/${id}/${encodeURIComponent(file)}` } };
    }
    const signed = `${this.large.address}/large/${encodeURIComponent(name)}/${id}/${encodeURIComponent(file)}?Signature=none`;
    return { status: 302, headers: { ...linked, "Cache-Control": "no-store", Location: signed } };
  }

  cached(user, request, name, id, file) {
    const { bytes } = this.file(user, name, id, file);
    return this.part(request, file, bytes, { "X-Repo-Commit": id, ETag: `"${gitSha1(bytes)}"`, "Content-Type": "text/plain; charset=utf-8" });
  }

  /** A file or a part of it, with what is to go wrong. */
  part(request, file, bytes, headers) {
    if (this.damaged.has(file)) {
      bytes = Buffer.from(bytes);
      bytes[bytes.length >> 1] ^= 1;
    }
    let status = 200;
    const range = this.ranges && /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range) {
      const [from, last] = [Number(range[1]), range[2] ? Number(range[2]) : bytes.length - 1];
      if (from >= bytes.length) return { status: 416, headers: { "Content-Range": `bytes */${bytes.length}` } };
      status = 206;
      headers = { ...headers, "Content-Range": `bytes ${from}-${last}/${bytes.length}` };
      bytes = bytes.subarray(from, last + 1);
    }
    const [cutAfter, pause] = [this.cut[file], this.pause[file]];
    delete this.cut[file];
    delete this.pause[file];
    return { status, headers: { ...headers, "Accept-Ranges": "bytes" }, body: bytes, cutAfter, pause };
  }

  create(user, { name, organization, type, visibility }) {
    if (!user) throw new Refusal(401, HIDDEN);
    const full = `${organization ?? user.name}/${name}`;
    const url = `${this.address}/${full}`;
    if (type !== "model") throw new Refusal(400, `"type" must be "model" here`);
    if (user.role !== "write" || full.split("/")[0] !== user.name) {
      throw new Refusal(403, `You don't have the rights to create a model under the namespace "${organization}"`);
    }
    if (this.models.has(full)) return { ...json({ error: "You already created this model repo", url }), status: 409 };
    this.addModel(full, { isPrivate: visibility === "private" });
    return json({ url, name: full, id: "621ffdc036468d709f17434e" });
  }

  preupload(user, { files }, name, revision) {
    this.own(user, name).at(revision);
    return json({ files: files.map(({ path, size }) => ({ path, uploadMode: isLarge(path, size) ? "lfs" : "regular", shouldIgnore: false })) });
  }

  batch(user, { operation, transfers, hash_algo, objects }, name) {
    this.own(user, name);
    if (operation !== "upload" || hash_algo !== "sha_256" || !transfers.includes("basic")) throw new Refusal(422, "Unsupported batch");
    const described = objects.map(({ oid, size }) => {
      if (this.uploads.has(oid)) return { oid, size, authenticated: true };
      const href = `${this.large.address}/upload/${oid}`;
      const count = Math.ceil(size / this.partSize);
      if (count < 2) return { oid, size, authenticated: true, actions: { upload: { href: `${href}?Signature=none`, header: {} } } };
      const numbers = Array.from({ length: count }, (_, part) => String(part + 1).padStart(5, "0"));
      const header = Object.fromEntries(numbers.map((number) => [number, `${href}/${Number(number)}?Signature=none`]));
      header.chunk_size = String(this.partSize);
      return { oid, size, authenticated: true, actions: { upload: { href: `${href}/complete?Signature=none`, header } } };
    });
    const { headers, body } = json({ transfer: described.some((one) => one.actions?.upload.header.chunk_size) ? "multipart" : "basic", objects: described });
    return { headers: { ...headers, "Content-Type": "application/vnd.git-lfs+json", "X-Request-Id": "Root=1-batch" }, body };
  }

  commit(user, request, name, revision) {
    const model = this.own(user, name);
    const files = new Map(model.at(revision).files);
    const [header, ...operations] = request.body.toString().split("\n").map((line) => JSON.parse(line));
    if (header.key !== "header" || !header.value.summary) throw new Refusal(400, "A commit needs a summary");
    for (const { key, value } of operations) {
      if (key === "file") files.set(value.path, Buffer.from(value.content, value.encoding));
      else if (key === "lfsFile" && this.uploads.get(value.oid)?.length === value.size) files.set(value.path, this.uploads.get(value.oid));
      else if (key === "deletedFile") files.delete(value.path);
      else throw new Refusal(400, `No such upload: ${value.path}`);
    }
    const commitOid = model.commit(revision, files);
    return json({ success: true, commitOid, commitUrl: `${this.address}/${name}/commit/${commitOid}`, hookOutput: "" });
  }

  /** The large files' own server: signed addresses, and no token may come here. */
  answerLarge(request) {
    const refusal = this.refuse(request);
    if (refusal) throw new Refusal(...refusal);
    if (request.headers.authorization) throw new Refusal(400, "Only one auth mechanism allowed");
    let found = /^\/large\/([^/]+)\/(\w{40})\/(.+)$/.exec(request.path)?.slice(1).map(decodeURIComponent);
    if (request.method === "GET" && found) {
      const [name, id, file] = found;
      return this.part(request, file, this.models.get(name).at(id).files.get(file), { ETag: '"the-storage-s-own"', "Content-Type": "application/octet-stream" });
    }
    found = /^\/upload\/(\w{64})(?:\/(\d+|complete))?$/.exec(request.path)?.slice(1);
    if (request.method === "PUT" && found) {
      const [oid, part] = found;
      const key = part ? `${oid}/${part}` : oid;
      if (!part && sha256(request.body) !== oid) throw new Refusal(400, "The provided checksum does not match");
      this.uploads.set(key, request.body);
      return { headers: { ETag: `"${sha256(request.body).slice(0, 32)}"` } };
    }
    if (request.method === "POST" && found?.[1] === "complete") return this.complete(found[0], request.json());
    throw new Refusal(404, "NoSuchKey");
  }

  complete(oid, { parts }) {
    const uploaded = parts.map(({ partNumber, etag }) => {
      const bytes = this.uploads.get(`${oid}/${partNumber}`);
      if (!bytes || etag !== `"${sha256(bytes).slice(0, 32)}"`) throw new Refusal(400, "InvalidPart");
      return bytes;
    });
    const whole = Buffer.concat(uploaded);
    if (sha256(whole) !== oid) throw new Refusal(400, "The provided checksum does not match");
    for (const { partNumber } of parts) this.uploads.delete(`${oid}/${partNumber}`);
    this.uploads.set(oid, whole);
    return json({ success: true });
  }
}

/** A Hub that listens; `stop` ends it. */
export async function startHub({ models = {}, tokens = {} } = {}) {
  const hub = new Hub();
  hub.tokens = tokens;
  for (const [name, model] of Object.entries(models)) hub.addModel(name, model);
  await hub.start();
  return hub;
}

function json(value) {
  return { headers: { "Content-Type": "application/json; charset=utf-8" }, body: Buffer.from(JSON.stringify(value)) };
}

/** A server of answers {status, headers, body, cutAfter, pause}; what is thrown is one, too. */
async function listen(answer, log, server) {
  const listener = http.createServer(async (incoming, outgoing) => {
    const origin = { "Access-Control-Allow-Origin": incoming.headers.origin ?? "*", Vary: "Origin", "Access-Control-Expose-Headers": EXPOSED };
    if (incoming.method === "OPTIONS") {
      const wanted = incoming.headers["access-control-request-headers"] ?? "";
      const allowed = { "Access-Control-Allow-Methods": "GET,HEAD,PUT,POST,DELETE", "Access-Control-Allow-Headers": wanted };
      return outgoing.writeHead(204, { ...origin, ...allowed }).end();
    }
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const url = new URL(incoming.url, "http://hub");
    const body = Buffer.concat(chunks);
    const request = { method: incoming.method, path: url.pathname, query: url.searchParams, headers: incoming.headers, body, json: () => JSON.parse(body) };
    let result;
    try {
      result = answer(request);
    } catch (error) {
      result = refused(error, request);
    }
    const { status = 200, headers = {}, cutAfter, pause } = result;
    let { body: bytes = Buffer.alloc(0) } = result;
    const { range, authorization } = incoming.headers;
    const entry = { server, method: incoming.method, path: decodeURIComponent(url.pathname), range, token: authorization?.replace(/^Bearer /, ""), status };
    log.push(entry);
    outgoing.on("close", () => (entry.leftEarly = !outgoing.writableFinished));
    outgoing.writeHead(status, { ...origin, "Content-Length": bytes.length, ...headers });
    if (cutAfter !== undefined) return outgoing.write(bytes.subarray(0, cutAfter), () => setTimeout(() => outgoing.destroy(), 200));
    if (pause) {
      outgoing.write(bytes.subarray(0, pause.after));
      await pause.until;
      bytes = bytes.subarray(pause.after);
    }
    outgoing.end(bytes);
  });
  await new Promise((resolve, reject) => listener.once("error", reject).listen(0, "localhost", resolve));
  const stop = () =>
    new Promise((resolve) => {
      listener.closeAllConnections();
      listener.close(resolve);
    });
  return { address: `http://localhost:${listener.address().port}`, stop };
}

function refused(error, request) {
  const { status, message, code } = error instanceof Refusal ? error : { status: 500, message: `The test's Hub failed: ${error.stack}` };
  const headers = { "X-Error-Message": message.split("\n")[0], ...(code && { "X-Error-Code": code }) };
  if (!request.path.startsWith("/api/") && request.method === "GET") {
    return { status, headers: { ...headers, "Content-Type": "text/plain; charset=utf-8" }, body: Buffer.from(message) };
  }
  const body = json({ error: message });
  return { status, headers: { ...headers, ...body.headers }, body: body.body };
}
