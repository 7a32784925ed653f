//! What an ext4 calls free, by its own bitmaps: blocks that need not be read. Whatever is not understood,
//! or not in order, means that all of it is read.

use super::geometry::Bytes;
use std::ops::Range;

/// Where the superblock begins, and how long it is, bytes.
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_LEN: usize = 1024;
/// Free blocks in a row that are worth to be left out, bytes: less is read along.
const GAP: u64 = 64 << 10;

/// Features without which it cannot be read, and which change nothing about bitmaps: names of types,
/// extents, 64 bits, multiple mount protection, flexible groups, values in inodes, a seed of
/// checksums, large directories, data in inodes, encryption, names without case.
const INCOMPATIBLE: u32 =
    0x2 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
/// The journal has what is not in its place yet.
const TO_RECOVER: u32 = 0x4;
/// Features without which it cannot be written, and which change nothing about bitmaps: few
/// superblocks, large files, trees of names, huge files, checksums of descriptors, many links, large
/// inodes, quotas, checksums of all metadata, read-only, projects, verity, orphans in a file.
const READ_ONLY: u32 = 0x1
    | 0x2
    | 0x4
    | 0x8
    | 0x10
    | 0x20
    | 0x40
    | 0x100
    | 0x400
    | 0x1000
    | 0x2000
    | 0x8000
    | 0x1_0000;
/// Descriptors have checksums, and groups may say that their bitmaps were never written.
const CHECKSUMS: u32 = 0x10 | 0x400;
/// A group's bitmap of blocks was never written.
const UNINITIALIZED: u16 = 0x2;

/// The ranges, in bytes from its beginning, that the ext4 in `len` bytes from `start` on calls free.
///
/// # Errors
/// Why all of it has to be read.
pub fn free(bytes: &dyn Bytes, start: u64, len: u64) -> Result<Vec<Range<u64>>, String> {
    let system = System::read(bytes, start, len)?;
    let (mut used, mut groups) = (Vec::new(), Vec::new());
    used.push(0..system.head());
    for number in 0..system.groups {
        let group = system.group(bytes, number)?;
        used.push(group.bitmap..group.bitmap + 1);
        used.push(group.inode_bitmap..group.inode_bitmap + 1);
        used.push(group.inodes..group.inodes + system.inode_blocks);
        groups.push(group);
    }
    for (number, group) in groups.iter().enumerate() {
        system.used(bytes, number as u64, group, &mut used)?;
    }
    used.sort_by_key(|range| range.start);
    Ok(system.between(&used))
}

/// What features are called of which it is known only that.
const NAMES: [(u32, u32, &str); 9] = [
    (0x1, 0, "compression"),
    (0x8, 0, "journal_dev"),
    (0x10, 0, "meta_bg"),
    (0x1000, 0, "dirdata"),
    (0, 0x80, "snapshot"),
    (0, 0x200, "bigalloc"),
    (0, 0x800, "replica"),
    (0, 0x4000, "shared_blocks"),
    (TO_RECOVER, 0, "needs_recovery"),
];

/// Features by name, and the bits of the others.
fn features((incompatible, read_only): (u32, u32)) -> String {
    let mut rest = (incompatible, read_only);
    let mut words = Vec::new();
    for (first, second, name) in NAMES {
        if rest.0 & first != 0 || rest.1 & second != 0 {
            rest = (rest.0 & !first, rest.1 & !second);
            words.push(name.to_owned());
        }
    }
    for (kind, bits) in [("incompat", rest.0), ("ro_compat", rest.1)] {
        if bits != 0 {
            words.push(format!("{kind} {bits:#x}"));
        }
    }
    words.join(", ")
}

/// The bytes of a superblock, as they are.
pub struct Superblock(pub [u8; SUPERBLOCK_LEN]);

impl Superblock {
    /// That of the file system that begins at `start`.
    ///
    /// # Errors
    /// In words, when it cannot be read.
    pub fn read(bytes: &dyn Bytes, start: u64) -> Result<Self, String> {
        let mut superblock = [0; SUPERBLOCK_LEN];
        let read = bytes.read_at(start + SUPERBLOCK, &mut superblock);
        read.map_err(|error| format!("its superblock cannot be read: {error}"))?;
        Ok(Self(superblock))
    }

    /// The number of two bytes at an offset within it.
    pub const fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// The number of four bytes at an offset within it.
    pub const fn u32(&self, at: usize) -> u32 {
        self.u16(at) as u32 | (self.u16(at + 2) as u32) << 16
    }
}

/// What the superblock says.
struct System {
    start: u64,
    block: u64,
    blocks: u64,
    first: u64,
    per_group: u64,
    groups: u64,
    descriptor: u64,
    /// Blocks of the table of descriptors, and of what is reserved for it.
    table: u64,
    reserved: u64,
    inode_blocks: u64,
    has_checksums: bool,
}

/// What the descriptor of a group says.
struct Group {
    bitmap: u64,
    inode_bitmap: u64,
    inodes: u64,
    free: u64,
    is_uninitialized: bool,
}

impl System {
    fn read(bytes: &dyn Bytes, start: u64, len: u64) -> Result<Self, String> {
        let head = Superblock::read(bytes, start)?;
        let (u16_at, u32_at) = (|at| head.u16(at), |at| head.u32(at));
        let (incompatible, read_only) = (u32_at(96), u32_at(100));
        if incompatible & TO_RECOVER != 0 {
            return Err("its journal is not empty: it was not unmounted".to_owned());
        }
        let unknown = (incompatible & !INCOMPATIBLE, read_only & !READ_ONLY);
        if unknown != (0, 0) {
            return Err(format!("it has features that are not known here: {}", features(unknown)));
        }
        if u16_at(58) != 1 || u32_at(0x194) != 0 {
            return Err("it has errors, or was not unmounted".to_owned());
        }
        let is_64 = incompatible & 0x80 != 0;
        let wrong = || "its superblock makes no sense".to_owned();
        let block = 1024_u64.checked_shl(u32_at(24)).filter(|block| *block <= 64 << 10);
        let block = block.ok_or_else(wrong)?;
        let high = if is_64 { u64::from(u32_at(0x150)) << 32 } else { 0 };
        let blocks = u64::from(u32_at(4)) | high;
        let (first, per_group) = (u64::from(u32_at(20)), u64::from(u32_at(32)));
        let (inodes, inode_size) = (u64::from(u32_at(40)), u64::from(u16_at(88)));
        let descriptor = if is_64 { u64::from(u16_at(254)) } else { 32 };
        let is_sound = (1..=block * 8).contains(&per_group)
            && (32..=1024).contains(&descriptor)
            && blocks > first
            && blocks.checked_mul(block).is_some_and(|bytes| bytes <= len)
            && inode_size.is_power_of_two()
            && inodes <= block * 8;
        if !is_sound {
            return Err(wrong());
        }
        let groups = (blocks - first).div_ceil(per_group);
        Ok(Self {
            start,
            block,
            blocks,
            first,
            per_group,
            groups,
            descriptor,
            table: (groups * descriptor).div_ceil(block),
            reserved: u16_at(206).into(),
            inode_blocks: (inodes * inode_size).div_ceil(block),
            has_checksums: read_only & CHECKSUMS != 0,
        })
    }

    /// Blocks that the first group begins with.
    const fn head(&self) -> u64 {
        self.first + 1 + self.table + self.reserved
    }

    fn group(&self, bytes: &dyn Bytes, number: u64) -> Result<Group, String> {
        let mut read = vec![0; self.descriptor as usize];
        let at = self.start + (self.first + 1) * self.block + number * self.descriptor;
        let wrong = |why: &str| format!("its group {number} {why}");
        bytes.read_at(at, &mut read).map_err(|_| wrong("cannot be read"))?;
        let u16_at =
            |at: usize| read.get(at..at + 2).map_or(0, |b| u64::from(b[0]) | u64::from(b[1]) << 8);
        let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
        let wide = |low: usize, high: usize| u32_at(low) | u32_at(high) << 32;
        let group = Group {
            bitmap: wide(0, 32),
            inode_bitmap: wide(4, 36),
            inodes: wide(8, 40),
            free: u16_at(12) | u16_at(44) << 16,
            is_uninitialized: self.has_checksums && u16_at(18) as u16 & UNINITIALIZED != 0,
        };
        let last = [group.bitmap, group.inode_bitmap, group.inodes + self.inode_blocks - 1];
        if last.iter().any(|block| *block >= self.blocks) {
            return Err(wrong("lies outside"));
        }
        Ok(group)
    }

    /// Adds the blocks of a group that are used.
    fn used(
        &self,
        bytes: &dyn Bytes,
        number: u64,
        group: &Group,
        used: &mut Vec<Range<u64>>,
    ) -> Result<(), String> {
        let begin = self.first + number * self.per_group;
        let count = self.per_group.min(self.blocks - begin);
        if group.is_uninitialized {
            // Only what every group may begin with; its own tables are there already.
            let head = (1 + self.table + self.reserved).min(count);
            used.push(begin..begin + head);
            return Ok(());
        }
        let mut bitmap = vec![0; (self.per_group as usize).div_ceil(8)];
        let read = bytes.read_at(self.start + group.bitmap * self.block, &mut bitmap);
        read.map_err(|_| format!("the bitmap of its group {number} cannot be read"))?;
        let mut free = 0;
        for index in 0..count {
            let is_used = bitmap[(index / 8) as usize] >> (index % 8) & 1 == 1;
            let block = begin + index;
            match used.last_mut() {
                _ if !is_used => free += 1,
                Some(last) if last.end == block => last.end += 1,
                _ => used.push(block..block + 1),
            }
        }
        if free != group.free {
            return Err(format!(
                "the bitmap of its group {number} says that {free} blocks are free, and its descriptor {}",
                group.free
            ));
        }
        Ok(())
    }

    /// What lies between used blocks, in bytes, where it is long enough.
    fn between(&self, used: &[Range<u64>]) -> Vec<Range<u64>> {
        let mut free = Vec::new();
        let mut at = 0;
        let end = self.blocks..self.blocks;
        for range in used.iter().chain([&end]) {
            if range.start > at && (range.start - at) * self.block >= GAP {
                free.push(at * self.block..range.start * self.block);
            }
            at = at.max(range.end);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::features;

    #[test]
    fn features_go_by_their_names_or_by_their_bits() {
        assert_eq!(features((0x10, 0x200)), "meta_bg, bigalloc");
        assert_eq!(
            features((0x8000_0010, 0x4_0000)),
            "meta_bg, incompat 0x80000000, ro_compat 0x40000"
        );
    }
}
