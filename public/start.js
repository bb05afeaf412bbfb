// Loads the page's program. A file, because the page's Content-Security-Policy allows no inline script.
const { js, wasm } = document.currentScript.dataset;
import(new URL(js, document.baseURI))
  .then((program) => program.default({ module_or_path: new URL(wasm, document.baseURI) }))
  .catch((error) => {
    console.error(error);
    const starting = document.getElementById("starting");
    if (starting) {
      starting.textContent =
        "Cliptune could not start. It needs a current browser with WebAssembly; check the connection and reload the page.";
    }
  });
