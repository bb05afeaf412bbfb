#![no_main]

#[path = "../inputs.rs"]
#[allow(dead_code, reason = "the other targets' part")]
mod inputs;
#[path = "../memory.rs"]
mod memory;

/// Of a list's text.
const TIMES: usize = 4;
/// A row of two bytes becomes three texts and a part, or a sentence, in vectors that double; there are at most
/// `list::MOST_ROWS`.
const ROW: usize = 320;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some(list) = inputs::List::of(input) else { return };
    let allowed = TIMES * list.text.len() + ROW * list.most_rows();
    list.label(memory::within(allowed, || list.read()));
});
