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
use crate::repository::history::Doubt;
use crate::repository::state::{Head, State};
use crate::repository::{Repository, log};
use crate::store::Store;
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
/// So many are tried. Anybody who may put objects can put what has the name of one.
const TRIED: usize = 8;
/// Numbers behind the end of the log that must be free, when the owner says to go on.
const FREE: u64 = 1000;

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
        let Some(met) = self.read_what_can_be(from_the_start)? else {
            self.remark(known)?;
            return self.index_segments(&[], &[]);
        };
        self.remark(known)?;
        let is_changed = self.state.next() != start;
        if start == FIRST && !self.state.changes.everything {
            // After a request for every entry one more for a thousand of them costs nothing, and
            // without an index nothing else would say that half of the snapshots are not shown.
            match log::expect_end(&*self.store, self.state.next(), None) {
                Ok(()) => self.end_is_known.store(true, Ordering::Relaxed),
                Err(e @ Error::Gap { .. }) => self.warnings.push(e),
                Err(e) => return Err(e),
            }
        }
        self.compare(before.filter(|_| !from_the_start), met)?;
        // The index may lack segments that the log had before: those that could not be read, or that
        // an earlier version passed over.
        if is_changed || self.lacks_segments()? {
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

    /// Reads the log; none when an entry of it is damaged. What came before can be restored, on the
    /// day when it is needed; nothing is appended, and nothing is said of what this machine has seen.
    fn read_what_can_be(&mut self, from_the_start: bool) -> Result<Option<Option<Head>>> {
        let was_cut_off = std::mem::take(&mut self.is_cut_off);
        match self.read_log(from_the_start) {
            Ok(met) => Ok(Some(met)),
            Err(Error::Damaged { object, source })
                if self.state.head.is_some() && object == names::entry(self.state.next()) =>
            {
                self.is_cut_off = true;
                if !was_cut_off {
                    let why = source.to_string();
                    self.warnings.push(Error::CutOff { object, why });
                }
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Reads the log to its end. Returns its head at the entry that was seen last before, where it
    /// came by there.
    fn read_log(&mut self, from_the_start: bool) -> Result<Option<Head>> {
        let mut met = None;
        if from_the_start || self.read_some(FAR, &mut met)? == FAR {
            self.jump()?;
            self.read_some(u64::MAX, &mut met)?;
        }
        Ok(met)
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

    /// Goes on from the newest checkpoint that can be believed, if that spares something.
    fn jump(&mut self) -> Result<()> {
        let (store, access) = (&*self.store, &*self.access);
        let least = if self.state.next() == FIRST { SPARED.0 } else { SPARED.1 };
        let spares = |found: &Candidate| {
            let entries = (found.seq.0 + 1).saturating_sub(self.state.next().0);
            entries > least.max(found.size / BYTES_PER_ENTRY)
        };
        let found = match checkpoint::candidates(store) {
            Ok(found) => found,
            // The log says all that they could.
            Err(error) => {
                let error = Error::from_part(error);
                if !error.is_damage() {
                    return Err(error);
                }
                self.warnings.push(error);
                return Ok(());
            }
        };
        for candidate in found.iter().filter(|found| spares(found)).take(TRIED) {
            match checkpoint::read(store, access, candidate) {
                Ok(mut state) => {
                    // What was found out on the way stays true.
                    state.void = std::mem::take(&mut self.state.void);
                    state.not_understood = std::mem::take(&mut self.state.not_understood);
                    self.state = state;
                    return Ok(());
                }
                Err(error @ Error::Checkpoint { .. }) => self.warnings.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Compares the log with what this machine has seen of it before: `indexed` is where the index
    /// stood, and the log has that entry; `met` is what it was at the entry that was seen last.
    fn compare(&mut self, indexed: Option<Head>, met: Option<Head>) -> Result<()> {
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
            Some(doubt) => self.warnings.push(Error::History(doubt)),
        }
        Ok(())
    }

    /// Remembers how far the log was read. Where that cannot be written, whoever appends is told once.
    pub(super) fn remember(&mut self) {
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
    fn is_mirror(&self) -> Result<bool> {
        Ok(self.store.size(names::MIRROR)?.is_some())
    }

    /// How far behind the end of the log a number is not waited for.
    fn far(&self) -> Option<u64> {
        self.accepts.then_some(FREE)
    }

    /// Fails when nothing may be appended here: to a copy, behind a gap, and to a log that is not
    /// the one that this machine has seen.
    ///
    /// # Errors
    /// [`Error::History`], [`Error::Mirror`], [`Error::Gap`], or what the store says.
    pub fn expect_appendable(&self) -> Result<()> {
        if let Some(doubt) = self.doubt {
            return Err(Error::History(doubt));
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
        // Once is enough: from here on the end of the log is where our own entries are.
        if self.may_append.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.is_mirror()? {
            return Err(Error::Mirror { location: self.store.location() });
        }
        let was_seen = self.history.seen().is_some_and(|seen| seen.to_the_end);
        if !was_seen && !self.end_is_known.load(Ordering::Relaxed) {
            log::expect_end(&*self.store, self.state.next(), self.far())?;
            self.end_is_known.store(true, Ordering::Relaxed);
        }
        self.may_append.store(true, Ordering::Relaxed);
        Ok(())
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
