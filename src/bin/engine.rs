//! The engine's entry point: a dedicated worker.

#[cfg(target_family = "wasm")]
fn main() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // Kernels register themselves in constructors. Unless the program runs them itself, the linker wraps every export
    // in a call of all of them, at a cost of 75 times the training step.
    unsafe { __wasm_call_ctors() };
    console_error_panic_hook::set_once();
    cliptune::engine::worker::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("The engine runs in a browser; its native twin is `cliptune`.");
    std::process::exit(2);
}
