//! Times on the calendar of a place: which day it was there, and when a month ago was. Nothing here
//! asks a clock.

use crate::repository::retention::Span;
use esker_format::node::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How often a rule keeps one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// Once an hour.
    Hourly,
    /// Once a day.
    Daily,
    /// Once a week, which begins on Monday (ISO 8601).
    Weekly,
    /// Once a month.
    Monthly,
    /// Once a year.
    Yearly,
}

impl Period {
    /// As options and lists name it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }
}

/// One hour, day, week, month or year.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// As people name it: `2026-11-20`, `2026-W47`.
    pub name: String,
    /// Tells the two hours apart that have one name when clocks are set back.
    offset: i32,
}

/// The calendar of a time zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
}

impl Calendar {
    /// That of this machine.
    pub fn of_this_machine() -> Self {
        Self { zone: TimeZone::system() }
    }

    /// That of Greenwich.
    pub const fn utc() -> Self {
        Self { zone: TimeZone::UTC }
    }

    /// The hour, day, week, month or year that a time lies in.
    pub fn bucket(&self, time: Time, period: Period) -> Bucket {
        let at = self.at(time);
        let format = match period {
            Period::Hourly => "%Y-%m-%d %H:00",
            Period::Daily => "%Y-%m-%d",
            Period::Weekly => "%G-W%V",
            Period::Monthly => "%Y-%m",
            Period::Yearly => "%Y",
        };
        let offset = if period == Period::Hourly { at.offset().seconds() } else { 0 };
        Bucket { name: at.strftime(format).to_string(), offset }
    }

    /// The time that it was so long before another; of those that a calendar has, the first at the
    /// earliest.
    pub fn before(&self, time: Time, span: &Span) -> Time {
        let Span { years, months, weeks, days, hours } = *span;
        let subtract = || {
            let length = jiff::Span::new()
                .try_years(years)
                .and_then(|s| s.try_months(months))
                .and_then(|s| s.try_weeks(weeks))
                .and_then(|s| s.try_days(days))
                .and_then(|s| s.try_hours(hours))
                .ok()?;
            self.at(time).checked_sub(length).ok()
        };
        let at = subtract().map_or(Timestamp::MIN, |at| at.timestamp());
        Time { seconds: at.as_second(), nanos: time.nanos }
    }

    fn at(&self, time: Time) -> Zoned {
        // What lies outside the years of a calendar is at its ends.
        let ends = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let seconds = time.seconds.clamp(ends.0, ends.1);
        let stamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        stamp.to_zoned(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn berlin() -> Calendar {
        Calendar { zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap() }
    }

    fn at(seconds: i64) -> Time {
        Time { seconds, nanos: 5 }
    }

    fn name(seconds: i64, period: Period) -> String {
        berlin().bucket(at(seconds), period).name
    }

    #[test]
    fn a_time_lies_in_the_hour_day_week_month_and_year_of_its_place() {
        // 2026-12-31 23:30 in Greenwich is 2027-01-01 00:30 in Berlin, still in week 53.
        let seconds = 1_798_759_800;
        assert_eq!(name(seconds, Period::Hourly), "2027-01-01 00:00");
        assert_eq!(name(seconds, Period::Daily), "2027-01-01");
        assert_eq!(name(seconds, Period::Weekly), "2026-W53");
        assert_eq!(name(seconds, Period::Monthly), "2027-01");
        assert_eq!(name(seconds, Period::Yearly), "2027");
        assert_eq!(Calendar::utc().bucket(at(seconds), Period::Yearly).name, "2026");
    }

    #[test]
    fn the_hour_that_comes_twice_when_clocks_are_set_back_is_two_hours_of_one_day() {
        let first = 1_792_886_400; // 2026-10-25 00:00 in Greenwich, 02:00 in summer time
        let hour = |seconds| berlin().bucket(at(seconds), Period::Hourly);
        let (summer, winter) = (hour(first), hour(first + 3600));
        assert_eq!(
            (summer.name.as_str(), winter.name.as_str()),
            ("2026-10-25 02:00", "2026-10-25 02:00")
        );
        assert_ne!(summer, winter);
        let day = |seconds| berlin().bucket(at(seconds), Period::Daily);
        assert_eq!(day(first), day(first + 3600));
    }

    #[test]
    fn a_month_ago_is_a_date_and_no_number_of_hours() {
        let time = |month, day| {
            let zoned = date(2026, month, day).at(12, 0, 0, 0).to_zoned(berlin().zone).unwrap();
            at(zoned.timestamp().as_second())
        };
        let before =
            |month, day, span: &str| berlin().before(time(month, day), &span.parse().unwrap());
        assert_eq!(before(3, 31, "1m"), time(2, 28));
        assert_eq!(before(4, 2, "1w"), time(3, 26));
        assert_eq!(before(4, 2, "1m1d"), time(3, 1));
        assert_eq!(before(3, 30, "24h").seconds, time(3, 30).seconds - 86_400);
    }

    #[test]
    fn times_that_no_calendar_has_are_at_its_ends() {
        for seconds in [i64::MIN, i64::MAX] {
            assert_ne!(name(seconds, Period::Daily), "");
            let span = "99999y".parse().unwrap();
            assert_eq!(berlin().before(at(seconds), &span).seconds, Timestamp::MIN.as_second());
        }
    }
}
