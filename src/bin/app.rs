//! The page's entry point.

#[cfg(target_family = "wasm")]
fn main() {
    console_error_panic_hook::set_once();
    cliptune::ui::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("The page runs in a browser: `make serve`.");
    std::process::exit(2);
}
