//! Lengths of time as people write them.

use std::time::Duration;

/// What is understood, for messages.
const FORMS: &str =
    "no length of time; write a whole number of s, min, h, d or w, such as 36h, or 0";

/// Elsewhere it means months.
const MINUTES: &str = "`m` can be minutes or months; write min for minutes, or a number of d or w";

/// Reads a length of time.
///
/// # Errors
/// When it is none, or more than 64 bits of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let seconds = match &text[digits.len()..] {
        "" if digits == "0" => 1,
        "s" => 1,
        "min" => 60,
        "m" => return Err(MINUTES.to_owned()),
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(FORMS.to_owned()),
    };
    let number = digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
    let seconds = number.and_then(|n| n.checked_mul(seconds)).ok_or_else(|| FORMS.to_owned())?;
    Ok(Duration::from_secs(seconds))
}

/// A length of time, as short as it can be said exactly.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [("w", 604_800), ("d", 86_400), ("h", 3600), ("min", 60)];
    match units.into_iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_whole_numbers_of_a_unit() {
        for (text, seconds) in [
            ("0", 0),
            ("90s", 90),
            ("30min", 1800),
            ("36h", 129_600),
            ("1d", 86_400),
            ("2w", 1_209_600),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "d", "1", "-1d", "+1d", "1.5h", "1 d", "1y", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), Err(FORMS.to_owned()), "{text}");
        }
        assert_eq!(parse_duration("5m"), Err(MINUTES.to_owned()));
    }

    #[test]
    fn a_length_of_time_is_said_in_its_largest_whole_unit() {
        for text in ["0s", "90s", "30min", "36h", "1d", "2w"] {
            assert_eq!(duration(parse_duration(text).unwrap()), text);
        }
    }
}
