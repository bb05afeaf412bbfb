// The page that the run happens on: files in an input, and a worker that looks at one after the other.

/** A worker that says nothing for so long is given up, in milliseconds. */
const PATIENCE = 60_000;

const input = document.body.appendChild(Object.assign(document.createElement("input"), { type: "file", multiple: true }));
let worker;

/** What the worker answers about the file of this number; `hung` or `crashed` where it does not, and the next file gets a new one. */
window.look = (index, sha256) =>
  new Promise((resolve) => {
    worker ??= new Worker("worker.mjs", { type: "module" });
    let patience;
    const lose = (answer) => {
      clearTimeout(patience);
      worker.terminate();
      worker = undefined;
      resolve(answer);
    };
    const wait = () => {
      clearTimeout(patience);
      patience = setTimeout(() => lose({ hung: `nothing was heard for ${PATIENCE / 1000} s` }), PATIENCE);
    };
    worker.onerror = (event) => lose({ crashed: event.message || "the worker ended" });
    worker.onmessage = ({ data: { answer } }) => {
      wait();
      if (!answer) return;
      clearTimeout(patience);
      resolve(answer);
    };
    wait();
    worker.postMessage({ file: input.files[index], sha256 });
  });
