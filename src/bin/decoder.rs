//! The decoders' entry point: a dedicated worker that the engine starts.

#[cfg(target_family = "wasm")]
fn main() {
    console_error_panic_hook::set_once();
    cliptune::decoders::worker::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("The decoders run in a browser; `cliptune` decodes with ffmpeg.");
    std::process::exit(2);
}
