//! Which file system begins at a place of a disk, told by its superblock.

use super::geometry::Bytes;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// As `mount` and `blkid` call it.
    pub kind: String,
    /// The id it goes by.
    pub uuid: Option<String>,
    /// What its owner called it.
    pub label: Option<String>,
}

/// Bytes that tell all of it.
const HEAD: usize = 68 << 10;

impl FileSystem {
    /// The file system in `len` bytes from `start` on, when it is one that is known here.
    pub fn at(bytes: &dyn Bytes, start: u64, len: u64) -> Option<Self> {
        let mut head = vec![0; HEAD.min(usize::try_from(len).unwrap_or(HEAD))];
        bytes.read_at(start, &mut head).ok()?;
        PROBES.iter().find_map(|probe| probe(&Head(&head)))
    }

    fn new(kind: &str, uuid: Option<String>, label: Option<String>) -> Option<Self> {
        Some(Self { kind: kind.to_owned(), uuid, label })
    }
}

type Probe = fn(&Head<'_>) -> Option<FileSystem>;

/// What lies around others comes first: the file system inside may begin at the same place.
const PROBES: &[Probe] =
    &[luks, lvm, raid, ext, xfs, btrfs, swap, f2fs, ntfs, exfat, fat, iso9660, squashfs, erofs];

/// The beginning of a file system; reading beyond it gives nothing.
struct Head<'h>(&'h [u8]);

impl Head<'_> {
    fn bytes(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.0.get(at..at.checked_add(len)?)
    }
    fn has(&self, at: usize, magic: &[u8]) -> bool {
        self.bytes(at, magic.len()) == Some(magic)
    }
    fn u32(&self, at: usize) -> u32 {
        self.bytes(at, 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
    /// Text up to its first zero byte, when there is any.
    fn text(&self, at: usize, len: usize) -> Option<String> {
        let bytes = self.bytes(at, len)?;
        let bytes = bytes.split(|b| *b == 0).next()?;
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        (!text.is_empty()).then_some(text)
    }
    fn uuid(&self, at: usize) -> Option<String> {
        let bytes = self.bytes(at, 16)?;
        bytes.iter().any(|b| *b != 0).then(|| uuid(bytes))
    }
}

/// Sixteen bytes as people write them.
pub fn uuid(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn luks(head: &Head<'_>) -> Option<FileSystem> {
    let version = head.has(0, b"LUKS\xba\xbe").then(|| head.bytes(6, 2))?;
    let label = head.text(24, 48).filter(|_| version == Some(&[0, 2]));
    FileSystem::new("crypto_LUKS", head.text(168, 40), label)
}

fn lvm(head: &Head<'_>) -> Option<FileSystem> {
    let sector = (0..4).map(|n| n * 512).find(|at| head.has(*at, b"LABELONE"))?;
    let id = head.has(sector + 24, b"LVM2 001").then(|| head.text(sector + 32, 32))?;
    FileSystem::new("LVM2_member", id, None)
}

fn raid(head: &Head<'_>) -> Option<FileSystem> {
    let at = [0, 4096].into_iter().find(|at| head.u32(*at) == 0xa92b_4efc)?;
    FileSystem::new("linux_raid_member", head.uuid(at + 16), head.text(at + 32, 32))
}

fn ext(head: &Head<'_>) -> Option<FileSystem> {
    let has = |at: usize, bits| head.u32(1024 + at) & bits != 0;
    head.has(1024 + 56, &[0x53, 0xef]).then_some(())?;
    // Extents, 64 bits, flexible groups and what came with them.
    let kind = match (has(96, 0x2c0) || has(100, 0x78), has(92, 4)) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    };
    FileSystem::new(kind, head.uuid(1024 + 104), head.text(1024 + 120, 16))
}

fn xfs(head: &Head<'_>) -> Option<FileSystem> {
    head.has(0, b"XFSB").then(|| FileSystem::new("xfs", head.uuid(32), head.text(108, 12)))?
}

fn btrfs(head: &Head<'_>) -> Option<FileSystem> {
    let at = 64 << 10;
    let is_it = head.has(at + 64, b"_BHRfS_M");
    is_it.then(|| FileSystem::new("btrfs", head.uuid(at + 32), head.text(at + 299, 256)))?
}

fn swap(head: &Head<'_>) -> Option<FileSystem> {
    let ends = [4096, 8192, 16384, 65536];
    ends.iter().find(|end| head.has(*end - 10, b"SWAPSPACE2"))?;
    FileSystem::new("swap", head.uuid(1036), head.text(1052, 16))
}

fn f2fs(head: &Head<'_>) -> Option<FileSystem> {
    (head.u32(1024) == 0xf2f5_2010).then(|| FileSystem::new("f2fs", head.uuid(1024 + 108), None))?
}

fn ntfs(head: &Head<'_>) -> Option<FileSystem> {
    let serial = head.has(3, b"NTFS    ").then(|| head.bytes(72, 8))??;
    let serial: String = serial.iter().rev().map(|byte| format!("{byte:02X}")).collect();
    FileSystem::new("ntfs", Some(serial), None)
}

fn exfat(head: &Head<'_>) -> Option<FileSystem> {
    head.has(3, b"EXFAT   ").then(|| FileSystem::new("exfat", Some(serial(head.u32(100))), None))?
}

fn fat(head: &Head<'_>) -> Option<FileSystem> {
    let at = if head.has(82, b"FAT32   ") {
        67
    } else if head.has(54, b"FAT16   ") || head.has(54, b"FAT12   ") {
        39
    } else {
        return None;
    };
    let label = head.text(at + 4, 11).filter(|label| label != "NO NAME");
    FileSystem::new("vfat", Some(serial(head.u32(at))), label)
}

fn iso9660(head: &Head<'_>) -> Option<FileSystem> {
    let at = 32 << 10;
    head.has(at + 1, b"CD001").then(|| FileSystem::new("iso9660", None, head.text(at + 40, 32)))?
}

fn squashfs(head: &Head<'_>) -> Option<FileSystem> {
    head.has(0, b"hsqs").then(|| FileSystem::new("squashfs", None, None))?
}

fn erofs(head: &Head<'_>) -> Option<FileSystem> {
    let is_it = head.u32(1024) == 0xe0f5_e1e2;
    is_it.then(|| FileSystem::new("erofs", head.uuid(1024 + 48), head.text(1024 + 64, 16)))?
}

fn serial(number: u32) -> String {
    format!("{:04X}-{:04X}", number >> 16, number & 0xffff)
}
