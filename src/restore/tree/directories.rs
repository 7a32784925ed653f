//! Open directories below the target, found component by component and kept while in use.

use super::error::Attempt;
use esker_format::path::check_parent;
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// An open directory below the target.
pub type Dir = Arc<OwnedFd>;

/// Directories kept open at most. Descriptors are few (1,024 by default), and nodes come in map
/// order, so that a directory is asked for by all its children in a row.
const KEPT_MAX: usize = 256;
/// Ancestors that are looked for among the kept ones, and kept after a walk from the target:
/// bounds the work for a tree of thousands of levels, whose paths are long to hash and copy.
const NEAR: usize = 64;

/// How every directory is opened: a symlink in its place is an error, never followed.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The target and the directories below it that are open.
#[derive(Debug)]
pub(super) struct Directories {
    target: Dir,
    kept: Mutex<Kept>,
}

/// Two generations: when the young one is full it becomes the old one, which is dropped. What was
/// asked for since then is young again.
#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Vec<u8>, Dir>,
    old: HashMap<Vec<u8>, Dir>,
}

impl Directories {
    pub(super) fn new(target: OwnedFd) -> Self {
        Self { target: Arc::new(target), kept: Mutex::default() }
    }

    pub(super) fn target(&self) -> &Dir {
        &self.target
    }

    /// Opens the directory that is the parent `parent` of a map key.
    pub(super) fn open(&self, parent: &[u8]) -> Attempt<Dir> {
        if parent.is_empty() {
            return Ok(Arc::clone(&self.target));
        }
        if let Some(dir) = self.kept(parent) {
            return Ok(dir);
        }
        check_parent(parent)?;
        self.walk(parent)
    }

    /// Opens one component after the other, from the nearest ancestor that is open.
    fn walk(&self, parent: &[u8]) -> Attempt<Dir> {
        let nul = |(at, byte): (usize, &u8)| (*byte == 0).then_some(at);
        let mut ends: Vec<usize> = parent.iter().enumerate().filter_map(nul).collect();
        ends.push(parent.len());
        let nearest = (1..ends.len())
            .rev()
            .take(NEAR)
            .find_map(|depth| self.kept(&parent[..ends[depth - 1]]).map(|dir| (depth, dir)));
        let (start, mut dir) = nearest.unwrap_or((0, Arc::clone(&self.target)));
        for depth in start..ends.len() {
            let from = if depth == 0 { 0 } else { ends[depth - 1] + 1 };
            let name = &parent[from..ends[depth]];
            dir = Arc::new(rustix::fs::openat(&*dir, name, DIRECTORY, Mode::empty())?);
            if ends.len() - depth <= NEAR {
                self.keep(&parent[..ends[depth]], &dir);
            }
        }
        Ok(dir)
    }

    fn kept(&self, parent: &[u8]) -> Option<Dir> {
        self.lock().find(parent)
    }

    fn keep(&self, parent: &[u8], dir: &Dir) {
        self.lock().insert(parent.to_vec(), Arc::clone(dir));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Each change of the maps is whole, so a panic elsewhere leaves nothing half done here.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, parent: &[u8]) -> Option<Dir> {
        if let Some(dir) = self.young.get(parent) {
            return Some(Arc::clone(dir));
        }
        let (parent, dir) = self.old.remove_entry(parent)?;
        self.insert(parent, Arc::clone(&dir));
        Some(dir)
    }

    fn insert(&mut self, parent: Vec<u8>, dir: Dir) {
        if self.young.len() >= KEPT_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(parent, dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_directories_stay_open() {
        let dir: Dir = Arc::new(std::fs::File::open("/").unwrap().into());
        let mut kept = Kept::default();
        for number in 0..10_000u32 {
            kept.insert(number.to_be_bytes().to_vec(), Arc::clone(&dir));
            assert!(kept.find(&0u32.to_be_bytes()).is_some(), "in use all the time");
            assert!(kept.young.len() + kept.old.len() <= KEPT_MAX);
        }
        assert!(kept.find(&5000u32.to_be_bytes()).is_none());
    }
}
