//! When to try again, and how long to wait before.

use std::time::Duration;

/// How patient a store is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    /// Tries after the first one.
    pub retries: u32,
}

/// Wait before the second try at most; it doubles with each one.
const FIRST: Duration = Duration::from_millis(250);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// Tries after the first one where nobody has ever answered: most likely the address is wrong.
const NEVER_ANSWERED: u32 = 2;

impl Retry {
    /// How long to wait before the next try after `failed` ones; `None` when it is enough.
    /// `asked` is what the service asked for, `luck` a number drawn at random: clients that failed together
    /// must not come back together.
    pub fn wait(
        self,
        failed: u32,
        has_answered: bool,
        asked: Option<Duration>,
        luck: u64,
    ) -> Option<Duration> {
        let most = if has_answered { self.retries } else { self.retries.min(NEVER_ANSWERED) };
        if failed > most {
            return None;
        }
        let whole = FIRST.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(LONGEST);
        // Between the half and the whole.
        let part = u32::try_from(luck % 1000).unwrap_or(0);
        let wait = whole / 2 + whole / 2 * part / 1000;
        Some(wait.max(asked.unwrap_or_default().min(LONGEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry { retries: 8 };

    #[test]
    fn waits_grow_up_to_a_limit_and_differ() {
        let wait = |failed, luck| RETRY.wait(failed, true, None, luck).unwrap();
        assert_eq!(wait(1, 0), Duration::from_millis(125));
        assert!(wait(1, 999) > Duration::from_millis(240) && wait(1, 999) < FIRST);
        assert_eq!(wait(3, 0), Duration::from_millis(500));
        assert_eq!(wait(8, 0), Duration::from_secs(15));
    }

    #[test]
    fn patience_ends_sooner_where_nobody_ever_answered() {
        assert!(RETRY.wait(8, true, None, 0).is_some());
        assert!(RETRY.wait(9, true, None, 0).is_none());
        assert!(RETRY.wait(2, false, None, 0).is_some());
        assert!(RETRY.wait(3, false, None, 0).is_none());
        assert!(Retry { retries: 0 }.wait(1, true, None, 0).is_none());
    }

    #[test]
    fn a_service_may_ask_for_more_time_but_not_for_all_of_it() {
        let asked = |seconds| RETRY.wait(1, true, Some(Duration::from_secs(seconds)), 0).unwrap();
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(7000), LONGEST);
    }
}
