//! What the file system says of one name, without following links.

use esker_format::node::{NodeKind, Time};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

/// What tells one file from another: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Device of the file system.
    pub device: u64,
    /// Inode in it.
    pub inode: u64,
}

/// Metadata of one file.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Device and inode.
    pub identity: Identity,
    /// Which mount it was reached through; 0 where the kernel does not say.
    pub mount: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Number of names.
    pub names: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Units of 512 bytes that it takes.
    pub blocks: u64,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Time of the last change of anything.
    pub ctime: Time,
    /// Major and minor number of a device node.
    pub device_number: (u32, u32),
}

const MASK: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

impl Stat {
    /// Of a name in an open directory; the link itself where it is one.
    ///
    /// # Errors
    /// When it is not there or cannot be looked at.
    pub fn of_name(directory: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        rustix::fs::statx(directory, name, flags, MASK).map(|s| Self::from(&s))
    }

    /// Of an open file.
    ///
    /// # Errors
    /// When the kernel cannot say.
    pub fn of_fd(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, MASK).map(|s| Self::from(&s))
    }

    /// What kind of node it is; none for kinds that Linux does not have.
    pub fn kind(&self) -> Option<NodeKind> {
        match FileType::from_raw_mode(self.mode) {
            FileType::RegularFile => Some(NodeKind::File),
            FileType::Directory => Some(NodeKind::Directory),
            FileType::Symlink => Some(NodeKind::Symlink),
            FileType::Fifo => Some(NodeKind::Fifo),
            FileType::Socket => Some(NodeKind::Socket),
            FileType::BlockDevice => Some(NodeKind::BlockDevice),
            FileType::CharacterDevice => Some(NodeKind::CharDevice),
            FileType::Unknown => None,
        }
    }

    /// Whether this and `other` say the same state of a file. The blocks are not part of it: they
    /// change without anybody's doing when what was written shortly before reaches the disk.
    pub fn is_same_state(&self, other: &Self) -> bool {
        let state = |s: &Self| {
            let what = (s.identity, s.mount, s.mode, s.names, s.device_number);
            (what, s.uid, s.gid, s.size, s.mtime, s.ctime)
        };
        state(self) == state(other)
    }

    /// Whether the file takes so much less than its length that it must have holes. Compressing
    /// file systems look like that too; then there are no holes to find, and nothing is lost.
    pub const fn may_have_holes(&self) -> bool {
        self.size >= 64 << 10 && self.blocks * 512 + 4096 < self.size
    }
}

impl From<&Statx> for Stat {
    fn from(s: &Statx) -> Self {
        let time = |t: &rustix::fs::StatxTimestamp| Time { seconds: t.tv_sec, nanos: t.tv_nsec };
        Self {
            identity: Identity {
                device: rustix::fs::makedev(s.stx_dev_major, s.stx_dev_minor),
                inode: s.stx_ino,
            },
            mount: s.stx_mnt_id,
            mode: s.stx_mode.into(),
            names: s.stx_nlink,
            uid: s.stx_uid,
            gid: s.stx_gid,
            size: s.stx_size,
            blocks: s.stx_blocks,
            mtime: time(&s.stx_mtime),
            ctime: time(&s.stx_ctime),
            device_number: (s.stx_rdev_major, s.stx_rdev_minor),
        }
    }
}
