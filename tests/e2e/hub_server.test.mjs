// The tests' Hub, spoken to by Hugging Face's own library: what that library cannot read, the real Hub does not say.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createRepo, downloadFile, HubApiError, modelInfo, uploadFiles, whoAmI } from "@huggingface/hub";
import { startHub } from "./hub_server.mjs";

const WEIGHTS = randomBytes(300_000);
const CONFIG = Buffer.from('{"model_type": "videomae"}');
const TOKENS = { hf_writer: { name: "me", role: "write", gated: true }, hf_reader: { name: "me", role: "read" } };

async function hubFor(t) {
  const files = { "config.json": CONFIG, "model.safetensors": WEIGHTS };
  const hub = await startHub({
    models: { "them/open": { files, licence: "mit" }, "them/gated": { files, gated: true }, "me/hidden": { files, isPrivate: true } },
    tokens: TOKENS,
  });
  t.after(() => hub.stop());
  return hub;
}

/** The status and the X-Error-Code of a refusal. */
async function refusal(promise) {
  const error = await promise.then(() => assert.fail("was not refused"), (error) => error);
  assert.ok(error instanceof HubApiError, `${error.stack}`);
  return error.statusCode;
}

test("the library reads a model's list and files, small and large", async (t) => {
  const hub = await hubFor(t);
  const access = { hubUrl: hub.address, repo: "them/open" };
  const info = await modelInfo({ name: "them/open", hubUrl: hub.address, additionalFields: ["sha", "filePaths"] });
  assert.deepEqual(info.filePaths, ["config.json", "model.safetensors"]);
  for (const [path, bytes] of Object.entries(hub.files("them/open"))) {
    const blob = await downloadFile({ ...access, path, revision: info.sha, xet: false });
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes, path);
  }
  assert.equal((await whoAmI({ accessToken: "hf_reader", hubUrl: hub.address })).name, "me");
});

test("it refuses as the Hub does", async (t) => {
  const hub = await hubFor(t);
  const info = (name, accessToken, revision) => modelInfo({ name, accessToken, revision, hubUrl: hub.address });
  const file = (repo, accessToken) => downloadFile({ repo, accessToken, path: "config.json", hubUrl: hub.address });
  assert.equal(await refusal(info("them/none")), 401);
  assert.equal(await refusal(info("them/none", "hf_reader")), 404);
  assert.equal(await refusal(info("them/open", "hf_unknown")), 401);
  assert.equal(await refusal(info("them/open", undefined, "v9")), 404);
  assert.equal(await refusal(info("me/hidden")), 401);
  assert.equal((await info("me/hidden", "hf_reader")).private, true);
  assert.equal((await info("them/gated")).gated, "auto");
  assert.equal(await refusal(file("them/gated")), 401);
  assert.equal(await refusal(file("them/gated", "hf_reader")), 403);
  assert.ok(await file("them/gated", "hf_writer"));
  const code = async (address, options) => (await fetch(`${hub.address}${address}`, options)).headers.get("X-Error-Code");
  assert.equal(await code("/them/gated/resolve/main/config.json"), "GatedRepo");
  assert.equal(await code("/them/open/resolve/main/none.json"), "EntryNotFound");
  assert.equal(await code("/api/models/them/open/revision/v9"), "RevisionNotFound");
  assert.equal(await code("/api/models/them/none/revision/main", { headers: { Authorization: "Bearer hf_reader" } }), "RepoNotFound");
});

test("a part of a file comes from where it is asked for, and a connection can be cut", async (t) => {
  const hub = await hubFor(t);
  const address = `${hub.address}/them/open/resolve/main/model.safetensors`;
  const part = await fetch(address, { headers: { Range: "bytes=299990-" } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("Content-Range"), "bytes 299990-299999/300000");
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), WEIGHTS.subarray(299_990));
  assert.equal((await fetch(address, { headers: { Range: "bytes=300000-" } })).status, 416);
  hub.cut["model.safetensors"] = 100_000;
  await assert.rejects(async () => (await fetch(address)).arrayBuffer());
  assert.deepEqual(Buffer.from(await (await fetch(address)).arrayBuffer()), WEIGHTS);
});

test("what the library pushes is there byte for byte, in one piece or in parts", async (t) => {
  const hub = await hubFor(t);
  hub.partSize = 100_000;
  const access = { hubUrl: hub.address, accessToken: "hf_writer", repo: "me/new", useXet: false };
  const push = (files) => uploadFiles({ ...access, files: Object.entries(files).map(([path, bytes]) => ({ path, content: new Blob([bytes]) })) });
  assert.equal(await refusal(push({ "config.json": CONFIG })), 404);
  await createRepo({ ...access, visibility: "private" });
  assert.equal(await refusal(createRepo(access)), 409);
  await push({ "config.json": CONFIG, "model.safetensors": WEIGHTS, "small.safetensors": CONFIG });
  assert.deepEqual(hub.files("me/new"), { "config.json": CONFIG, "model.safetensors": WEIGHTS, "small.safetensors": CONFIG });
  assert.equal(hub.models.get("me/new").isPrivate, true);
  const parts = hub.requests.filter(({ server, method, path }) => server === "large" && method === "PUT" && /\/\d$/.test(path));
  assert.equal(parts.length, 3);
  assert.ok(hub.requests.every(({ server, token }) => server === "hub" || token === undefined), "a token left for the other server");
  assert.equal(await refusal(uploadFiles({ ...access, accessToken: "hf_reader", files: [new File([CONFIG], "x.json")] })), 403);
});
