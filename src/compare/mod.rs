//! A snapshot compared with the file system as it is now.
//!
//! The path map and the walk come in the same order, so that both are gone through once, side by
//! side, whatever their size. Files are compared by what the file system says of them, and when
//! asked by their bytes: these are cut where the snapshot was, so that no chunk is fetched.

mod content;
mod disk;
mod saved;

use crate::repository::difference::{Bytes, Change, Difference, Part, Ways, change, parts};
use crate::repository::{Chunks, Error, Repository, Result, xattrs};
use crate::source::{self, MetadataError, Owners, Skip, Subject};
use disk::{Disk, OnDisk};
use esker_format::ids::LinkGroup;
use esker_format::key::ScopeKeys;
use esker_format::node::{Node, NodeKind};
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;
use rustix::fs::SeekFrom;
use saved::{InMap, Saved};
use std::cmp::Ordering;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

/// What to compare.
pub struct Request<'r> {
    /// The snapshot.
    pub manifest: &'r Manifest,
    /// Its scope.
    pub scope: u32,
    /// The path in it; all when there is none.
    pub path: Option<&'r MapKey>,
    /// The path of the file system that stands for that; none for the same path.
    pub place: Option<&'r Path>,
    /// Whether files are read, and their attributes too.
    pub content: bool,
    /// What was not saved on purpose.
    pub skip: Vec<Skip>,
    /// Threads that help to walk.
    pub threads: usize,
}

/// What a comparison meets.
#[derive(Debug)]
pub enum Step {
    /// A difference; the file system is the new side.
    Difference(Box<Difference>),
    /// Something that the snapshot has lost.
    Lost {
        /// The first path.
        first: MapKey,
        /// How many there are.
        entries: u64,
        /// Why.
        error: Error,
    },
    /// Something on disk that cannot be looked at, by its path in the snapshot.
    Problem(MapKey, String),
}

/// A running comparison.
pub struct Live {
    keys: Arc<ScopeKeys>,
    saved: Saved,
    disk: Disk,
    owners: Owners,
    ways: Ways,
    content: bool,
    buffer: Vec<u8>,
    chunks: Chunks,
}

/// Memory for frames of pages, bytes.
const BUDGET: usize = 8 << 20;

impl Live {
    /// Begins to compare.
    ///
    /// # Errors
    /// When the index database fails, or the key is not the owner's.
    pub fn new(repository: &Repository, request: &Request<'_>) -> Result<Self> {
        Ok(Self {
            keys: repository.access().scope_keys_of(request.scope)?,
            saved: Saved::new(request.manifest, request.path),
            disk: Disk::new(request),
            owners: Owners::default(),
            ways: Ways::to(&request.manifest.summary.paths),
            content: request.content,
            buffer: Vec::new(),
            chunks: Chunks::new(repository, request.scope, BUDGET)?,
        })
    }

    /// The next difference, in map order; none at the end.
    ///
    /// # Errors
    /// When store or index fail.
    #[expect(clippy::should_implement_trait, reason = "an iterator would hide that this can wait")]
    pub fn next(&mut self) -> Result<Option<Step>> {
        loop {
            let (saved, found) = (self.saved.peek(&mut self.chunks)?, self.disk.peek());
            let order = match (saved, found) {
                (Some(saved), Some(found)) => Some(saved.cmp(found)),
                (Some(_), None) => Some(Ordering::Less),
                (None, Some(_)) => Some(Ordering::Greater),
                (None, None) => None,
            };
            // What was met while looking ahead comes first.
            if let Some((key, error)) = self.disk.take_problem() {
                return Ok(Some(Step::Problem(key, format!("cannot be listed: {error}"))));
            }
            if let Some((first, entries, error)) = self.saved.take_lost() {
                return Ok(Some(Step::Lost { first, entries, error }));
            }
            let Some(order) = order else { return Ok(None) };
            let saved = if order.is_le() { self.saved.take() } else { None };
            let found = if order.is_ge() { self.disk.take() } else { None };
            if let Some(step) = self.compare(saved, found)? {
                return Ok(Some(step));
            }
        }
    }

    fn compare(&mut self, saved: Option<InMap>, found: Option<OnDisk>) -> Result<Option<Step>> {
        let Some(key) = saved.as_ref().map(|s| &s.key).or(found.as_ref().map(|f| &f.key)) else {
            return Ok(None);
        };
        let key = key.clone();
        let compared = match (saved, found) {
            (Some(saved), Some(found)) => self.both(&key, saved.node, &found),
            (Some(saved), None) if !self.disk.is_unknown(&key) => {
                Ok(Some(one(&key, Some(saved.node), None, Change::Removed)))
            }
            // Snapshots of streams and images do not have all directories that lead to them.
            (None, Some(_)) if self.ways.has(&key) => Ok(None),
            (None, Some(found)) if !self.saved.is_unknown(&key) => {
                self.node(&found).map(|new| Some(one(&key, None, Some(new), Change::Added)))
            }
            _ => Ok(None),
        };
        match compared {
            Ok(difference) => Ok(difference.map(Box::new).map(Step::Difference)),
            Err(Stop::Disk(message)) => Ok(Some(Step::Problem(key, message))),
            Err(Stop::Repository(error)) if error.is_damage() => {
                Ok(Some(Step::Lost { first: key, entries: 1, error }))
            }
            Err(Stop::Repository(error)) => Err(error),
        }
    }

    fn both(
        &mut self,
        key: &MapKey,
        old: Node,
        found: &OnDisk,
    ) -> std::result::Result<Option<Difference>, Stop> {
        let mut new = as_saved(&old, self.node(found)?, self.content);
        // Numbers are what the file system has; and what is not looked at is taken for equal.
        new.user.clone_from(&old.user);
        new.group.clone_from(&old.group);
        new.xattrs.clone_from(&old.xattrs);
        (new.links, new.fidelity) = (old.links, old.fidelity);
        let mut parts = parts(&old, &new);
        self.ways.pass_over(key, &mut parts);
        let bytes = if self.content && old.kind == new.kind {
            // An image has one that tells what is on the disk.
            if old.kind != NodeKind::Image && self.attributes_differ(&old, found)? {
                parts.push(Part::Xattrs);
            }
            self.bytes(&old, &new, found)?
        } else {
            Bytes::Unknown
        };
        Ok(change(&old, &new, bytes, &mut parts)
            .map(|change| Difference { parts, ..one(key, Some(old), Some(new), change) }))
    }

    /// What is on disk, as a node without bytes and attributes.
    fn node(&mut self, found: &OnDisk) -> std::result::Result<Node, Stop> {
        let stat = found.stat.as_ref().map_err(|e| disk(format!("cannot be looked at: {e}")))?;
        let unknown = || disk("is of a kind that nobody knows".to_owned());
        let kind = stat.kind().ok_or_else(unknown)?;
        let no_group = || LinkGroup::new(Default::default());
        let mut node = source::node(stat, kind, &mut self.owners, no_group);
        if kind == NodeKind::File {
            node.size = Some(stat.size);
        }
        if kind == NodeKind::Symlink {
            node.target = Some(source::read_link(found.directory.as_fd(), &found.name)?);
        }
        Ok(node)
    }

    fn attributes_differ(&mut self, old: &Node, found: &OnDisk) -> std::result::Result<bool, Stop> {
        let subject = Subject::Name(found.directory.as_fd(), &found.name);
        Ok(source::xattrs_of(&subject)? != xattrs(&mut self.chunks, old)?)
    }

    fn bytes(
        &mut self,
        old: &Node,
        new: &Node,
        found: &OnDisk,
    ) -> std::result::Result<Bytes, Stop> {
        let has_bytes = matches!(old.kind, NodeKind::File | NodeKind::Image | NodeKind::Stream);
        if !has_bytes || old.size != new.size {
            return Ok(Bytes::Unknown);
        }
        let file = source::open(found.directory.as_fd(), &found.name)?;
        // Only an open disk tells how large it is.
        let end = rustix::fs::seek(file.fd(), SeekFrom::End(0)).map_err(std::io::Error::from)?;
        if Some(end) != old.size {
            return Ok(Bytes::Differ);
        }
        content::compare(&file, old, &mut self.chunks, &self.keys, &mut self.buffer)
    }
}

/// What is on disk as the kind that it was saved as: images and streams come back as files, and an image may be of a
/// disk, of which no time tells whether it has changed.
fn as_saved(old: &Node, mut new: Node, content: bool) -> Node {
    match (old.kind, new.kind) {
        (NodeKind::Image | NodeKind::Stream, NodeKind::File) => new.kind = old.kind,
        (NodeKind::Image, NodeKind::BlockDevice) if content => return old.clone(),
        (NodeKind::Image, NodeKind::BlockDevice) => new = Node { mtime: new.mtime, ..old.clone() },
        _ => {}
    }
    new
}

/// What stops the comparison of one path.
enum Stop {
    /// Store, index, or a page that is lost.
    Repository(Error),
    /// The file system, in words that follow the path.
    Disk(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Repository(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        disk(format!("cannot be read: {error}"))
    }
}

impl From<MetadataError> for Stop {
    fn from(error: MetadataError) -> Self {
        disk(format!("is there, but: {error}: {}", error.source))
    }
}

const fn disk(message: String) -> Stop {
    Stop::Disk(message)
}

/// A difference without parts.
fn one(key: &MapKey, old: Option<Node>, new: Option<Node>, change: Change) -> Difference {
    Difference { key: key.clone(), old, new, change, parts: Vec::new() }
}
