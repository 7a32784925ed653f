//! What a disk comes down to: bytes of a file, or of a disk that nothing is below. Partitions and loop devices
//! are names for parts of something else, and two of them may be names for the same bytes.

use super::kernel::{Kernel, Number};
use super::loops;
use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What has bytes: a block device, or a file by device and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A block device.
    Device(Number),
    /// A file: the number of its file system, and its own.
    File(u64, u64),
}

impl Thing {
    /// What is at a path.
    pub fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::of)
    }

    /// What this is told of.
    pub fn of(found: &Metadata) -> Self {
        match found.file_type().is_block_device() {
            true => Self::Device(Number::of(found.rdev())),
            false => Self::File(found.dev(), found.ino()),
        }
    }
}

/// Span of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Of what.
    pub of: Thing,
    /// Which.
    pub range: Range<u64>,
}

impl Span {
    /// So many from `start` on; all that there are when `len` is 0.
    pub const fn of(of: Thing, start: u64, len: u64) -> Self {
        let end = if len == 0 { u64::MAX } else { start.saturating_add(len) };
        Self { of, range: start..end }
    }

    /// Whether they have some in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.of == other.of
            && self.range.start < other.range.end
            && other.range.start < self.range.end
    }

    /// Those of this which a thing that shows them calls `range`.
    fn part(&self, range: &Range<u64>) -> Range<u64> {
        let at = |byte: u64| self.range.start.saturating_add(byte).min(self.range.end);
        at(range.start)..at(range.end)
    }
}

/// How deep things may lie on each other before nobody looks further.
const DEPTH_MAX: usize = 16;

/// A thing, and all that it is only another name for, with the bytes of each that it is made of: the last is
/// what it comes down to.
pub fn chain(kernel: &Kernel, thing: Thing) -> Vec<Span> {
    let mut chain = vec![Span::of(thing, 0, 0)];
    while let Some(Span { of: Thing::Device(device), range }) = chain.last()
        && chain.len() < DEPTH_MAX
        && let Some(below) = kernel.part_of(*device).or_else(|| loops::shown(kernel, *device))
    {
        let range = below.part(range);
        chain.push(Span { of: below.of, range });
    }
    chain
}

/// What a thing comes down to.
pub fn ground(kernel: &Kernel, thing: Thing) -> Span {
    chain(kernel, thing).pop().unwrap_or(Span::of(thing, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::usage::tests::Fake;

    #[test]
    fn a_partition_of_a_loop_device_is_a_part_of_its_file() {
        let fake = Fake::new();
        let file = fake.folder().join("disk.img");
        fs::write(&file, b"image").unwrap();
        let (whole, part) = (Number(7, 0), Number(259, 0));
        fake.device("loop0", whole, None);
        fake.device("loop0/loop0p1", part, Some(1));
        fake.write("sys/devices/loop0/loop0p1/start", "8\n");
        fake.write("sys/devices/loop0/loop0p1/size", "4\n");
        fake.backing_file(whole, &file);
        fake.write("sys/devices/loop0/loop/offset", "512\n");
        fake.write("sys/devices/loop0/loop/sizelimit", "5120\n");
        let file = Thing::at(&file).unwrap();
        let chain = chain(&fake.kernel(), Thing::Device(part));
        let whole = Span { of: Thing::Device(whole), range: 4096..6144 };
        // The device ends before its partition does.
        let ground = Span { of: file, range: 4608..5632 };
        assert_eq!(chain[1..], [whole, ground]);
    }

    #[test]
    fn bytes_of_one_thing_overlap_where_they_have_some_in_common() {
        let of = |start, len| Span::of(Thing::File(1, 2), start, len);
        assert!(of(0, 0).overlaps(&of(9, 1)) && of(5, 5).overlaps(&of(9, 1)));
        assert!(!of(5, 5).overlaps(&of(10, 1)));
        assert!(!of(0, 0).overlaps(&Span::of(Thing::File(1, 3), 0, 0)));
    }
}
