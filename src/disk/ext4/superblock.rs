//! The superblock of ext2, ext3 and ext4.

use std::ops::Range;

/// Features that change what a used block is, or where it is said, or nothing of that: those that are known here. Of the others (a file system
/// on another one's journal, groups whose descriptors lie elsewhere, clusters, snapshots), all is read.
mod features {
    /// Descriptors of 64 bytes.
    pub const WIDE: u32 = 0x80;
    /// A journal has to be played back first.
    pub const RECOVER: u32 = 0x4;
    /// File types in directories, `RECOVER`, extents, `WIDE`, multiple mount protection, flexible groups, large
    /// attributes, seed of checksums, large directories, data in inodes, encryption, case folding.
    pub const INCOMPATIBLE: u32 = 0x2 | RECOVER | 0x40 | WIDE | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000;
    /// Copies of the superblock in few groups.
    pub const SPARSE: u32 = 0x1;
    /// Inodes without a name wait to be freed.
    pub const ORPHANS: u32 = 0x10000;
    /// `SPARSE`, large files, trees of directories, huge files, checksums of groups, many links, large inodes, quotas,
    /// checksums of all, read-only, projects, verity, `ORPHANS`.
    pub const READ_ONLY: u32 = SPARSE | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x400 | 0x1000 | 0x2000 | 0x8000 | ORPHANS;
    /// Copies of the superblock in two groups at most, which the superblock names.
    pub const SPARSE_2: u32 = 0x200;
}

/// The file system was unmounted in order.
const VALID: u16 = 1;
/// It is known to have errors.
const ERRORS: u16 = 2;
/// Groups that are looked at, for the sake of memory: those of 64 TiB, at some 60 bytes each.
const GROUPS_MAX: u64 = 1 << 19;

/// What a superblock says, as far as it matters here.
#[derive(Debug)]
pub struct Superblock {
    /// Bytes of a block.
    pub block: u64,
    /// Blocks in all, those before the first group too.
    pub blocks: u64,
    /// The block with which the first group begins.
    pub first: u64,
    /// Groups.
    pub groups: u64,
    /// Blocks of a group but the last.
    pub group: u64,
    /// Bytes of a group descriptor.
    pub descriptor: u64,
    /// Blocks of a group's inode table.
    pub inode_table_blocks: u64,
    copies: Copies,
    /// Blocks that a copy of the superblock and of the group descriptors takes, with room for more of these.
    copy: u64,
}

/// In which groups copies of superblock and descriptors are.
#[derive(Debug)]
enum Copies {
    All,
    Sparse,
    /// In the first group and these.
    In([u32; 2]),
}

impl Superblock {
    /// Takes the 1,024 bytes of a superblock of a file system that has `len` bytes of room.
    ///
    /// # Errors
    /// In words, why nothing can be left out.
    pub fn decode(bytes: &[u8], len: u64) -> Result<Self, String> {
        let field = Fields(bytes);
        if field.u16(0x38) != 0xef53 {
            return Err("it has no superblock of ext2, ext3 or ext4".to_owned());
        }
        let (compatible, incompatible, read_only) =
            (field.u32(0x5c), field.u32(0x60), field.u32(0x64));
        let unknown = incompatible & !features::INCOMPATIBLE;
        if unknown != 0 {
            return Err(format!("it has features that are not known here (incompatible {unknown:#x})"));
        }
        let unknown = read_only & !features::READ_ONLY;
        if unknown != 0 {
            return Err(format!("it has features that are not known here (read-only {unknown:#x})"));
        }
        let state = field.u16(0x3a);
        if incompatible & features::RECOVER != 0 {
            return Err("its journal was not played back: it is mounted, or was not unmounted".to_owned());
        }
        if state & ERRORS != 0 {
            return Err("it is marked as having errors: run e2fsck".to_owned());
        }
        if state & VALID == 0 || read_only & features::ORPHANS != 0 {
            return Err("it was not unmounted in order, or is mounted".to_owned());
        }
        let block = 1024u64.checked_shl(field.u32(0x18)).filter(|block| *block <= 64 << 10);
        let wrong = || "its superblock has impossible numbers".to_owned();
        let block = block.ok_or_else(wrong)?;
        let is_wide = incompatible & features::WIDE != 0;
        let high = |at: usize| if is_wide { u64::from(field.u32(at)) << 32 } else { 0 };
        let (blocks, first) = (u64::from(field.u32(0x04)) | high(0x150), u64::from(field.u32(0x14)));
        let group = u64::from(field.u32(0x20));
        let descriptor = if is_wide { u64::from(field.u16(0xfe)) } else { 32 };
        let (inodes, inode) = (u64::from(field.u32(0x28)), u64::from(field.u16(0x58)).max(128));
        let fits = first == u64::from(block == 1024)
            && (8..=block * 8).contains(&group)
            && group % 8 == 0
            && blocks > first
            && descriptor.is_power_of_two()
            && (32..=block.min(1024)).contains(&descriptor)
            && (1..=block * 8).contains(&inodes)
            && inode <= block;
        if !fits || (is_wide && descriptor < 64) {
            return Err(wrong());
        }
        if blocks.checked_mul(block).is_none_or(|size| size > len) {
            return Err("it is larger than the place that it is in".to_owned());
        }
        let groups = (blocks - first).div_ceil(group);
        if groups > GROUPS_MAX {
            return Err("it has more groups than are looked at".to_owned());
        }
        let descriptors = (groups * descriptor).div_ceil(block);
        let copies = match (compatible & features::SPARSE_2, read_only & features::SPARSE) {
            (0, 0) => Copies::All,
            (0, _) => Copies::Sparse,
            _ => Copies::In([field.u32(0x24c), field.u32(0x250)]),
        };
        let copy = 1 + descriptors + u64::from(field.u16(0xce));
        let inode_table_blocks = (inodes * inode).div_ceil(block);
        Ok(Self { block, blocks, first, groups, group, descriptor, inode_table_blocks, copies, copy })
    }

    /// The blocks of a group.
    pub fn blocks_of(&self, group: u64) -> Range<u64> {
        let start = self.first + group * self.group;
        start..(start + self.group).min(self.blocks)
    }

    /// Blocks at the beginning of a group that a copy of superblock and descriptors takes.
    pub fn copies_in(&self, group: u64) -> u64 {
        let is_power = |of: u64| {
            let mut power = of;
            while power < group {
                power *= of;
            }
            power == group
        };
        let has = match &self.copies {
            Copies::All => true,
            Copies::In(groups) => group == 0 || groups.map(u64::from).contains(&group),
            Copies::Sparse => group <= 1 || [3, 5, 7].into_iter().any(is_power),
        };
        if has { self.copy } else { 0 }
    }
}

/// Fields by their places.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
    }
    fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }
}
