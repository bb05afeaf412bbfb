#![no_main]

#[path = "../inputs.rs"]
#[allow(dead_code, reason = "the other target's part")]
mod inputs;

libfuzzer_sys::fuzz_target!(|input: &[u8]| inputs::tensors(input));
