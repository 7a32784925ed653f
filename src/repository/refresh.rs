//! Bringing an open repository up to the end of its log.

use crate::repository::error::{Error, Result};
use crate::repository::state::State;
use crate::repository::{Repository, log};
use esker_format::FormatError;
use esker_format::ids::{EntryHash, Named, Seq};
use esker_format::names;

const FIRST: Seq = Seq(0);

impl Repository {
    /// Reads what others appended since, and applies it to the index.
    ///
    /// # Errors
    /// When the log is damaged or the store fails.
    pub fn refresh(&mut self) -> Result<()> {
        if !self.head_is_ours()? {
            // Another history than the one that was indexed: the cache begins again. Nobody but
            // whoever read the log before can notice that its end was taken away.
            if let Some(head) = self.state.head {
                let why = "it is not there any more as it was read before";
                self.warnings.push(Error::Break { object: names::entry(head.seq), why });
            }
            self.index.clear()?;
            self.state = State::new(self.access.owner_key);
        }
        let from_the_start = self.state.head.is_none();
        if from_the_start {
            self.expect_first()?;
        }
        let known = self.state.void.len();
        let read = log::replay(&*self.store, &self.access, &mut self.state)?;
        self.remark(known)?;
        if from_the_start {
            // After a request for every entry one more for a thousand of them costs nothing, and
            // without an index nothing else would say that half of the snapshots are not shown.
            match log::expect_end(&*self.store, self.state.next()) {
                Ok(()) => self.end_is_known = true,
                Err(e @ Error::Break { .. }) => self.warnings.push(e),
                Err(e) => return Err(e),
            }
        }
        // The index may lack segments that the log had before: those that could not be read, or that
        // an earlier version passed over.
        if read > 0 || self.lacks_segments()? {
            return self.index_segments(&[], &[]);
        }
        self.presence.learn(&self.state);
        Ok(())
    }

    /// Whether the log still has the entry that the index stands for.
    fn head_is_ours(&self) -> Result<bool> {
        let Some(head) = self.state.head else { return Ok(true) };
        let object = log::read_entry(&*self.store, head.seq)?;
        Ok(object.is_some_and(|object| EntryHash::of(&object) == head.entry))
    }

    /// Fails unless the log begins with the entry that the config names.
    fn expect_first(&self) -> Result<()> {
        let object = names::entry(FIRST);
        match log::read_entry(&*self.store, FIRST)? {
            None => Err(Error::Missing { object }),
            Some(bytes) if EntryHash::of(&bytes) == self.config.genesis => Ok(()),
            Some(_) => Err(Error::Break { object, why: "it is not the one that the config names" }),
        }
    }

    /// Warns of entries that change nothing: void ones where they were first read, those that are
    /// not understood every time, because what is shown lacks what they say.
    fn remark(&mut self, known: usize) -> Result<()> {
        let state = &self.state;
        if state.not_understood.iter().any(|r| r.seq == FIRST) {
            return Err(log::not_understood(FIRST));
        }
        if state.void.iter().any(|r| r.seq == FIRST) {
            let source = FormatError::NotAuthentic { what: "genesis" };
            return Err(Error::Damaged { object: names::entry(FIRST), source });
        }
        let void = state.void[known..]
            .iter()
            .map(|r| Error::Void { object: names::entry(r.seq), why: r.why.clone() });
        let newer = state.not_understood.iter().map(|r| log::not_understood(r.seq));
        self.warnings.extend(void.chain(newer));
        Ok(())
    }
}
