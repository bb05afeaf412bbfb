#![no_main]

#[path = "../inputs.rs"]
#[allow(dead_code, reason = "the other targets' part")]
mod inputs;
#[path = "../memory.rs"]
mod memory;

/// The file, which lies in memory here; the block that was read last and its successor, which are small beside a film
/// but not beside these files; and four times the file for all else.
const TIMES: usize = 1 + 2 + 4;

libfuzzer_sys::fuzz_target!(|input: &[u8]| memory::within(TIMES * input.len(), || inputs::containers(input)));
