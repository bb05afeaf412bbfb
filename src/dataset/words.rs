//! Numbers and names in sentences, for the page and for what the engine writes.

/// 12345 -> `12,345`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

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

/// Seconds as a person says them: `1 h 5 min`, `3 min 20 s`, `12 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        3600.. => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        60.. => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{whole} s"),
    }
}

/// `1 video`, `12 videos`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `“A”, “B” and 3 more`.
pub fn enumerated(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("“{name}”")).collect();
    match (names.len().saturating_sub(SHOWN), quoted.split_last()) {
        (0, Some((last, []))) => last.clone(),
        (0, Some((last, before))) => format!("{} and {last}", before.join(", ")),
        (more, _) => format!("{} and {more} more", quoted.join(", ")),
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
