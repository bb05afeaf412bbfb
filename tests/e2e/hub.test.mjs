// The engine and the Hub, without the page: requests as the page posts them, and every way in which a Hub can say no.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { test } from "node:test";
import { ROOT, sharedBrowser, startBrowser, startServer, temporaryFolder } from "./browser.mjs";
import { filesOf, startHub } from "./hub_server.mjs";

const GOLDEN = path.join(ROOT, "tests/fixtures/golden");
const MICRO = filesOf(path.join(GOLDEN, "micro/model"));
const SHARDED = { ...filesOf(path.join(GOLDEN, "micro/variants/sharded")), "preprocessor_config.json": MICRO["preprocessor_config.json"] };
const WEIGHTS = "model.safetensors";
const TOKENS = {
  hf_ada: { name: "ada", role: "write", gated: true },
  hf_reader: { name: "ada", role: "read" },
};
const LIMIT = { timeout: 2 * 60_000 };

const browser = sharedBrowser();

/** A Hub with models, and an engine on a page of its own that has nothing else. */
async function open(t, models, { context, tab: page } = {}) {
  const hub = await startHub({ models, tokens: TOKENS });
  t.after(() => hub.stop());
  if (!page) ({ context, tab: page } = await browser());
  await page.evaluate((script) => {
    const worker = new Worker(script, { type: "module", name: "engine" });
    const listeners = new Map();
    worker.onmessage = ({ data }) => listeners.get(data.message.job)?.(data.message.event, data.attachments);
    let last = 0;
    globalThis.send = (command) => {
      const job = (last += 1);
      const events = [];
      const ended = new Promise((resolve) => {
        let zip;
        listeners.set(job, async (event, attachments) => {
          events.push(event);
          if (event.Exported) zip = attachments[0];
          if (event !== "Done" && event !== "Cancelled" && !event.Failed) return;
          if (zip) events.unshift({ Zip: Array.from(new Uint8Array(await zip.arrayBuffer())) });
          resolve(events);
        });
      });
      worker.postMessage({ message: { job, command }, attachments: [] });
      return { job, events, ended };
    };
  }, new URL("/worker.js", page.url()).href);
  const run = (command) => page.evaluate((command) => globalThis.send(command).ended, command);
  const endpoint = { endpoint: hub.address, token: null };
  const download = async (model, settings = {}) => outcome(await run({ Download: { model, hub: { ...endpoint, ...settings } } }));
  const push = async (id, repository, token, isPrivate = false) =>
    outcome(await run({ Push: { id, numbers: "F32", repository, private: isPrivate, hub: { ...endpoint, token } } }));
  assert.equal((await run({ Start: { device: "cpu" } })).at(-1), "Done");
  return { hub, context, page, run, download, push };
}

/** What a job's events say. */
function outcome(events) {
  const of = (kind) => events.filter((event) => event[kind]).map((event) => event[kind]);
  return {
    failed: of("Failed")[0],
    added: of("Added")[0],
    pushed: of("Pushed")[0]?.address,
    progress: of("Transferring"),
    checkpoints: of("Checkpoints").at(-1),
  };
}

/** Changes each record of a store of "cliptune-downloads"; `action` gets a cursor and `value`. */
function change(page, store, action, value) {
  const source = `async ({ store, value }) => {
    const opening = indexedDB.open("cliptune-downloads");
    const database = await new Promise((resolve) => (opening.onsuccess = () => resolve(opening.result)));
    const transaction = database.transaction(store, "readwrite");
    transaction.objectStore(store).openCursor().onsuccess = ({ target: { result: cursor } }) => {
      if (!cursor) return;
      (${action})(cursor, value);
      cursor.continue();
    };
    await new Promise((resolve) => (transaction.oncomplete = resolve));
    database.close();
  }`;
  return page.evaluate(`(${source})(${JSON.stringify({ store, value })})`);
}

/** Bytes that wait for the rest of their file. */
async function waiting(page) {
  await page.evaluate(() => (globalThis.bytes = 0));
  await change(page, "parts", (cursor) => (globalThis.bytes += cursor.value.bytes.size));
  return page.evaluate(() => globalThis.bytes);
}

/** Fails where it does not come true in ten seconds. */
async function until(isTrue) {
  for (const deadline = Date.now() + 10_000; !(await isTrue()); ) {
    assert.ok(Date.now() < deadline, `never came true: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const largeRequests = (hub) => hub.requests.filter(({ server, method }) => server === "large" && method === "GET");
const sizeOf = (files) => Object.values(files).reduce((size, bytes) => size + bytes.length, 0);

test("a model comes whole, in one file or in shards, with its commit and its licence", LIMIT, async (t) => {
  const models = { "ada/whole": { files: MICRO, licence: "cc-by-nc-4.0" }, "ada/sharded": { files: SHARDED }, gpt2: { files: MICRO } };
  const { hub, page, download } = await open(t, models);
  for (const [name, { files, licence = null }] of Object.entries(models)) {
    const { failed, added, progress, checkpoints } = await download(name);
    assert.equal(failed, undefined);
    assert.deepEqual(added.checkpoint.origin, { source: name, revision: hub.models.get(name).at("main").id, licence });
    assert.deepEqual(added.report, { missing: [], surplus: [], misshapen: [] });
    assert.equal(checkpoints[0].id, added.checkpoint.id);
    assert.ok(progress.every(({ done }, index) => done >= (progress[index - 1]?.done ?? 0)), "progress goes forward only");
    const { done, total } = progress.at(-1);
    assert.deepEqual([done, total], [sizeOf(files), sizeOf(files)]);
  }
  assert.equal(await waiting(page), 0, "nothing is kept twice");
});

test("a revision and a page's address name the model, and a token goes to its own Hub only", LIMIT, async (t) => {
  const { hub, download } = await open(t, { "ada/model": { files: MICRO } });
  const commit = hub.models.get("ada/model").at("main").id;
  const elsewhere = await startHub({ models: { "ada/model": { files: MICRO } }, tokens: TOKENS });
  t.after(() => elsewhere.stop());
  assert.equal((await download(`ada/model@${commit}`)).failed, undefined);
  assert.equal((await download(`https://huggingface.co/ada/model/blob/${commit}/config.json`)).failed, undefined);
  assert.equal((await download(`${elsewhere.address}/ada/model`, { token: "hf_ada" })).failed, undefined);
  assert.ok(elsewhere.requests.length > 0 && elsewhere.requests.every(({ token }) => token === undefined));
  const before = hub.requests.length;
  assert.equal((await download(`${hub.address}/ada/model`, { token: "hf_ada" })).failed, undefined);
  for (const { server, token } of hub.requests.slice(before)) assert.equal(token, server === "hub" ? "hf_ada" : undefined);
});

test("what was fetched before a cut is not fetched again", LIMIT, async (t) => {
  const { hub, page, download } = await open(t, { "ada/model": { files: MICRO } });
  hub.cut[WEIGHTS] = 200_000;
  assert.match((await download("ada/model")).failed, /cut while model\.safetensors was fetched/);
  assert.equal(await waiting(page), 200_000);
  hub.cut[WEIGHTS] = 100_000;
  assert.match((await download("ada/model")).failed, /cut while/);
  const { failed, progress } = await download("ada/model");
  assert.equal(failed, undefined);
  assert.deepEqual(largeRequests(hub).map(({ range }) => range), [undefined, "bytes=200000-", "bytes=300000-"]);
  assert.ok(progress[0].done >= 300_000, `progress begins at ${progress[0].done}`);
  assert.equal(await waiting(page), 0);
});

test("parts that nobody came back for in a week are deleted", LIMIT, async (t) => {
  const { hub, page, download } = await open(t, { "ada/model": { files: MICRO }, "ada/sharded": { files: SHARDED } });
  hub.cut[WEIGHTS] = 200_000;
  assert.match((await download("ada/model")).failed, /cut while/);
  const age = (days) =>
    change(page, "files", (cursor, days) => cursor.update(Date.now() - days * 24 * 3600 * 1000), days);
  await age(6);
  assert.equal((await download("ada/sharded")).failed, undefined);
  assert.equal(await waiting(page), 200_000);
  await age(8);
  assert.equal((await download("ada/sharded")).failed, undefined);
  assert.equal(await waiting(page), 0);
});

test("from a server that gives no parts, it starts anew", LIMIT, async (t) => {
  const { hub, download } = await open(t, { "ada/model": { files: MICRO } });
  hub.ranges = false;
  hub.cut[WEIGHTS] = 200_000;
  assert.match((await download("ada/model")).failed, /cut while/);
  assert.equal((await download("ada/model")).failed, undefined);
  assert.deepEqual(largeRequests(hub).map(({ range, status }) => [range, status]), [[undefined, 200], ["bytes=200000-", 200]]);
});

test("a file that is not what the Hub says it is is refused and not kept", LIMIT, async (t) => {
  const { hub, page, download } = await open(t, { "ada/model": { files: MICRO }, "ada/sharded": { files: SHARDED } });
  hub.damaged.add(WEIGHTS);
  assert.match((await download("ada/model")).failed, /^model\.safetensors did not come as localhost:\d+ says it is/);
  assert.equal(await waiting(page), 0);
  hub.damaged = new Set(["model-00002-of-00003.safetensors"]);
  assert.match((await download("ada/sharded")).failed, /^model-00002-of-00003\.safetensors did not come/);
  hub.damaged = new Set(["config.json"]);
  assert.match((await download("ada/model")).failed, /^config\.json did not come/);
  hub.damaged.clear();
  assert.equal((await download("ada/model")).failed, undefined);
  assert.ok(largeRequests(hub).every(({ range }) => range === undefined));
  // A part that was damaged on the disk, too.
  hub.cut[WEIGHTS] = 200_000;
  assert.match((await download("ada/model")).failed, /cut while/);
  await change(page, "parts", (cursor) => cursor.update({ start: 0, bytes: new Blob([new Uint8Array(200_000)]) }));
  assert.match((await download("ada/model")).failed, /did not come as/);
  assert.equal((await download("ada/model")).failed, undefined);
});

test("cancelling ends the request, and what came is kept", LIMIT, async (t) => {
  const weights = randomBytes(12_000_000);
  const { hub, page, download } = await open(t, { "ada/model": { files: { ...MICRO, [WEIGHTS]: weights } } });
  hub.pause[WEIGHTS] = { after: 10_000_000, until: new Promise(() => {}) };
  const settings = { endpoint: hub.address, token: null };
  const ended = page.evaluate((hub) => (globalThis.running = globalThis.send({ Download: { model: "ada/model", hub } })).ended, settings);
  await until(() => largeRequests(hub).length > 0);
  await until(async () => (await waiting(page)) > 0);
  await page.evaluate(() => globalThis.send({ Cancel: { job: globalThis.running.job } }));
  assert.equal((await ended).at(-1), "Cancelled");
  const kept = await waiting(page);
  assert.ok(kept >= 8_388_608 && kept <= 10_000_000, `${kept} bytes are kept`);
  await until(() => largeRequests(hub)[0].leftEarly);
  // Random bytes are no model, but they came, and the second time only their rest.
  assert.match((await download("ada/model")).failed, /^"ada\/model": /);
  assert.equal(largeRequests(hub)[1].range, `bytes=${kept}-`);
});

test("too little room is told before anything large is fetched, and a disk that fills up meanwhile is, too", LIMIT, async (t) => {
  const weights = randomBytes(30_000_000);
  // Else Chromium tells every page that there is plenty.
  const alone = await startBrowser(t, temporaryFolder(t), { args: ["--no-sandbox", "--disable-features=StaticStorageQuota"] });
  const [tab] = alone.pages();
  await tab.goto(`${(await startServer(t)).address}icons/icon.svg`);
  const { hub, context, page, download } = await open(t, { "ada/model": { files: { ...MICRO, [WEIGHTS]: weights } } }, { context: alone, tab });
  const session = await context.newCDPSession(page);
  const origin = new URL(page.url()).origin;
  const allow = (quotaSize) => session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize });
  await allow(50_000_000);
  assert.match((await download("ada/model")).failed, /^ada\/model needs 60\.0 MB of room .* and (49|50)\.\d MB are free/);
  assert.equal(largeRequests(hub).length, 0);
  await allow(100_000_000);
  let resume;
  hub.pause[WEIGHTS] = { after: 4_000_000, until: new Promise((resolve) => (resume = resolve)) };
  const ended = download("ada/model");
  await until(() => largeRequests(hub).length > 0);
  await allow(1_000_000);
  resume();
  assert.match((await ended).failed, /^The disk is full\. What came of model\.safetensors is kept/);
});

test("each way in which a model cannot be had has its own sentence", LIMIT, async (t) => {
  const without = (...names) => Object.fromEntries(Object.entries(MICRO).filter(([name]) => !names.includes(name)));
  const models = {
    "ada/open": { files: MICRO },
    "ada/gated": { files: MICRO, gated: true },
    "ada/hidden": { files: MICRO, isPrivate: true },
    "ada/no-config": { files: without("config.json") },
    "ada/no-preprocessor": { files: without("preprocessor_config.json") },
    "ada/no-weights": { files: without(WEIGHTS) },
    "ada/vit": { files: { ...MICRO, "config.json": Buffer.from('{"model_type": "vit"}') } },
    "ada/lost-shard": { files: Object.fromEntries(Object.entries(SHARDED).filter(([name]) => !name.startsWith("model-00002"))) },
  };
  const { hub, download } = await open(t, models);
  const closed = await startHub();
  await closed.stop();
  const sentence = async (expected, model, settings) => {
    const { failed } = await download(model, settings);
    assert.match(failed ?? "nothing failed", expected, model);
    assert.ok(!failed.includes("hf_"), "a token is nothing to show");
    return failed;
  };
  const sentences = [
    await sentence(/^"what is this" is not a model of the Hub/, "what is this"),
    await sentence(/^"http:\/\/mirror\.example" is not the address of a Hub/, "ada/open", { endpoint: "http://mirror.example" }),
    await sentence(/ cannot be reached/, "ada/open", { endpoint: closed.address }),
    await sentence(/^ada\/none is not on localhost:\d+, or it is private/, "ada/none"),
    await sentence(/^localhost:\d+ does not know the access token/, "ada/open", { token: "hf_unknown" }),
    await sentence(/^ada\/gated is gated: accept its conditions/, "ada/gated"),
    await sentence(/has no revision "v9"/, "ada/open@v9"),
    await sentence(/has no config\.json/, "ada/no-config"),
    await sentence(/has no preprocessor_config\.json/, "ada/no-preprocessor"),
    await sentence(/has no weights that can be read here/, "ada/no-weights"),
    await sentence(/is not VideoMAE but "vit"/, "ada/vit"),
    await sentence(/^model\.safetensors\.index\.json of ada\/lost-shard names shards/, "ada/lost-shard"),
  ];
  assert.equal(new Set(sentences).size, sentences.length);
  await sentence(/^ada\/none is not on/, "ada/none", { token: "hf_ada" });
  await sentence(/^ada\/gated is gated/, "ada/gated", { token: "hf_reader" });
  await sentence(/^ada\/hidden is not on .* or it is private/, "ada/hidden");
  assert.equal((await download("ada/gated", { token: "hf_ada" })).failed, undefined);
  assert.equal((await download("ada/hidden", { token: "hf_ada" })).failed, undefined);
  const refusals = [
    [429, "We had to rate limit your IP", /has had too many requests from here/],
    [503, "Service Unavailable", /has a problem of its own \(status 503\)/],
    [403, "Your token has no read permission", /does not let you fetch ada\/open: Your token has no read permission/],
    [418, "I am a teapot", /gave an answer that was not expected \(status 418\): I am a teapot/],
  ];
  for (const [status, message, expected] of refusals) {
    hub.refuse = () => [status, message];
    await sentence(expected, "ada/open");
    // Where the list comes, but not the weights.
    hub.refuse = ({ path }) => path.endsWith(WEIGHTS) && [status, message];
    await sentence(expected, "ada/open");
  }
});

test("what is pushed is there byte for byte, and comes back as it was", LIMIT, async (t) => {
  const { hub, run, download, push } = await open(t, { "them/model": { files: MICRO, licence: "cc-by-nc-4.0" } });
  hub.partSize = 200_000;
  const { added } = await download("them/model");
  const { failed, pushed, progress } = await push(added.checkpoint.id, "ada/mine", "hf_ada", true);
  assert.equal(failed, undefined);
  assert.equal(pushed, `${hub.address}/ada/mine`);
  assert.equal(hub.models.get("ada/mine").isPrivate, true);
  const { done, total } = progress.at(-1);
  assert.deepEqual([done, total], [sizeOf(hub.files("ada/mine")), sizeOf(hub.files("ada/mine"))]);
  assert.ok(progress.every(({ done }, index) => done >= (progress[index - 1]?.done ?? 0)), "progress goes forward only");
  for (const { server, token } of hub.requests.filter(({ path }) => path.includes("ada/mine") || path.includes("upload"))) {
    assert.equal(token, server === "hub" ? "hf_ada" : undefined);
  }
  // The same files as in an export, whose entries are stored as they are.
  const exported = await run({ ExportCheckpoint: { id: added.checkpoint.id, numbers: "F32" } });
  const zip = Buffer.from(exported[0].Zip);
  for (const [name, bytes] of Object.entries(hub.files("ada/mine"))) assert.ok(zip.includes(bytes), `${name} is another one in the export`);
  assert.match(hub.files("ada/mine")["README.md"].toString(), /^license: "?cc-by-nc-4\.0"?$/m);

  const back = await download("ada/mine", { token: "hf_ada" });
  assert.equal(back.failed, undefined);
  assert.deepEqual(back.added.report, { missing: [], surplus: [], misshapen: [] });
  assert.equal((await push(back.added.checkpoint.id, "ada/again", "hf_ada")).failed, undefined);
  assert.deepEqual(hub.files("ada/again")[WEIGHTS], hub.files("ada/mine")[WEIGHTS]);
  assert.equal(hub.models.get("ada/again").isPrivate, false);
});

test("each way in which a model cannot be pushed has its own sentence", LIMIT, async (t) => {
  const { hub, download, push } = await open(t, { "them/model": { files: MICRO }, "ada/public": { files: MICRO } });
  const { id } = (await download("them/model")).added.checkpoint;
  const sentence = async (expected, repository, token, isPrivate) => {
    const { failed } = await push(id, repository, token, isPrivate);
    assert.match(failed ?? "nothing failed", expected, repository);
    assert.ok(!token || token === "hf_" || !failed.includes(token), "the token is nothing to show");
  };
  await sentence(/^The Hub takes models only from users it knows/, "ada/new", null);
  await sentence(/^That is not an access token; one begins with hf_/, "ada/new", "secret");
  await sentence(/^"new" cannot be the name of a repository/, "new", "hf_ada");
  await sentence(/does not know the access token/, "ada/new", "hf_unknown");
  await sentence(/^The token does not allow you to write to ada\/new on .*rights to create/, "ada/new", "hf_reader");
  await sentence(/^The token does not allow you to write to them\/new/, "them/new", "hf_ada");
  await sentence(/^ada\/public was there already and is public, but it was to be private/, "ada/public", "hf_ada", true);
  const before = hub.models.get("ada/public").at("main").id;
  for (const [status, path, expected] of [
    [404, /repos\/create/, /has no user and no organisation of the name in ada\/new/],
    [413, /^\/upload\//, /does not take files of this size/],
    [409, /\/commit\//, /^ada\/public was changed on .* at the same time/],
    [429, /\/preupload\//, /has had too many requests/],
    [503, /objects\/batch/, /has a problem of its own \(status 503\)/],
  ]) {
    hub.refuse = (request) => path.test(request.path) && [status, "no"];
    await sentence(expected, status === 404 ? "ada/new" : "ada/public", "hf_ada");
  }
  assert.equal(hub.models.get("ada/public").at("main").id, before, "nothing was changed by what failed");
  hub.refuse = () => undefined;
  assert.equal((await push(id, "ada/public", "hf_ada")).failed, undefined);
  await hub.stop();
  await sentence(/cannot be reached/, "ada/public", "hf_ada");
});
