// Keeps the page working with the network off. scripts/precache.mjs fills in the two names and the list.
//
// Comes in: the page's requests. Goes out: same-origin answers from this browser's cache. A file of the build is never
// asked from the network after installation; sample files are kept at first use; anything else is left alone.
//
// A newer version is fetched whole beside the one that is shown, and shown from the next load of the only open page.
// Which one that is stands in a cache, not in this script: the old script stays in charge for as long as a page is open.
// It must not be told to go sooner: a page that loads just then waits for its engine for ever, its request lost between the two.
const LATEST = { build: "__BUILD__", sample: "__SAMPLE__" };
const FILES = __FILES__;

const address = (file) => new URL(file, self.registration.scope).href;
const PAGE = address("./");
const SAMPLE_FOLDER = address("sample/");
const VERSIONS = "cliptune-versions";

self.addEventListener("install", (event) => {
  event.waitUntil(keepLatest());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const file = url.origin + url.pathname;
  if (!file.startsWith(self.registration.scope)) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (file.startsWith(SAMPLE_FOLDER)) event.respondWith(sample(file, request));
  else event.respondWith(built(file, request));
});

async function keepLatest() {
  const cache = await caches.open(LATEST.build);
  await cache.addAll(FILES.map((file) => new Request(address(file), { cache: "reload" })));
  await setVersion("latest", LATEST);
  if (!(await kept("shown"))) await setVersion("shown", LATEST);
}

/** The cache names of the version that is `latest` or `shown`, or this script's own where none is kept. */
async function version(which) {
  return (await kept(which)) ?? LATEST;
}

async function kept(which) {
  return (await (await caches.open(VERSIONS)).match(address(which)))?.json();
}

async function setVersion(which, names) {
  await (await caches.open(VERSIONS)).put(address(which), Response.json(names));
}

async function page(request) {
  const open = await self.clients.matchAll({ type: "window" });
  if (open.length < 2) await showLatest();
  return built(PAGE, request);
}

async function showLatest() {
  const latest = await version("latest");
  if (latest.build === (await version("shown")).build) return;
  await setVersion("shown", latest);
  const used = [VERSIONS, latest.build, latest.sample];
  const old = (await caches.keys()).filter((name) => name.startsWith("cliptune-") && !used.includes(name));
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function built(file, request) {
  const { build } = await version("shown");
  const cache = await caches.open(build);
  return (await cache.match(file, { ignoreVary: true })) ?? fetch(request);
}

async function sample(file, request) {
  const cache = await caches.open((await version("shown")).sample);
  const kept = await cache.match(file, { ignoreVary: true });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.status === 200) await cache.put(file, answer.clone());
  return answer;
}
