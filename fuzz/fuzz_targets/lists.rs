#![no_main]

#[path = "../inputs.rs"]
#[allow(dead_code, reason = "the other targets' part")]
mod inputs;
#[path = "../memory.rs"]
mod memory;

/// A row of two bytes becomes a row of texts, a labelled video and its sentence.
const TIMES: usize = 512;

libfuzzer_sys::fuzz_target!(|input: &[u8]| memory::within(TIMES, input, inputs::lists));
