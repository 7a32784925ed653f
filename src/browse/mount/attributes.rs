//! What `stat` says of a thing.

use esker_format::content::{Content, Item};
use esker_format::node::{Node, NodeKind, Time};

/// Bytes in which the system counts what a file takes.
const BLOCK: u64 = 512;

/// Attributes of an inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Its number.
    pub inode: u64,
    /// What it is. Streams and images are files here.
    pub kind: NodeKind,
    /// Permission bits.
    pub mode: u32,
    /// Names that it has; 1 for directories, which says that theirs are not counted.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last modification.
    pub mtime: Time,
    /// Bytes.
    pub size: u64,
    /// What it takes, in blocks of 512 bytes: less than its size where it has holes, or may have some, so that
    /// programs look for them.
    pub blocks: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

impl Attributes {
    /// Of a node, which has so many names.
    pub fn of(node: &Node, inode: u64, links: u32) -> Self {
        let kind = match node.kind {
            NodeKind::Stream | NodeKind::Image => NodeKind::File,
            kind => kind,
        };
        let size = match &node.target {
            Some(target) => target.len() as u64,
            None => node.len(),
        };
        Self {
            inode,
            kind,
            mode: node.mode,
            links,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            size,
            blocks: taken(node).div_ceil(BLOCK),
            device: node.device.unwrap_or_default(),
        }
    }

    /// Of a file that a node does not say, in place of which its owner and time stand.
    pub fn file(node: &Node, inode: u64, size: u64) -> Self {
        let blocks = perhaps_less(size).div_ceil(BLOCK);
        let mode = node.mode & !0o111;
        Self { kind: NodeKind::File, size, blocks, mode, ..Self::of(node, inode, 1) }
    }

    /// Of a directory that nobody saved.
    pub const fn directory(inode: u64, owner: (u32, u32), mtime: Time) -> Self {
        let (uid, gid) = owner;
        Self {
            inode,
            kind: NodeKind::Directory,
            mode: 0o755,
            links: 1,
            uid,
            gid,
            mtime,
            size: 0,
            blocks: 0,
            device: (0, 0),
        }
    }

    /// Of a link that nobody saved.
    pub const fn link(inode: u64, owner: (u32, u32), mtime: Time, target: &str) -> Self {
        let this = Self::directory(inode, owner, mtime);
        Self { kind: NodeKind::Symlink, mode: 0o777, size: target.len() as u64, ..this }
    }
}

impl Attributes {
    /// The same of a file of which so many bytes are no holes.
    #[must_use]
    pub const fn with_taken(self, taken: u64) -> Self {
        Self { blocks: taken.div_ceil(BLOCK), ..self }
    }
}

/// What a file takes of which nobody knows whether it has holes.
const fn perhaps_less(len: u64) -> u64 {
    // A file without blocks would have nothing but a hole.
    if len > BLOCK { len - BLOCK } else { len }
}

/// Bytes of a file that are no holes, where its node has them all.
fn taken(node: &Node) -> u64 {
    match &node.content {
        Some(Content::Items(items)) => {
            let is_there = |item: &&Item| !matches!(item, Item::Hole(_) | Item::Zero(_));
            items.iter().filter(is_there).map(Item::len).sum()
        }
        Some(Content::List(_)) => perhaps_less(node.len()),
        _ if node.kind == NodeKind::Directory => 0,
        _ => node.len(),
    }
}
