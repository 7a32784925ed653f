//! Bringing an open repository up to the end of its log.
//!
//! ```text
//! 1  is the log still there as it was read before           the index, and what is remembered
//! 2  a checkpoint, where that spares much                    none, or far behind
//! 3  the entries behind it, one by one
//! 4  segments that the index lacks
//! ```

use crate::repository::checkpoint::{self, Candidate};
use crate::repository::error::{Error, Result};
use crate::repository::state::{Head, State};
use crate::repository::{Repository, log};
use esker_format::FormatError;
use esker_format::ids::{EntryHash, Named, Seq};
use esker_format::names;
use std::sync::atomic::Ordering;

const FIRST: Seq = Seq(0);
/// Entries that are read before somebody looks for a checkpoint.
const FAR: u64 = 64;
/// Entries that a checkpoint must spare: a new reader, and one that has an index. The latter has to
/// read segments again that were merged meanwhile, because it does not come by the entries that say
/// which they came from.
const SPARED: (u64, u64) = (16, 512);
/// Bytes of a checkpoint for which it must spare one entry.
const BYTES_PER_ENTRY: u64 = 64 << 10;
/// So many are tried, and so many may there be: three are kept. Anybody who may put objects can put
/// what has the name of one.
const TRIED: usize = 8;
const MANY: usize = 16;

impl Repository {
    /// Reads what others appended since, and applies it to the index.
    ///
    /// # Errors
    /// When the log is damaged or the store fails.
    pub fn refresh(&mut self) -> Result<()> {
        let before = self.state.head;
        if !self.head_is_ours()? {
            // Another history than the one that was indexed: the cache begins again. Nobody but
            // whoever read the log before can notice that its end was taken away.
            if let Some(head) = before {
                self.history.learn(head);
            }
            self.index.clear()?;
            self.state = State::new(self.access.owner_key);
        }
        let from_the_start = self.state.head.is_none();
        if from_the_start {
            self.expect_first()?;
        }
        let known = self.state.void.len();
        let start = self.state.next();
        let mut met = None;
        let mut early = self.read_to_the_end(start, &mut met)?;
        if early.is_some() && self.leap()? {
            early = self.read_to_the_end(start, &mut met)?;
        }
        let was_cut_off = std::mem::take(&mut self.is_cut_off);
        self.remark(known)?;
        match early {
            Some(why @ Error::CutOff { .. }) => {
                self.is_cut_off = true;
                if !was_cut_off {
                    self.warnings.push(why);
                }
                return self.index_segments(&[], &[]);
            }
            Some(gap) if !self.has_told_of_gap() => self.warnings.push(gap),
            _ => {}
        }
        let is_changed = self.state.next() != start;
        self.compare(before.filter(|_| !from_the_start), met)?;
        // The index may lack segments that the log had before: those that could not be read, or that
        // an earlier version passed over.
        if is_changed || self.lacks_segments()? {
            return self.index_segments(&[], &[]);
        }
        self.presence.learn(&self.state);
        Ok(())
    }

    /// Fails when entries lie behind the end of the log as it was read, because one before them was
    /// lost: nothing else would say that half of the snapshots are not shown. Where it was read entry
    /// by entry from the start, one more request for a thousand of them costs nothing; where most were
    /// spared, only those nearby are looked for, and elsewhere one. Who came to the end once need not
    /// look again.
    fn look_behind(&self, start: Seq) -> Result<()> {
        let (store, next) = (&*self.store, self.state.next());
        let was_there = self.history.seen().is_some_and(|seen| seen.to_the_end);
        match self.state.changes.everything {
            false if start == FIRST => {
                log::expect_end(store, next, None)?;
                self.end_is_known.store(true, Ordering::Relaxed);
                Ok(())
            }
            _ if was_there => Ok(()),
            true => log::expect_end_near(store, next),
            false => log::expect_none_behind(store, next),
        }
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

    fn has_told_of_gap(&self) -> bool {
        self.warnings.iter().any(|warning| matches!(warning, Error::Gap { .. }))
    }

    /// Reads the log from where the state is. Returns why it could not be read to its end: an entry is
    /// lost, damaged, of a later version, or was signed by somebody who saw another log. Who may put
    /// objects can bring that about. What came before can be restored, on the day when it is needed;
    /// nothing is appended, and of a log that is cut off nothing is said that was seen before. `met` is
    /// its head at the entry that was seen last before, where it came by there.
    fn read_to_the_end(&mut self, start: Seq, met: &mut Option<Head>) -> Result<Option<Error>> {
        match self.read_log(met).and_then(|()| self.look_behind(start)) {
            Ok(()) => Ok(None),
            Err(gap @ Error::Gap { .. }) => Ok(Some(gap)),
            Err(failure) if self.state.head.is_some() => {
                let (object, why) = log::cut_off(failure, self.state.next())?;
                Ok(Some(Error::CutOff { object, why }))
            }
            Err(failure) => Err(failure),
        }
    }

    fn read_log(&mut self, met: &mut Option<Head>) -> Result<()> {
        if self.state.head.is_none() || self.read_some(FAR, met)? == FAR {
            self.jump(false)?;
            self.read_some(u64::MAX, met)?;
        }
        Ok(())
    }

    /// Goes on from a checkpoint behind an entry that cannot be had; false when there is none.
    fn leap(&mut self) -> Result<bool> {
        let next = self.state.next();
        self.jump(true)?;
        Ok(self.state.next() > next)
    }

    fn read_some(&mut self, most: u64, met: &mut Option<Head>) -> Result<u64> {
        let (store, access, state) = (&*self.store, &*self.access, &mut self.state);
        let mut read = 0;
        if let Some(seen) = self.history.seen()
            && let Some(until) = (seen.head.seq.0 + 1).checked_sub(state.next().0)
        {
            let until = until.min(most);
            read = log::replay_some(store, access, state, until)?;
            if read < until {
                return Ok(read);
            }
            if state.head.is_some_and(|head| head.seq == seen.head.seq) {
                *met = state.head;
            }
        }
        Ok(read + log::replay_some(store, access, state, most - read)?)
    }

    /// Goes on from the newest checkpoint that can be believed, if that spares something, or `anyhow`.
    fn jump(&mut self, anyhow: bool) -> Result<()> {
        let found = self.find_checkpoints()?;
        let (store, access) = (&*self.store, &*self.access);
        let least = if self.state.next() == FIRST { SPARED.0 } else { SPARED.1 };
        let spares = |found: &Candidate| {
            let entries = (found.seq.0 + 1).saturating_sub(self.state.next().0);
            entries > if anyhow { 0 } else { least.max(found.size / BYTES_PER_ENTRY) }
        };
        for candidate in found.iter().filter(|found| spares(found)).take(TRIED) {
            if let Some(other) = checkpoint::disowned_by(store, access, candidate, &found)? {
                let why = format!("{} says that its signer was revoked", other.name);
                self.warnings.push(Error::Checkpoint { object: candidate.name.clone(), why });
                continue;
            }
            match checkpoint::read(store, access, candidate) {
                Ok(state) => {
                    let old = std::mem::replace(&mut self.state, state);
                    // What was found out before stays true, beside what is new.
                    self.state.void.splice(..0, old.void);
                    self.state.not_understood.splice(..0, old.not_understood);
                    return Ok(());
                }
                Err(error @ Error::Checkpoint { .. }) => self.warnings.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What has the name of a checkpoint, newest first; none where that cannot be had or is too much
    /// to be true. The log says all that they could.
    fn find_checkpoints(&mut self) -> Result<Vec<Candidate>> {
        let trouble = match checkpoint::candidates(&*self.store) {
            Ok(found) if found.len() <= MANY => return Ok(found),
            Ok(found) => Error::Checkpoint {
                object: names::CHECKPOINTS.to_owned(),
                why: format!("there are {} of them, where three are kept", found.len()),
            },
            Err(error) => match Error::from_part(error) {
                error if error.is_damage() => error,
                error => return Err(error),
            },
        };
        self.warnings.push(trouble);
        Ok(Vec::new())
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
