//! Words for what nodes are.

use esker_format::node::{Fidelity, Node, NodeKind};
use serde::Serialize;

/// What a node looks like, for JSON.
#[derive(Serialize)]
pub struct Looks {
    kind: &'static str,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: String,
    size: Option<u64>,
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_hex: Option<String>,
}

impl Looks {
    /// Of this node.
    pub fn of(node: &Node) -> Self {
        Self {
            kind: kind_word(node.kind),
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: super::utc(node.mtime),
            size: node.size,
            target: node.target.as_ref().map(|target| super::json_name(target)),
            target_hex: node.target.as_ref().and_then(|target| super::json_hex(target)),
        }
    }
}

/// Kind and permission bits as `ls -l` has them.
pub fn bits(kind: NodeKind, mode: u32) -> String {
    let mut text = String::with_capacity(10);
    text.push(match kind {
        NodeKind::Directory => 'd',
        NodeKind::File | NodeKind::Stream | NodeKind::Image => '-',
        NodeKind::Symlink => 'l',
        NodeKind::Fifo => 'p',
        NodeKind::Socket => 's',
        NodeKind::BlockDevice => 'b',
        NodeKind::CharDevice => 'c',
    });
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// The word for a kind.
pub const fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Directory => "directory",
        NodeKind::File => "file",
        NodeKind::Symlink => "symlink",
        NodeKind::Fifo => "fifo",
        NodeKind::Socket => "socket",
        NodeKind::BlockDevice => "block-device",
        NodeKind::CharDevice => "char-device",
        NodeKind::Stream => "stream",
        NodeKind::Image => "image",
    }
}

/// The word for how far what is stored is what was there.
pub const fn fidelity_word(fidelity: Option<Fidelity>) -> &'static str {
    match fidelity {
        None => "complete",
        Some(Fidelity::Changed) => "changed",
        Some(Fidelity::Damaged) => "damaged",
        Some(Fidelity::Grew) => "grew",
        Some(Fidelity::Unreadable) => "unreadable",
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
