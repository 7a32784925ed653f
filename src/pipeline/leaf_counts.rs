//! What a leaf of the path map adds to the counts of a snapshot.

use crate::pipeline::mark::Mark;
use esker_format::ids::LinkGroup;
use esker_format::node::{Node, NodeKind};
use esker_format::page::Entry;

/// What a leaf adds to the counts of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafCounts {
    /// Entries.
    pub entries: u32,
    /// Bytes of their keys, each with its whole parent.
    pub key_bytes: u64,
    /// Files, directories and others, without the root of the file system.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Everything else.
    pub others: u64,
    /// Bytes of files with one name.
    pub bytes: u64,
    /// Whether every mark is sure.
    pub is_sure: bool,
    /// What has several names.
    pub links: Vec<Linked>,
}

/// One name of something that has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linked {
    /// Its group.
    pub group: LinkGroup,
    /// Bytes of its content.
    pub len: u64,
    /// Stands for what the file system said of it.
    pub state: u64,
}

/// Stands for what the file system says of a node: two names of one file have the same.
pub fn state(node: &Node) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&node.len().to_le_bytes());
    hasher.update(&node.mtime.seconds.to_le_bytes());
    for number in [node.mtime.nanos, node.mode, node.uid, node.gid] {
        hasher.update(&number.to_le_bytes());
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}

impl LeafCounts {
    /// The counts of a leaf.
    pub fn of<'m>(entries: &[Entry], marks: impl Iterator<Item = &'m Mark>) -> Self {
        let mut counts = Self { is_sure: true, ..Self::default() };
        for (entry, mark) in entries.iter().zip(marks) {
            counts.entries += 1;
            counts.key_bytes += (entry.key.parent.len() + entry.key.name.len()) as u64;
            counts.is_sure &= mark.is_sure;
            if !entry.key.name.is_empty() {
                counts.add(&entry.node);
            }
        }
        counts
    }

    fn add(&mut self, node: &Node) {
        match node.kind {
            NodeKind::Directory => self.directories += 1,
            NodeKind::File | NodeKind::Stream | NodeKind::Image => self.files += 1,
            _ => self.others += 1,
        }
        match node.links {
            Some(group) => self.links.push(Linked { group, len: node.len(), state: state(node) }),
            None => self.bytes = self.bytes.saturating_add(node.len()),
        }
    }
}
