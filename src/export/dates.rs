//! Days and times without a library: what a report and a list of runs say of when.
//!
//! Comes in: milliseconds since 1970. Goes out: texts.

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The day of so many milliseconds since 1970, `2026-11-21`; none where it is no time.
pub fn date(milliseconds: f64) -> Option<String> {
    let [year, month, day] = civil(milliseconds)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// `21 Nov 2026, 16:05`.
pub fn moment(milliseconds: f64) -> Option<String> {
    let [year, month, day] = civil(milliseconds)?;
    let month = MONTHS.get((month as usize).checked_sub(1)?)?;
    let minutes = (milliseconds / 60_000.0) as u64 % 1440;
    Some(format!("{day} {month} {year}, {:02}:{:02}", minutes / 60, minutes % 60))
}

/// Year, month and day; none where it is no time. Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms,
/// civil_from_days.
fn civil(milliseconds: f64) -> Option<[u64; 3]> {
    // The years 1970 to 9999.
    if !(0.0..253_402_300_800_000.0).contains(&milliseconds) {
        return None;
    }
    let days = (milliseconds / 86_400_000.0) as u64 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    // Months from March on, so that a leap day is the last.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    Some([era * 400 + year + later, month, day])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let day = |days: f64| date(days * 86_400_000.0).unwrap();
        // From `date -u -d @… +%F`.
        let days = [0.0, 58.0, 59.0, 789.0, 11_016.0, 20_778.999_99, 47_540.0, 47_541.0];
        let expected = [
            "1970-01-01",
            "1970-02-28",
            "1970-03-01",
            "1972-02-29",
            "2000-02-29",
            "2026-11-21",
            "2100-02-28",
            "2100-03-01",
        ];
        assert_eq!(days.map(day), expected);
        assert_eq!(moment(1_763_741_159_999.0).unwrap(), "21 Nov 2025, 16:05");
        assert!([f64::NAN, -1.0, f64::INFINITY, 1e18].into_iter().all(|time| date(time).is_none()));
    }
}
