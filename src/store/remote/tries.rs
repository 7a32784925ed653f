//! Trying until it is done, or no use.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::RemoteStore;
use super::attempt::{Answer, Attempt};
use super::fault::{Fault, Stop};
use crate::store::{Operation, StoreError};

impl RemoteStore {
    /// Runs one operation until it is done, or it is no use to try again.
    pub(super) fn call<T>(
        &self,
        operation: Operation,
        name: &str,
        mut one: impl AsyncFnMut(&Attempt) -> Result<T, Stop>,
    ) -> Result<T, Failed> {
        let mut failed = 0;
        loop {
            let attempt = Arc::new(Attempt::default());
            let done = self.runtime().block_on(attempt.run(one(&attempt)));
            let answer = attempt.answer();
            if answer.status.is_some() {
                self.has_answered.store(true, Ordering::Relaxed);
            }
            self.clock.heard(answer.date);
            let stop = match done {
                Ok(done) => return Ok(done),
                Err(stop) => stop,
            };
            failed += 1;
            let fault = Fault::of(&stop, &answer);
            match self.wait(&fault, failed, &answer) {
                Some(wait) => thread::sleep(wait),
                None => return Err(self.failed(operation, name, fault, failed)),
            }
        }
    }

    fn wait(&self, fault: &Fault, failed: u32, answer: &Answer) -> Option<Duration> {
        let has_answered = self.has_answered.load(Ordering::Relaxed);
        let luck = || getrandom::u64().unwrap_or(0);
        fault
            .is_temporary
            .then(|| self.retry.wait(failed, has_answered, answer.retry_after, luck()))?
    }

    fn failed(&self, operation: Operation, name: &str, fault: Fault, tries: u32) -> Failed {
        // Where the whole place is missing, the object says nothing.
        let name = if fault.is_place { "" } else { name };
        let mut error = self.error(fault.kind, operation, name);
        if let Some(mut words) = fault.words {
            if fault.is_temporary && tries > 1 {
                words = format!("{words} (tried {tries} times)");
            }
            error = error.because(words);
        }
        Failed { error, is_taken: fault.is_taken, is_place: fault.is_place }
    }
}

/// An operation that failed, and whether an object of that name was the reason.
pub(super) struct Failed {
    /// The error.
    pub error: StoreError,
    /// Whether an object of that name was in the way.
    pub is_taken: bool,
    /// Whether the place as a whole is not there.
    pub is_place: bool,
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}
