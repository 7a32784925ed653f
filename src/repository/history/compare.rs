//! What follows from a log that is not what was seen of it: who reads is warned, and nothing is
//! appended.

use super::Doubt;
use crate::repository::error::{Error, Result};
use crate::repository::state::Head;
use crate::repository::{Repository, log};
use esker_format::ids::{EntryHash, Named};
use esker_format::names;
use std::sync::atomic::Ordering;

/// Numbers behind the end of the log that must be free, when the owner says to go on.
const FREE: u64 = 1000;

impl Repository {
    /// Compares the log with what this machine has seen of it before: `indexed` is where the index
    /// stood, and the log has that entry; `met` is what it was at the entry that was seen last.
    pub(in crate::repository) fn compare(
        &mut self,
        indexed: Option<Head>,
        met: Option<Head>,
    ) -> Result<()> {
        let (Some(seen), Some(end)) = (self.history.seen().map(|s| s.head), self.state.head) else {
            self.remember();
            return Ok(());
        };
        let found = met.or_else(|| indexed.filter(|head| head.seq == seen.seq));
        let doubt = match found {
            _ if seen.seq > end.seq => Some(Doubt::Shorter { seen, end }),
            Some(found) if found == seen => None,
            Some(found) => Some(Doubt::Other { seen, found: found.entry }),
            // Jumped over: what lies there says as much as can be had for one request.
            None => log::read_entry(&*self.store, seen.seq)?
                .map(|object| EntryHash::of(&object))
                .filter(|found| *found != seen.entry)
                .map(|found| Doubt::Other { seen, found }),
        };
        let known = std::mem::replace(&mut self.doubt, doubt);
        match doubt {
            None => self.remember(),
            Some(doubt) if self.accepts => {
                self.history.accept(end)?;
                (self.doubt, self.accepted) = (None, Some(doubt));
            }
            Some(Doubt::Shorter { seen, end }) if self.is_mirror()? => {
                let behind = seen.seq.0 - end.seq.0;
                self.doubt = None;
                self.warnings.push(Error::Behind { behind });
            }
            Some(doubt) if known == Some(doubt) => {}
            Some(doubt) => self.warnings.push(Error::History(Box::new(doubt))),
        }
        Ok(())
    }

    /// Remembers how far the log was read. Where that cannot be written, whoever appends is told once.
    pub(in crate::repository) fn remember(&mut self) {
        let Some(head) = self.state.head else { return };
        if self.doubt.is_some() {
            return;
        }
        let to_the_end = self.end_is_known.load(Ordering::Relaxed);
        let failure = self.history.remember(head, to_the_end).err();
        // Who only reads has nothing to lose by that.
        if self.may_append.load(Ordering::Relaxed) && !self.is_forgetful {
            self.is_forgetful = failure.is_some();
            self.warnings.extend(failure);
        }
    }

    /// Whether the store says that it is a copy.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_mirror(&self) -> Result<bool> {
        Ok(self.store.size(names::MIRROR)?.is_some())
    }

    /// How far behind the end of the log a number is not waited for.
    fn far(&self) -> Option<u64> {
        self.accepts.then_some(FREE)
    }

    /// Fails when nothing may be appended here: to a copy, behind a gap, to a log that is not
    /// the one that this machine has seen, by a machine that another one keeps out, and in a store that is
    /// not fit for it.
    ///
    /// # Errors
    /// [`Error::History`], [`Error::Mirror`], [`Error::Gap`], [`Error::Held`], [`Error::Busy`],
    /// [`Error::NotForSeveral`], or what the store says.
    pub fn expect_appendable(&self) -> Result<()> {
        self.expect_own_history()?;
        // Once is enough: from here on the end of the log is where our own entries are.
        if self.may_append.load(Ordering::Relaxed) {
            return self.here.expect(&self.state);
        }
        self.expect_in_service()?;
        self.here.expect(&self.state)?;
        self.expect_tried()?;
        self.may_append.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Fails for a copy, and behind a gap.
    ///
    /// # Errors
    /// [`Error::Mirror`], [`Error::Gap`], or what the store says.
    pub(in crate::repository) fn expect_in_service(&self) -> Result<()> {
        if self.is_mirror()? {
            return Err(Error::Mirror { location: self.store.location() });
        }
        let was_seen = self.history.seen().is_some_and(|seen| seen.to_the_end);
        if !was_seen && !self.end_is_known.load(Ordering::Relaxed) {
            log::expect_end(&*self.store, self.state.next(), self.far())?;
            self.end_is_known.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Fails when the log is not the one that this machine has seen, or cannot be read to its end.
    ///
    /// # Errors
    /// [`Error::History`], [`Error::CutOff`], or what the store says.
    pub(in crate::repository) fn expect_own_history(&self) -> Result<()> {
        if let Some(doubt) = self.doubt {
            return Err(Error::History(Box::new(doubt)));
        }
        if self.is_cut_off {
            let read = log::replay_some(&*self.store, &self.access, &mut self.state.clone(), 1);
            read.map_err(|failure| match failure {
                Error::Damaged { object, source } => {
                    Error::CutOff { object, why: source.to_string() }
                }
                failure => failure,
            })?;
        }
        Ok(())
    }
}
