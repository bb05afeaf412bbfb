//! The engine's entry point: a dedicated worker.

#[cfg(target_family = "wasm")]
fn main() {
    cliptune::engine::constructors::run();
    console_error_panic_hook::set_once();
    cliptune::engine::worker::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("The engine runs in a browser; its native twin is `cliptune`.");
    std::process::exit(2);
}
