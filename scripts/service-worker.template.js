// Keeps the page working with the network off. scripts/precache.mjs fills in the two names and the list.
//
// Comes in: the page's requests. Goes out: same-origin answers from this browser's cache. A file of the build is never
// asked from the network after installation; sample files are kept at first use; anything else is left alone.
const BUILD = "__BUILD__";
const SAMPLE = "__SAMPLE__";
const FILES = __FILES__;

const address = (file) => new URL(file, self.registration.scope).href;
const BUILT = new Set(FILES.map(address));
const SAMPLE_FOLDER = address("sample/");

self.addEventListener("install", (event) => {
  const fresh = FILES.map((file) => new Request(address(file), { cache: "reload" }));
  event.waitUntil(caches.open(BUILD).then((cache) => cache.addAll(fresh)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name.startsWith("cliptune-") && name !== BUILD && name !== SAMPLE);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const file = url.origin + url.pathname;
  if (request.mode === "navigate" && file.startsWith(self.registration.scope)) event.respondWith(page(request));
  else if (BUILT.has(file)) event.respondWith(built(file, request));
  else if (file.startsWith(SAMPLE_FOLDER)) event.respondWith(sample(file, request));
});

// A reload does not let go of the old worker, so a newer one that waits is told to take over by the last open page's
// next load, which then asks again.
async function page(request) {
  const waiting = self.registration.waiting;
  if (waiting && (await self.clients.matchAll({ type: "window" })).length < 2) {
    waiting.postMessage("take over");
    return new Response("", { headers: { Refresh: "0" } });
  }
  return built(address("./"), request);
}

async function built(file, request) {
  const cache = await caches.open(BUILD);
  return (await cache.match(file, { ignoreVary: true })) ?? fetch(request);
}

async function sample(file, request) {
  const cache = await caches.open(SAMPLE);
  const kept = await cache.match(file, { ignoreVary: true });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.status === 200) await cache.put(file, answer.clone());
  return answer;
}
