//! A file that is there while another content is put in its place.

use crate::restore::outcome::Outcome;
use crate::restore::tree::{NewFile, Seen};
use esker_format::node::Node;
use esker_format::path::MapKey;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files from this size on are changed where they are, bytes. Below it, taking over what is equal
/// costs a moment and some room; above, it would cost seconds and as much room again.
pub const IN_PLACE_MIN: u64 = 64 << 20;

/// What is known of the file that is there, or that nothing is.
#[derive(Debug)]
pub struct Base {
    /// What was seen; none when nothing has the name.
    pub seen: Option<Seen>,
    /// Something else has the name, and goes when the file is done.
    pub is_other: bool,
    /// It may be changed where it is.
    pub in_place: bool,
    /// Other names of it are not of this file: even when it is equal, a new one is made.
    pub split: bool,
    differs: AtomicBool,
    ranges: Mutex<Ranges>,
    open: Mutex<Option<Arc<File>>>,
}

/// Ranges of the file, each from and to, in any order.
#[derive(Debug, Default)]
pub struct Ranges {
    /// Equal to the snapshot, bytes.
    pub equal: Vec<(u64, u64)>,
    /// Zero in the snapshot and something else here; and whether they are a hole there.
    pub clear: Vec<(u64, u64, bool)>,
    /// A hole in the snapshot, and zeros that take space here.
    pub solid: Vec<(u64, u64)>,
}

impl Base {
    /// A file whose content is yet to be compared.
    pub fn to_compare(seen: Seen) -> Self {
        Self::new(Some(seen), false)
    }

    /// Nothing that could be taken over is there.
    pub fn other(seen: Option<Seen>) -> Self {
        Self { is_other: seen.is_some(), ..Self::new(seen, true) }
    }

    fn new(seen: Option<Seen>, differs: bool) -> Self {
        let (ranges, open) = Default::default();
        let differs = AtomicBool::new(differs);
        Self { seen, is_other: false, in_place: false, split: false, differs, ranges, open }
    }

    /// The open file; none when it cannot be read, and then all of it counts as different.
    pub fn file(&self, outcome: &Outcome, key: &MapKey) -> Option<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            let seen = self.seen.as_ref()?;
            *open = outcome.tree.open_file(key, seen).ok().map(Arc::new);
        }
        open.clone()
    }

    /// Closes it, until it is asked for again.
    pub fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Remembers that some of it is not as in the snapshot.
    pub fn differ(&self) {
        self.differs.store(true, Relaxed);
    }

    /// Whether some of the bytes, or their number, is not as in the snapshot.
    pub fn differs(&self, node: &Node) -> bool {
        self.differs.load(Relaxed) || self.seen.is_none_or(|seen| seen.size != node.len())
    }

    /// What was found out about it.
    pub fn ranges(&self) -> MutexGuard<'_, Ranges> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has changed it since it was looked at.
    pub fn is_untouched(&self, outcome: &Outcome, key: &MapKey) -> bool {
        match (outcome.tree.look(key), &self.seen) {
            (Ok(Some(now)), Some(seen)) => seen.is_untouched(&now),
            (Ok(None), None) => true,
            _ => false,
        }
    }

    /// Takes over what is equal into the new file.
    pub fn take_over(&self, outcome: &Outcome, key: &MapKey, new: &NewFile) -> bool {
        let mut ranges = std::mem::take(&mut self.ranges().equal);
        if ranges.is_empty() {
            return true;
        }
        let Some(file) = self.file(outcome, key) else {
            outcome.changed_meanwhile(key);
            return false;
        };
        join(&mut ranges);
        for (from, to) in ranges {
            if let Err(error) = new.take_over(&file, from, to - from) {
                outcome.problem(error);
                return false;
            }
        }
        let untouched = self.is_untouched(outcome, key);
        if !untouched {
            outcome.changed_meanwhile(key);
        }
        untouched
    }
}

/// Puts ranges in order and joins those that touch.
fn join(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let touches = next.0 == last.1;
        if touches {
            last.1 = next.1;
        }
        touches
    });
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = vec![(8, 9), (0, 4), (4, 6), (9, 12)];
        join(&mut ranges);
        assert_eq!(ranges, [(0, 6), (8, 12)]);
    }
}
