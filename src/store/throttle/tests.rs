//! Time as a throttle spends it.

use super::*;
use crate::store::MemoryStore;
use crate::store::conformance::conformance;

/// A clock that only sleeping moves.
#[derive(Default)]
struct Slept(Mutex<Duration>);

impl Clock for Slept {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
}

fn store(upload: Option<u64>, download: Option<u64>) -> ThrottledStore<MemoryStore, Slept> {
    let limits = Limits { upload, download };
    ThrottledStore::with_clock(MemoryStore::new(), limits, Slept::default())
}

#[test]
fn a_throttled_store_keeps_the_contract() {
    conformance(&|| Box::new(store(Some(1_000_000), Some(1_000_000))));
}

#[test]
fn bytes_take_the_time_that_the_limit_says() {
    let store = store(Some(1000), Some(500));
    let mut out = Vec::new();
    store.put_new("a", &[&[1; 1500], &[2; 500]], Durability::Now).unwrap();
    assert_eq!(store.clock.now(), Duration::from_secs(2));
    store.get("a", 9999, &mut out).unwrap();
    assert_eq!(store.clock.now(), Duration::from_secs(6));
    store.get_range("a", 0, 250, &mut out).unwrap();
    assert_eq!(store.clock.now(), Duration::from_millis(6500));
    store.size("a").unwrap();
    store.get("none", 9, &mut out).unwrap_err();
    assert_eq!(store.clock.now(), Duration::from_millis(6500));
}

#[test]
fn one_direction_does_not_wait_for_the_other() {
    let store = store(Some(1000), None);
    let mut out = Vec::new();
    store.put_new("a", &[&[1; 1000]], Durability::Now).unwrap();
    store.get("a", 9999, &mut out).unwrap();
    assert_eq!(store.clock.now(), Duration::from_secs(1));
}

#[test]
fn threads_share_one_limit() {
    let lane = Lane::new(1000);
    // Two writers at the same moment: the second one waits for both.
    assert_eq!(lane.wait(Duration::ZERO, 1000), Duration::from_secs(1));
    assert_eq!(lane.wait(Duration::ZERO, 1000), Duration::from_secs(2));
    // Time that nobody used is not saved up.
    assert_eq!(lane.wait(Duration::from_secs(60), 1000), Duration::from_secs(1));
}
