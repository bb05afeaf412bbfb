// A worker of ours; its name begins with its program's. Listens at once and keeps what comes while the program loads: a browser
// drops messages for a worker that does not listen yet.
const early = [];
self.onmessage = (event) => early.push(event);
import(`./${self.name.split(" ")[0]}_loader.js`)
  .then(() => early.forEach((event) => self.onmessage(event)))
  // Thrown outside the promise, so that whoever started the worker hears of it.
  .catch((error) => setTimeout(() => { throw error; }));
