//! Points in time as people write them.

use esker_format::node::Time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::time::Duration;

/// What is understood, for messages.
const FORMS: &str = "write it as 2026-11-21, \"2026-11-21 14:30\", \"2026-11-21 14:30:05\" (local \
                     time), 2026-11-21T14:30:05Z, or @SECONDS since 1970";

/// Reads a point in time: RFC 3339; a date, with or without a time of day, as the clock on the
/// wall shows it; or `@` and seconds since 1970. A date alone is its first moment.
///
/// # Errors
/// When it is none of these, or outside the years that there are.
pub fn parse_time(text: &str) -> Result<Time, String> {
    parse_in(text, &TimeZone::system())
}

fn parse_in(text: &str, zone: &TimeZone) -> Result<Time, String> {
    let text = text.trim();
    let stamp = match text.strip_prefix('@') {
        Some(seconds) => seconds.parse().ok().and_then(|s| Timestamp::new(s, 0).ok()),
        // What names its offset is one instant. All else must not name a zone: it would be passed
        // over where only date and time are read.
        None => text.parse().ok().or_else(|| wall_clock(text, zone)),
    };
    let stamp = stamp.ok_or_else(|| format!("no point in time; {FORMS}"))?;
    let nanos = stamp.as_nanosecond();
    let seconds = nanos.div_euclid(1_000_000_000);
    Ok(Time { seconds: seconds as i64, nanos: nanos.rem_euclid(1_000_000_000) as u32 })
}

fn wall_clock(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let is_plain = |c: char| c.is_ascii_digit() || "-:. Tt".contains(c);
    let is_dated = text.get(4..5) == Some("-") && text.len() >= "2026-11-21".len();
    if !is_dated || !text.chars().all(is_plain) {
        return None;
    }
    let time: DateTime = text.parse().ok()?;
    zone.to_zoned(time).ok().as_ref().map(Zoned::timestamp)
}

/// The time that it is so long after another.
pub fn after(time: Time, elapsed: Duration) -> Time {
    let nanos = u64::from(time.nanos) + u64::from(elapsed.subsec_nanos());
    let seconds = elapsed.as_secs() + nanos / 1_000_000_000;
    Time {
        seconds: time.seconds.saturating_add_unsigned(seconds),
        nanos: (nanos % 1_000_000_000) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(i64, u32)> {
        let zone = TimeZone::posix("XYZ-2").unwrap();
        parse_in(text, &zone).ok().map(|t| (t.seconds, t.nanos))
    }

    #[test]
    fn a_time_can_be_written_in_each_of_the_forms_that_the_error_lists() {
        // Two hours east of Greenwich, where no zone is named.
        let local = 1_795_264_200 - 7200;
        assert_eq!(read("2026-11-21T12:30:00Z"), Some((1_795_264_200, 0)));
        assert_eq!(read("2026-11-21 12:30:00.5z"), Some((1_795_264_200, 500_000_000)));
        assert_eq!(read("2026-11-21T12:30:00-04:30"), Some((1_795_264_200 + 16_200, 0)));
        assert_eq!(read("2026-11-21 12:30"), Some((local, 0)));
        assert_eq!(read("2026-11-21T12:30:05"), Some((local + 5, 0)));
        assert_eq!(read("2026-11-21"), Some((local - 12 * 3600 - 30 * 60, 0)));
        assert_eq!(read("@1795264200"), Some((1_795_264_200, 0)));
        assert_eq!(read("@-1"), Some((-1, 0)));
        assert_eq!(read("1969-12-31T23:59:59.25Z"), Some((-1, 250_000_000)));
    }

    #[test]
    fn what_is_no_time_is_refused_and_never_guessed() {
        let wrong = [
            "",
            "now",
            "yesterday",
            "14:30",
            "2026",
            "20261121",
            "2026-02-30",
            "2026-11-21 25:00",
            "2026-11-21 12:30[Europe/Berlin]",
            "2026-11-21 12:30 +04",
            "1795264200",
            "@",
            "@1.5",
            "@99999999999999",
        ];
        for text in wrong {
            let error = parse_time(text).unwrap_err();
            assert!(error.contains("@SECONDS"), "{text}: {error}");
        }
    }
}
