//! The marks of a leaf as bytes, to be compared with a walk without a look at the leaf itself.
//!
//! ```text
//! head     entries u32, key bytes u64, files u64, directories u64, others u64, bytes u64,
//!          sure u8, links u32, links x (group 16, length u64, state u64)
//! groups   (parent length u32, parent, entries u32, entries x (name length u16, name, mark))
//! ```
//! Numbers are little-endian. They never leave this machine.

use crate::pipeline::leaf_counts::{LeafCounts, Linked};
use crate::pipeline::mark::Mark;
use esker_format::ids::LinkGroup;
use esker_format::node::Time;
use esker_format::page::Entry;

/// Writes the marks of a leaf into `out` (replaced).
pub fn encode(entries: &[Entry], marks: &[Mark], out: &mut Vec<u8>) {
    let counts = LeafCounts::of(entries, marks.iter());
    out.clear();
    out.extend(counts.entries.to_le_bytes());
    for number in [counts.key_bytes, counts.files, counts.directories, counts.others, counts.bytes]
    {
        out.extend(number.to_le_bytes());
    }
    out.push(counts.is_sure.into());
    out.extend((counts.links.len() as u32).to_le_bytes());
    for Linked { group, len, state } in &counts.links {
        out.extend(group.as_bytes());
        out.extend(len.to_le_bytes());
        out.extend(state.to_le_bytes());
    }
    let mut rest = marks.iter();
    for group in entries.chunk_by(|a, b| a.key.parent == b.key.parent) {
        let parent = &group[0].key.parent;
        out.extend((parent.len() as u32).to_le_bytes());
        out.extend(parent);
        out.extend((group.len() as u32).to_le_bytes());
        for (entry, mark) in group.iter().zip(rest.by_ref()) {
            out.extend((entry.key.name.len() as u16).to_le_bytes());
            out.extend(&entry.key.name);
            put(mark, out);
        }
    }
}

fn put(mark: &Mark, out: &mut Vec<u8>) {
    out.push(mark.is_sure.into());
    for number in [mark.size, mark.inode, mark.volume] {
        out.extend(number.to_le_bytes());
    }
    for time in [mark.mtime, mark.ctime] {
        out.extend(time.seconds.to_le_bytes());
        out.extend(time.nanos.to_le_bytes());
    }
    for number in [mark.mode, mark.uid, mark.gid, mark.names] {
        out.extend(number.to_le_bytes());
    }
}

/// Reads the head of a leaf's marks; returns where the groups begin too. None when it is cut short.
pub fn counts(bytes: &[u8]) -> Option<(LeafCounts, usize)> {
    let mut r = Reader { bytes, at: 0 };
    let mut counts = LeafCounts {
        entries: r.u32()?,
        key_bytes: r.u64()?,
        files: r.u64()?,
        directories: r.u64()?,
        others: r.u64()?,
        bytes: r.u64()?,
        is_sure: r.u8()? != 0,
        links: Vec::new(),
    };
    for _ in 0..r.u32()? {
        let group = LinkGroup::new(*r.take(16)?.first_chunk()?);
        counts.links.push(Linked { group, len: r.u64()?, state: r.u64()? });
    }
    Some((counts, r.at))
}

/// Goes through the marks of a leaf.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    at: usize,
    /// Where the parent of the group lies.
    parent: (usize, usize),
    /// Entries of the group still to come.
    left: u32,
}

/// A mark, and the key that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Marked<'m> {
    /// The parent of the entry.
    pub parent: &'m [u8],
    /// Its name.
    pub name: &'m [u8],
    /// Its mark.
    pub mark: Mark,
}

impl Cursor {
    /// The beginning of the groups.
    pub const fn new(at: usize) -> Self {
        Self { at, parent: (0, 0), left: 0 }
    }

    /// The next mark; none at the end, and where the bytes are cut short.
    pub fn next<'m>(&mut self, bytes: &'m [u8]) -> Option<Marked<'m>> {
        let mut r = Reader { bytes, at: self.at };
        while self.left == 0 {
            let len = r.u32()? as usize;
            self.parent = (r.at, len);
            r.take(len)?;
            self.left = r.u32()?;
        }
        let len = usize::from(u16::from_le_bytes(*r.take(2)?.first_chunk()?));
        let name = r.take(len)?;
        let mark = mark(&mut r)?;
        self.left -= 1;
        self.at = r.at;
        let (from, len) = self.parent;
        Some(Marked { parent: &bytes[from..from + len], name, mark })
    }
}

fn mark(r: &mut Reader<'_>) -> Option<Mark> {
    let is_sure = r.u8()? != 0;
    let (size, inode, volume) = (r.u64()?, r.u64()?, r.u64()?);
    let (mtime, ctime) = (r.time()?, r.time()?);
    let (mode, uid, gid, names) = (r.u32()?, r.u32()?, r.u32()?, r.u32()?);
    Some(Mark { is_sure, size, mtime, ctime, inode, volume, mode, uid, gid, names })
}

struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn take(&mut self, len: usize) -> Option<&'m [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }
    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|b| u64::from_le_bytes(*b))
    }
    fn time(&mut self) -> Option<Time> {
        let seconds = self.u64()? as i64;
        Some(Time { seconds, nanos: self.u32()? })
    }
}
