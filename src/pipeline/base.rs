//! The snapshot that a run is compared with, and the series that it continues.

use crate::pipeline::new_series;
use crate::repository::{Bounds, Chunks, Found, Map, Repository, Result, Snapshot};
use esker_format::ids::{SeriesId, SnapshotId};
use esker_format::node::Time;
use esker_format::page::{Entry, PageRef};
use esker_format::path::MapKey;
use std::cmp::Ordering;

/// The last snapshot of a series.
pub struct Base {
    /// The series: the base's, or a new one.
    pub series: SeriesId,
    /// The snapshot, when there is one.
    pub snapshot: Option<SnapshotId>,
    /// Whether everything could be saved for it.
    pub is_whole: bool,
    /// In which week it began, counted from 1970.
    pub week: Option<i64>,
}

/// The week of a time, counted from 1970.
pub const fn week(time: Time) -> i64 {
    time.seconds.div_euclid(7 * 86_400)
}

impl Base {
    /// The last snapshot of this host and label that this writer saved and that is not forgotten. The
    /// series goes on even if all of them are. Those of another writer are of another series, whatever
    /// they are called: nobody goes on from what somebody else said.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn find(repository: &Repository, host: &str, label: &str) -> Result<Self> {
        let writer = Some(repository.access().writer);
        let same = |s: &&Snapshot| {
            s.writer == writer && s.summary.host == host && s.summary.label == label
        };
        let all = repository.snapshots()?;
        let of_series = all.iter().rev().filter(same);
        let series = of_series.clone().next().map_or_else(new_series, |s| s.summary.series);
        let last = of_series.clone().find(|s| !s.is_forgotten);
        let is_whole = last.is_some_and(|s| s.summary.problems == 0);
        let week = last.map(|s| week(s.summary.start));
        Ok(Self { series, snapshot: last.map(|s| s.id), is_whole, week })
    }
}

/// Root page of the path map of a snapshot, and its level.
pub type Root = (PageRef, u8);

/// The root of a snapshot; none when it is empty, damaged or not for this key's eyes.
pub fn root_of(repository: &Repository, snapshot: SnapshotId) -> Option<Root> {
    let manifest = repository.manifest(snapshot).ok()?;
    Some((manifest.root?, manifest.root_level as u8))
}

/// How an entry compares with the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The base does not have it.
    New,
    /// The base has another.
    Changed,
    /// The base has the same.
    Same,
}

/// The entries of the base, in step with the new ones. What cannot be read of it is a worse
/// comparison, and never an error.
pub struct BaseEntries {
    map: Map,
    next: Option<Entry>,
    over: bool,
}

impl BaseEntries {
    /// All entries below a root.
    pub fn new(root: &Root) -> Self {
        Self { map: Map::new(Some((&root.0, root.1)), Bounds::All), next: None, over: false }
    }

    /// Compares an entry; also returns how long it was in the base, and how many of that were
    /// passed because they are gone.
    pub fn compare(&mut self, entry: &Entry, chunks: &mut Chunks) -> (Compared, Option<u64>, u64) {
        let mut gone = 0;
        loop {
            self.fill(chunks);
            let Some(old) = &self.next else { return (Compared::New, None, gone) };
            match old.key.cmp(&entry.key) {
                Ordering::Less => {
                    gone += 1;
                    self.next = None;
                }
                Ordering::Greater => return (Compared::New, None, gone),
                Ordering::Equal => {
                    let (same, len) = (old.node == entry.node, old.node.len());
                    self.next = None;
                    let compared = if same { Compared::Same } else { Compared::Changed };
                    return (compared, Some(len), gone);
                }
            }
        }
    }

    /// Entries of the base behind the last new one.
    pub fn rest(&mut self, chunks: &mut Chunks) -> u64 {
        let mut gone = 0;
        loop {
            self.fill(chunks);
            if self.next.take().is_none() {
                return gone;
            }
            gone += 1;
        }
    }

    fn fill(&mut self, chunks: &mut Chunks) {
        while self.next.is_none() && !self.over {
            match self.map.next(chunks) {
                Ok(Some(Found::Entry(entry))) => self.next = Some(*entry),
                Ok(Some(Found::Lost { .. })) => {}
                // The base is only counted with: a store that does not give its pages is no reason
                // to save nothing.
                Ok(None) | Err(_) => self.over = true,
            }
        }
    }
}

/// The key of the root, for counts that leave it out.
pub fn is_root(key: &MapKey) -> bool {
    *key == MapKey::root()
}
