//! Counting what a snapshot has, and how it compares with its base.

use crate::pipeline::base::{BaseEntries, Compared, is_root};
use crate::pipeline::known::Versus;
use crate::pipeline::leaf_counts::{LeafCounts, state};
use crate::repository::Chunks;
use esker_format::ids::LinkGroup;
use esker_format::node::{Node, NodeKind};
use esker_format::page::Entry;
use esker_format::snapshot::Counts;
use std::collections::HashMap;

/// Counts entries as they come.
pub struct Counting {
    counts: Counts,
    /// The map of the base, where the file table cannot tell how entries compare with it.
    base: Option<(BaseEntries, Chunks)>,
    /// What has several names, and its state under the first of them.
    links: HashMap<LinkGroup, u64>,
    /// Bytes of all entries as pages count them: hard links each time.
    bytes: u64,
}

impl Counting {
    /// Nothing yet.
    pub fn new(base: Option<(BaseEntries, Chunks)>) -> Self {
        Self { counts: Counts::default(), base, links: HashMap::new(), bytes: 0 }
    }

    /// Makes room for the bytes of an entry; false when a snapshot cannot have so many.
    pub fn takes(&mut self, node: &Node) -> bool {
        // Holes cost nothing, so that a few files can say more than there are numbers.
        let Some(bytes) = self.bytes.checked_add(node.len()) else { return false };
        self.bytes = bytes;
        true
    }

    /// Whether this can be a further name of what its group stands for. The number of an inode can
    /// be given to another file while the walk goes on, and files change meanwhile.
    pub fn is_of_its_group(&self, node: &Node) -> bool {
        let first = node.links.and_then(|group| self.links.get(&group));
        first.is_none_or(|first| *first == state(node))
    }

    /// Counts an entry; returns how it compares with the base, and how long it was there.
    pub fn entry(&mut self, entry: &Entry, versus: &Versus) -> (Compared, Option<u64>) {
        let (compared, old) = match versus {
            Versus::Unknown => self.compare(entry),
            Versus::New => (Compared::New, None),
            Versus::Same => (Compared::Same, Some(entry.node.len())),
            Versus::Old(old) if **old == entry.node => (Compared::Same, Some(old.len())),
            Versus::Old(old) => (Compared::Changed, Some(old.len())),
        };
        if is_root(&entry.key) {
            return (compared, old);
        }
        match compared {
            Compared::New => self.counts.new += 1,
            Compared::Changed => self.counts.changed += 1,
            Compared::Same => self.counts.unchanged += 1,
        }
        let Node { kind, links, .. } = &entry.node;
        match kind {
            NodeKind::Directory => self.counts.directories += 1,
            NodeKind::File | NodeKind::Stream | NodeKind::Image => self.counts.files += 1,
            _ => self.counts.others += 1,
        }
        let is_first = |group| self.links.insert(group, state(&entry.node)).is_none();
        if links.is_none_or(is_first) {
            self.counts.bytes += entry.node.len();
        }
        (compared, old)
    }

    /// Counts a leaf of which nothing has changed.
    pub fn leaf(&mut self, leaf: &LeafCounts, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        let counts = &mut self.counts;
        counts.files += leaf.files;
        counts.directories += leaf.directories;
        counts.others += leaf.others;
        counts.unchanged += leaf.files + leaf.directories + leaf.others;
        counts.bytes += leaf.bytes;
        for linked in &leaf.links {
            if self.links.insert(linked.group, linked.state).is_none() {
                counts.bytes += linked.len;
            }
        }
    }

    /// Counts entries of the base that are not there any more.
    pub fn gone(&mut self, gone: u64) {
        self.counts.removed += gone;
    }

    /// All counts, once every entry has come.
    pub fn finish(mut self) -> Counts {
        if let Some((base, chunks)) = &mut self.base {
            self.counts.removed += base.rest(chunks);
        }
        self.counts
    }

    fn compare(&mut self, entry: &Entry) -> (Compared, Option<u64>) {
        let Some((base, chunks)) = &mut self.base else { return (Compared::New, None) };
        let (compared, old, gone) = base.compare(entry, chunks);
        self.counts.removed += gone;
        (compared, old)
    }
}
