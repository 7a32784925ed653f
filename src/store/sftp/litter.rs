//! Temporary names that clients left which were killed.

use std::mem;
use std::sync::{Mutex, PoisonError};

use super::Trouble;
use super::session::Session;

/// The beginning of every temporary name.
pub(super) const PREFIX: &[u8] = b".tmp-";
/// Whoever has written nothing for this long (seconds) is gone.
const OLD: u32 = 24 * 3600;
/// How many are remembered.
const MOST: usize = 10_000;

/// Those that a listing has found: their paths and when they were changed.
#[derive(Debug, Default)]
pub(super) struct Litter(Mutex<Vec<(String, u32)>>);

impl Litter {
    /// A listing has found one.
    pub(super) fn found(&self, path: String, changed: u32) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < MOST {
            found.push((path, changed));
        }
    }

    /// Our own connection was lost, and this may be left of what we did over it.
    pub(super) fn lost(&self, path: String) {
        self.found(path, 0);
    }

    /// Removes what is old at `now`, a time of the server's clock, and forgets the others. Nobody depends
    /// on it: what cannot be removed now is left to the next one.
    pub(super) fn clear(&self, session: &Session, now: Option<u32>) {
        let Some(now) = now else { return };
        let found = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let old = found.iter().filter(|(_, changed)| changed.saturating_add(OLD) < now);
        let removing: Vec<_> = old.map(|(path, _)| (path, session.remove(path))).collect();
        for (path, reply) in removing {
            if let Err(Trouble::Lost(_)) = reply.and_then(|reply| reply.done()) {
                self.lost(path.clone());
            }
        }
    }
}
