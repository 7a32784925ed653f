//! A store that takes its time.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Bytes, Durability, Put, Store, StoreError, pass_on};

/// Bytes a second, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What is written.
    pub upload: Option<u64>,
    /// What is read.
    pub download: Option<u64>,
}

impl Limits {
    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self.upload.is_none() && self.download.is_none()
    }
}

/// Time as the throttle sees it; tests have their own.
pub trait Clock: Send + Sync {
    /// The time since some beginning.
    fn now(&self) -> Duration;
    /// Waits.
    fn sleep(&self, duration: Duration);
}

/// The time of this machine.
#[derive(Debug)]
pub struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// Keeps the bytes to and from the store inside below limits, over all threads together.
///
/// An object goes out or comes in as fast as the line takes it, and is paid for with time: before it is
/// written, since its length is known then, and after it was read. So no second has its exact share, and no ten
/// packs take less time than they should. Bytes of requests themselves and of listings do not count.
#[derive(Debug)]
pub struct ThrottledStore<S, C = RealClock> {
    inner: S,
    clock: C,
    upload: Option<Lane>,
    download: Option<Lane>,
}

impl<S: Store> ThrottledStore<S> {
    /// `inner`, slower from here on.
    pub fn new(inner: S, limits: Limits) -> Self {
        Self::with_clock(inner, limits, RealClock(Instant::now()))
    }
}

impl<S: Store, C: Clock> ThrottledStore<S, C> {
    /// The same with a time of one's own.
    pub fn with_clock(inner: S, limits: Limits, clock: C) -> Self {
        let lane = |rate: Option<u64>| rate.map(Lane::new);
        Self { inner, clock, upload: lane(limits.upload), download: lane(limits.download) }
    }

    fn pay(&self, lane: Option<&Lane>, bytes: usize) {
        let Some(lane) = lane else { return };
        let wait = lane.wait(self.clock.now(), bytes);
        if !wait.is_zero() {
            self.clock.sleep(wait);
        }
    }
}

/// One direction: until when it is taken.
#[derive(Debug)]
struct Lane {
    rate: u64,
    taken_until: Mutex<Duration>,
}

impl Lane {
    fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), taken_until: Mutex::default() }
    }

    /// Takes the time for some bytes behind all that was taken before, and says how long to wait for its end.
    fn wait(&self, now: Duration, bytes: usize) -> Duration {
        let mut taken = self.taken_until.lock().unwrap_or_else(PoisonError::into_inner);
        let length = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        *taken = (*taken).max(now) + length;
        taken.saturating_sub(now)
    }
}

impl<S: Store, C: Clock> Store for ThrottledStore<S, C> {
    pass_on!(inner: location, barrier, size, list, delete, local_identity, nature);

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.pay(self.upload.as_ref(), parts.iter().map(|part| part.len()).sum());
        self.inner.put_new(name, parts, durability)
    }

    fn put_new_shared(
        &self,
        name: &str,
        parts: &[Bytes],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.pay(self.upload.as_ref(), parts.iter().map(Bytes::len).sum());
        self.inner.put_new_shared(name, parts, durability)
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.inner.get(name, limit, out)?;
        self.pay(self.download.as_ref(), out.len());
        Ok(())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        self.inner.get_range(name, offset, len, out)?;
        self.pay(self.download.as_ref(), out.len());
        Ok(())
    }
}
