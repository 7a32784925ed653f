//! The clock of a service, as far as its answers tell.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// By how much the other clock is ahead.
#[derive(Debug)]
pub(super) struct FarClock {
    seconds: AtomicI64,
}

/// Nothing was heard.
const UNKNOWN: i64 = i64::MIN;

impl Default for FarClock {
    fn default() -> Self {
        Self { seconds: AtomicI64::new(UNKNOWN) }
    }
}

impl FarClock {
    /// Takes over the date of an answer that has just come, in seconds since 1970.
    pub fn heard(&self, date: Option<i64>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        if let Some(date) = date {
            self.seconds.store(date.saturating_sub(now).max(UNKNOWN + 1), Ordering::Relaxed);
        }
    }

    /// By how many seconds it was ahead of ours with the last answer.
    pub fn ahead(&self) -> Option<i64> {
        Some(self.seconds.load(Ordering::Relaxed)).filter(|seconds| *seconds != UNKNOWN)
    }
}

/// The time of a header: "Sun, 06 Nov 1994 08:49:37 GMT", in seconds since 1970.
pub(super) fn seconds(date: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(date).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_known_once_the_service_has_told_its_time() {
        let clock = FarClock::default();
        clock.heard(None);
        assert_eq!(clock.ahead(), None);
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        clock.heard(seconds("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert!(clock.ahead().unwrap() > 100_000_000_000);
        clock.heard(seconds("no date"));
        assert!(clock.ahead().is_some(), "what was heard stays");
    }
}
