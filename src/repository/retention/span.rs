//! A length of time on the calendar, as people write it: `1y6m`, `30d`, `48h`.

use std::fmt;
use std::str::FromStr;

/// Years, months, weeks, days and hours; never all of them zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Weeks.
    pub weeks: u32,
    /// Days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

/// More of a unit than anybody means: 9,999 years of hours.
const MAX: u32 = 9999 * 366 * 24;

/// What is understood, for messages.
const FORMS: &str = "write it with y, m (months), w, d and h, as in 1y6m, 30d or 48h";

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("no length of time; {FORMS}");
        let mut span = Self::default();
        let mut seen = String::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number = rest[..digits].parse().ok().filter(|n| *n <= MAX).ok_or_else(wrong)?;
            let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
            let field = match unit {
                'y' => &mut span.years,
                'm' => &mut span.months,
                'w' => &mut span.weeks,
                'd' => &mut span.days,
                'h' => &mut span.hours,
                _ => return Err(wrong()),
            };
            if seen.contains(unit) {
                return Err(format!("`{unit}` is given twice; {FORMS}"));
            }
            seen.push(unit);
            *field = number;
            rest = &rest[digits + 1..];
        }
        if seen.is_empty() {
            return Err(wrong());
        }
        if span == Self::default() {
            return Err("no time at all: leave the option out".to_owned());
        }
        Ok(span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { years, months, weeks, days, hours } = *self;
        let parts = [(years, 'y'), (months, 'm'), (weeks, 'w'), (days, 'd'), (hours, 'h')];
        parts.iter().filter(|(n, _)| *n > 0).try_for_each(|(n, unit)| write!(f, "{n}{unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_read_and_told_with_its_units() {
        for (text, told) in
            [("1y6m", "1y6m"), ("30d", "30d"), ("3h2d", "2d3h"), ("2w", "2w"), ("0y5d", "5d")]
        {
            assert_eq!(text.parse::<Span>().map(|s| s.to_string()), Ok(told.to_owned()));
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_refused_and_never_guessed() {
        for text in ["", "d", "5", "5s", "-5d", "1d1d", "0d", "99999999999d", "1 d", "d5", "5é"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
