//! The time, and letting others on the thread run: the two things that a browser and a terminal do differently.

#[cfg(target_family = "wasm")]
mod platform {
    /// Seconds since 1970, in steps much finer than a millisecond.
    pub fn seconds() -> f64 {
        js_sys::Date::now() / 1e3
    }

    /// So many milliseconds since 1970 as the clock on the wall counts them.
    pub fn local(milliseconds: f64) -> f64 {
        milliseconds - js_sys::Date::new(&milliseconds.into()).get_timezone_offset() * 60_000.0
    }

    /// Hands the thread to the browser's event loop for one turn.
    pub async fn turn() {
        gloo_timers::future::TimeoutFuture::new(0).await;
    }
}

#[cfg(not(target_family = "wasm"))]
mod platform {
    /// Seconds since 1970.
    pub fn seconds() -> f64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    /// The standard library knows no other clock than UTC's.
    pub fn local(milliseconds: f64) -> f64 {
        milliseconds
    }

    /// A terminal has no event loop to keep alive.
    pub async fn turn() {}
}

pub use platform::{local, seconds, turn};

/// Longest time that a job keeps the thread without letting messages in, in seconds.
const LONGEST_HOLD: f64 = 0.03;

/// Hands the thread over, but no more often than messages need it: a turn costs a browser about 4 ms.
#[derive(Debug)]
pub struct Breath {
    last: std::cell::Cell<f64>,
}

impl Default for Breath {
    fn default() -> Self {
        Self { last: std::cell::Cell::new(seconds()) }
    }
}

impl Breath {
    pub async fn take(&self) {
        if seconds() - self.last.get() > LONGEST_HOLD {
            turn().await;
            self.last.set(seconds());
        }
    }
}
