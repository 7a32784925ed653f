//! A connection that is made anew when it is lost.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Trouble;

/// The wait before the first new attempt; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Keeps one connection for many threads.
pub struct Keeper<S> {
    connect: Box<dyn Fn() -> Result<S, Trouble> + Send + Sync>,
    retries: u32,
    state: Mutex<State<S>>,
}

struct State<S> {
    current: Option<Arc<S>>,
    /// How many attempts to connect there were, and why the last one failed.
    attempts: u64,
    failed: Option<Trouble>,
}

impl<S> Keeper<S> {
    /// Connects for the first time: what does not work then is not tried again.
    pub fn new(
        retries: u32,
        connect: impl Fn() -> Result<S, Trouble> + Send + Sync + 'static,
    ) -> Result<Self, Trouble> {
        let first = connect()?;
        let state = State { current: Some(Arc::new(first)), attempts: 1, failed: None };
        Ok(Self { connect: Box::new(connect), retries, state: Mutex::new(state) })
    }

    /// Does something that may be done again, until a connection lasts for it.
    pub fn run<T>(&self, act: impl Fn(&S) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut tried = 0;
        loop {
            let seen = self.state().attempts;
            let lost = match self.current(seen) {
                Ok(connection) => match act(&connection) {
                    Err(Trouble::Lost(reason)) => {
                        self.forget(&connection);
                        reason
                    }
                    other => return other,
                },
                Err(Trouble::Lost(reason)) => reason,
                Err(other) => return Err(other),
            };
            if tried == self.retries {
                return Err(Trouble::Lost(lost));
            }
            thread::sleep(wait_before(tried));
            tried += 1;
        }
    }

    /// The connection there is, or a new one. What another thread has just tried in vain, since there
    /// were `seen` attempts, is not tried at once again.
    fn current(&self, seen: u64) -> Result<Arc<S>, Trouble> {
        let mut state = self.state();
        if let Some(current) = &state.current {
            return Ok(Arc::clone(current));
        }
        if let (Some(failed), true) = (&state.failed, state.attempts > seen) {
            return Err(failed.clone());
        }
        state.attempts += 1;
        match (self.connect)() {
            Ok(new) => {
                let new = Arc::new(new);
                (state.current, state.failed) = (Some(Arc::clone(&new)), None);
                Ok(new)
            }
            Err(trouble) => {
                state.failed = Some(trouble.clone());
                Err(trouble)
            }
        }
    }

    fn forget(&self, lost: &Arc<S>) {
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, lost)) {
            state.current = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection there is, for tests that break it.
    #[cfg(test)]
    pub fn connection(&self) -> Arc<S> {
        self.current(0).unwrap()
    }
}

impl<S> fmt::Debug for Keeper<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("retries", &self.retries).finish_non_exhaustive()
    }
}

/// Twice as long each time, and up to a half less by chance, so that many clients of a server that comes
/// back do not come all at once.
fn wait_before(attempt: u32) -> Duration {
    let whole = FIRST_WAIT.saturating_mul(1 << attempt.min(10)).min(LONGEST_WAIT);
    let part = getrandom::u32().unwrap_or(0) % 512;
    whole - whole * part / 1024
}
