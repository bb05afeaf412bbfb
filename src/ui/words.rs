//! Numbers -> the words that people read.

pub use crate::dataset::words::{count, counted};

/// 0.948 -> `94.8%`.
pub fn percent(share: f32) -> String {
    format!("{:.1}%", f64::from(share) * 100.0)
}

/// 2070000 -> `2.1 million`.
pub fn magnitude(number: usize) -> String {
    match number {
        1_000_000.. => format!("{:.1} million", number as f64 / 1e6),
        _ => count(number),
    }
}

/// Bytes in decimal units.
pub fn size(bytes: u64) -> String {
    match bytes {
        1_000_000_000.. => format!("{:.1} GB", bytes as f64 / 1e9),
        1_000_000.. => format!("{:.1} MB", bytes as f64 / 1e6),
        0 => "0 kB".into(),
        _ => format!("{:.0} kB", (bytes as f64 / 1e3).max(1.0)),
    }
}

/// Seconds as a person says them: `1 h 5 min`, `3 min 20 s`, `12 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        3600.. => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        60.. => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{whole} s"),
    }
}

/// A time shorter than a minute or so, such as a clip's.
pub fn brief(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

/// Milliseconds since 1970 in the reader's own way of writing dates.
pub fn date(milliseconds: f64) -> String {
    let date = js_sys::Date::new(&milliseconds.into());
    let options = js_sys::Object::new();
    for (name, value) in [("dateStyle", "medium"), ("timeStyle", "short")] {
        // Setting a field of a plain object cannot fail.
        let _ = js_sys::Reflect::set(&options, &name.into(), &value.into());
    }
    date.to_locale_string("en-GB", &options).into()
}

/// The last part of a path.
pub fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_string()
}
