//! Models of the Hugging Face Hub, or a mirror of it: fetched by name, and pushed.
//!
//! Comes in: a name or an address, and a [`crate::protocol::Hub`]. Goes out: files whose checksums are the Hub's own, or the
//! address of what was pushed. Never opens a model, never keeps a token, never sends one to another host than its own.

pub mod address;
pub mod checksum;
#[cfg(target_family = "wasm")]
mod client;
#[cfg(target_family = "wasm")]
mod download;
pub mod error;
pub mod listing;
#[cfg(target_family = "wasm")]
mod parts;
#[cfg(target_family = "wasm")]
pub mod push;

#[cfg(target_family = "wasm")]
pub use download::{Fetched, fetch, forget};
pub use error::HubError;

/// The time between two reports of progress, in milliseconds.
#[cfg(target_family = "wasm")]
const REPORT_EVERY: f64 = 100.0;

/// Tells how far a transfer is, not more often than an eye needs.
#[cfg(target_family = "wasm")]
struct Meter<Tell> {
    tell: Tell,
    done: u64,
    total: u64,
    told: f64,
}

#[cfg(target_family = "wasm")]
impl<Tell: FnMut(&str, u64, u64)> Meter<Tell> {
    fn new(total: u64, done: u64, tell: Tell) -> Self {
        Self { tell, done, total, told: 0.0 }
    }

    fn set(&mut self, file: &str, done: u64) {
        self.done = done.min(self.total);
        let now = js_sys::Date::now();
        if now - self.told >= REPORT_EVERY || self.done == self.total {
            self.told = now;
            (self.tell)(file, self.done, self.total);
        }
    }
}
