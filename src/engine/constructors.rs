//! Runs the program's constructors once, by hand.
//!
//! Burn's kernels register themselves in constructors. Unless a program calls them itself, the linker wraps every
//! export of a wasm module in a call of all of them: 75 times the cost of a training step.

use std::sync::Once;

/// To be called first in every wasm program that computes.
pub fn run() {
    static ONCE: Once = Once::new();
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // Safe: made by the linker, takes and returns nothing, and runs once.
    ONCE.call_once(|| unsafe { __wasm_call_ctors() });
}
