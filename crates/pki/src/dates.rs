//! Dates and spans of time as people read them.

use std::time::{Duration, SystemTime};

/// `2026-05-04 10:00 UTC`.
pub(crate) fn date(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "a date beyond reckoning".to_owned(),
    }
}

/// The distance between two instants in its largest unit: `3 days`, `1 hour`.
pub(crate) fn span(from: SystemTime, to: SystemTime) -> String {
    let seconds = to.duration_since(from).unwrap_or(Duration::ZERO).as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Whole days as a duration.
pub(crate) const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_to_the_minute_in_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_777_888_800);
        assert_eq!(date(time), "2026-05-04 10:00 UTC");
    }

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        let start = SystemTime::UNIX_EPOCH;
        assert_eq!(span(start, start + Duration::from_secs(59)), "59 seconds");
        assert_eq!(span(start, start + Duration::from_secs(3_600)), "1 hour");
        assert_eq!(span(start, start + days(3)), "3 days");
        assert_eq!(span(start + days(3), start), "0 seconds");
    }
}
