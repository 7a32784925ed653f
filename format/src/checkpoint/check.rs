//! The rules that the lists of a checkpoint keep.

use super::{Checkpoint, SessionState, SnapshotRow};
use crate::error::{Result, malformed};
use crate::ids::{SessionId, Token};
use crate::limits::{CHECKPOINTS_NAMED, TAGS_MAX, TOKENS_KEPT};
use crate::ordinals::Ordinals;
use crate::table::{Row, Table};
use std::collections::HashSet;

impl Checkpoint {
    /// Fails unless its lists are in order and name only what is in it.
    ///
    /// # Errors
    /// [`FormatError::Malformed`](crate::FormatError::Malformed).
    pub fn check(&self) -> Result<()> {
        self.in_order()?;
        self.in_time()?;
        self.sets()?;
        if self.tokens.len() > TOKENS_KEPT || self.named.len() > CHECKPOINTS_NAMED {
            return Err(malformed(WHAT, "a list that is too long"));
        }
        if !is_distinct(&self.packs, 32) || !is_distinct::<Token>(&self.tokens, 16) {
            return Err(malformed(WHAT, "something that is there twice"));
        }
        Ok(())
    }

    fn in_order(&self) -> Result<()> {
        let sessions = self.sessions.raw().is_sorted_by(|a, b| a[..16] < b[..16]);
        if !sessions
            || !self.writers.is_sorted_by(|a, b| a.entry.key.writer() < b.entry.key.writer())
            || !self.snapshots.is_sorted_by(|a, b| a.seq < b.seq)
            || !self.holds.is_sorted_by(|a, b| a.session < b.session)
            || !self.append.is_sorted_by(|a, b| a < b)
            || !self.collect.is_sorted_by(|a, b| a < b)
            || !self.snapshots.iter().all(has_tags_in_order)
        {
            return Err(malformed(WHAT, "a list is not in order"));
        }
        let mut segments = HashSet::new();
        let mut snapshots = HashSet::new();
        if !self.segments.iter().all(|s| segments.insert(s.id))
            || !self.snapshots.iter().all(|s| snapshots.insert(s.id))
        {
            return Err(malformed(WHAT, "something that is there twice"));
        }
        Ok(())
    }

    /// Whether nothing is of an entry behind the last one folded.
    fn in_time(&self) -> Result<()> {
        if self.snapshots.iter().any(|s| s.seq > self.seq)
            || self.sessions.iter().any(|s| s.seq > self.seq)
            || self.writers.iter().any(|w| w.seq > self.seq)
            || self.named.iter().any(|c| c.at >= self.seq)
        {
            return Err(malformed(WHAT, "something that was made later"));
        }
        Ok(())
    }

    fn sets(&self) -> Result<()> {
        let packs = self.packs.len();
        let is_within = |set: &Ordinals| set.last().is_none_or(|last| (last as usize) < packs);
        let mut sets =
            self.snapshots.iter().map(|s| &s.set).chain(self.holds.iter().map(|h| &h.set));
        if !sets.all(is_within) {
            return Err(malformed(WHAT, "a pack set with packs that are not in it"));
        }
        let open: HashSet<SessionId> = self
            .sessions
            .iter()
            .filter_map(|s| (s.state == SessionState::Open).then_some(s.id))
            .collect();
        if self.holds.iter().any(|h| h.set.is_empty() || !open.contains(&h.session)) {
            return Err(malformed(WHAT, "a hold of no open session"));
        }
        Ok(())
    }
}

const WHAT: &str = "checkpoint";

fn has_tags_in_order(snapshot: &SnapshotRow) -> bool {
    let SnapshotRow { added, removed, .. } = snapshot;
    let is_list = |tags: &[String]| tags.len() <= TAGS_MAX && tags.is_sorted_by(|a, b| a < b);
    let is_both = |tag: &String| removed.binary_search(tag).is_ok();
    is_list(added) && is_list(removed) && !added.iter().any(is_both)
}

/// Whether no two rows have the same id, which they begin with.
fn is_distinct<R: Row>(table: &Table<R>, id: usize) -> bool {
    let mut ids: Vec<&[u8]> = table.raw().map(|row| &row[..id]).collect();
    ids.sort_unstable();
    ids.is_sorted_by(|a, b| a < b)
}
