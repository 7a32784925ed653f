//! The other side: what is on disk, under the keys that it would have in the snapshot.

use crate::compare::Request;
use crate::source::{Listed, Outcome, Roots, Stat, Walk};
use esker_format::path::{MapKey, is_below};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// An entry on disk.
pub struct OnDisk {
    pub key: MapKey,
    pub directory: Arc<OwnedFd>,
    pub name: CString,
    pub stat: io::Result<Stat>,
}

/// What is on disk, in map order.
pub struct Disk {
    /// None when there is nothing to look for: a walk without roots would be one of everything.
    walk: Option<Walk>,
    /// Where on disk it begins, and which key of the snapshot that has.
    from: MapKey,
    to: MapKey,
    parent: Arc<[u8]>,
    directory: Option<Arc<OwnedFd>>,
    entries: std::vec::IntoIter<Listed>,
    next: Option<OnDisk>,
    problem: Option<(MapKey, io::Error)>,
    /// Directories that cannot be listed, as the parents of what is in them.
    unlisted: HashSet<Vec<u8>>,
}

impl Disk {
    pub fn new(request: &Request<'_>) -> Self {
        let (from, to, paths) = match (request.place, request.path) {
            (Some(place), path) => {
                (key_of(place.as_os_str()), path.cloned().unwrap_or_default(), vec![place.into()])
            }
            (None, Some(path)) => {
                (path.clone(), path.clone(), vec![PathBuf::from(OsStr::from_bytes(&path.path()))])
            }
            (None, None) => {
                let paths = request.manifest.summary.paths.iter();
                let absolute = paths.filter(|path| path.starts_with(b"/"));
                let paths = absolute.map(|path| PathBuf::from(OsStr::from_bytes(path)));
                (MapKey::root(), MapKey::root(), paths.collect::<Vec<_>>())
            }
        };
        let is_nothing = paths.is_empty();
        let (roots, select) = (Roots::as_they_are(paths), Arc::default());
        let walk =
            (!is_nothing).then(|| Walk::new(&roots, request.skip.clone(), select, request.threads));
        Self {
            walk,
            from,
            to,
            parent: Arc::from(&b""[..]),
            directory: None,
            entries: Vec::new().into_iter(),
            next: None,
            problem: None,
            unlisted: HashSet::new(),
        }
    }

    /// The key of the next entry; none at the end, and where something cannot be listed.
    pub fn peek(&mut self) -> Option<&MapKey> {
        while self.next.is_none() && self.problem.is_none() && self.advance() {}
        self.next.as_ref().map(|next| &next.key)
    }

    /// The entry that was peeked at.
    pub fn take(&mut self) -> Option<OnDisk> {
        self.next.take()
    }

    /// A directory that cannot be listed.
    pub fn take_problem(&mut self) -> Option<(MapKey, io::Error)> {
        self.problem.take()
    }

    /// Whether nobody knows if this is there: it would be in a directory that cannot be listed.
    pub fn is_unknown(&self, key: &MapKey) -> bool {
        if self.unlisted.is_empty() {
            return false;
        }
        let ends = key.parent.iter().enumerate().filter(|(_, b)| **b == 0).map(|(at, _)| at);
        ends.chain([key.parent.len()]).any(|end| self.unlisted.contains(&key.parent[..end]))
    }

    /// Looks at one more thing; false at the end.
    fn advance(&mut self) -> bool {
        if let (Some(listed), Some(directory)) = (self.entries.next(), &self.directory) {
            let key = MapKey { parent: self.parent.to_vec(), name: listed.name.to_bytes().into() };
            // What is gone since, or was never there on the way to a root, is not there.
            let is_gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
            if let Some(key) = self.rekey(&key)
                && !listed.stat.as_ref().is_err_and(is_gone)
            {
                let directory = Arc::clone(directory);
                self.next = Some(OnDisk { key, directory, name: listed.name, stat: listed.stat });
            }
            return true;
        }
        match self.walk.as_mut().and_then(Walk::next) {
            Some(Outcome::Listing(listing)) => {
                self.parent = listing.parent;
                self.directory = Some(listing.directory);
                self.entries = listing.entries.into_iter();
            }
            Some(Outcome::Unlisted(parent, error)) => self.unlisted(&parent, error),
            // Left out of the snapshot too.
            Some(Outcome::LeftOut(..)) => {}
            None => return false,
        }
        true
    }

    fn unlisted(&mut self, parent: &[u8], error: io::Error) {
        // Gone, or something else in its place: then nothing is in it.
        if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
        {
            return;
        }
        let key = MapKey::from_parent(parent);
        let key = self.rekey(&key).unwrap_or_else(|| self.to.clone());
        self.unlisted.insert(key.as_parent());
        self.problem = Some((key, error));
    }

    /// The key in the snapshot of a key on disk; none for what only leads to what is compared.
    fn rekey(&self, key: &MapKey) -> Option<MapKey> {
        if *key == self.from {
            return Some(self.to.clone());
        }
        let from = self.from.as_parent();
        if !key.is_within(&self.from) || !(from.is_empty() || is_below(&key.parent, &from)) {
            return None;
        }
        let rest = &key.parent[from.len()..];
        let rest = rest.strip_prefix(&[0]).unwrap_or(rest);
        let to = self.to.as_parent();
        let parent = match (to.is_empty(), rest.is_empty()) {
            (true, _) => rest.to_vec(),
            (false, true) => to,
            (false, false) => [&to[..], &[0], rest].concat(),
        };
        Some(MapKey { parent, name: key.name.clone() })
    }
}

/// The key of an absolute path of the system.
fn key_of(path: &OsStr) -> MapKey {
    MapKey::from_path(path.as_bytes()).unwrap_or_default()
}
