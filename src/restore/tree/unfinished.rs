//! Directories that were made and do not have their metadata yet.

use crate::restore::metadata::{Born, Wanted};
use esker_format::node::Xattr;
use esker_format::path::MapKey;
use std::sync::{Arc, Mutex, PoisonError};

/// A directory that gets its metadata at the end. There is one for each directory of the
/// snapshot, so it is kept small: about 100 bytes and the name.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub parent: Arc<[u8]>,
    pub name: Box<[u8]>,
    pub wanted: Wanted,
    pub born: Born,
    pub xattrs: Box<[Xattr]>,
    /// It was there before, with metadata of its own.
    pub was_there: bool,
}

impl Unfinished {
    pub(super) const fn is_target(&self) -> bool {
        self.name.is_empty()
    }

    pub(super) fn key(&self) -> MapKey {
        MapKey { parent: self.parent.to_vec(), name: self.name.to_vec() }
    }
}

#[derive(Debug, Default)]
pub(super) struct UnfinishedDirectories(Mutex<Vec<Unfinished>>);

impl UnfinishedDirectories {
    pub(super) fn remember(&self, key: &MapKey, wanted: Wanted, born: Born, xattrs: &[Xattr]) {
        self.push(key, wanted, born, xattrs, false);
    }

    /// A directory that was there.
    pub(super) fn adopt(&self, key: &MapKey, wanted: Wanted, xattrs: &[Xattr]) {
        self.push(key, wanted, Born::default(), xattrs, true);
    }

    fn push(&self, key: &MapKey, wanted: Wanted, born: Born, xattrs: &[Xattr], was_there: bool) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Siblings come in a row and share the path of their parent.
        let parent = match list.last() {
            Some(last) if *last.parent == *key.parent => Arc::clone(&last.parent),
            _ => Arc::from(&*key.parent),
        };
        let (name, xattrs) = (Box::from(&*key.name), Box::from(xattrs));
        list.push(Unfinished { parent, name, wanted, born, xattrs, was_there });
    }

    /// Map order backwards: whatever lies below a directory comes before it.
    pub(super) fn take_deepest_first(&self) -> Vec<Unfinished> {
        let mut list = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        list.sort_unstable_by(|a, b| (&b.parent, &b.name).cmp(&(&a.parent, &a.name)));
        list
    }
}
