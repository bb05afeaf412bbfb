// The engine's worker. Listens at once and keeps what comes while the engine's program loads: a browser drops messages
// for a worker that does not listen yet.
const early = [];
self.onmessage = (event) => early.push(event);
import("./engine_loader.js")
  .then(() => early.forEach((event) => self.onmessage(event)))
  // Thrown outside the promise, so that the page hears of it.
  .catch((error) => setTimeout(() => { throw error; }));
