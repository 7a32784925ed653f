//! What is in the target already: one name, as the file system says it.

use super::error::Attempt;
use crate::restore::metadata::Owned;
use esker_format::node::{NodeKind, Time, Xattr};
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const MASK: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// One thing that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Device and inode.
    pub identity: (u64, u64),
    /// What it is; none for kinds that Linux does not have.
    pub kind: Option<NodeKind>,
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Names that it has.
    pub names: u32,
    /// Length in bytes.
    pub size: u64,
    /// When its content was changed.
    pub mtime: Time,
    /// When anything of it was changed.
    pub ctime: Time,
    /// Major and minor number of a device node.
    pub device: (u32, u32),
    /// The mount it was reached through; 0 where the kernel does not say.
    pub mount: u64,
    /// Something is mounted here.
    pub is_mount: bool,
}

impl Seen {
    /// What has this name, which is not followed; none when nothing has it.
    pub(super) fn at(dir: &OwnedFd, name: &[u8]) -> Attempt<Option<Self>> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        match rustix::fs::statx(dir, name, flags, MASK) {
            Ok(stat) => Ok(Some(Self::from(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What is open.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Attempt<Self> {
        Ok(Self::from(&rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, MASK)?))
    }

    /// Whether nobody changed anything of it in between. Its names may have changed.
    pub fn is_untouched(&self, now: &Self) -> bool {
        let state = |s: &Self| (s.identity, s.kind, s.size, s.mtime);
        state(self) == state(now) && (self.ctime == now.ctime || self.names != now.names)
    }

    /// Owner, mode and time, to be compared with what they should be.
    pub(super) const fn owned(&self, xattrs: Vec<Xattr>) -> Owned {
        Owned { owner: self.owner, mode: self.mode, mtime: self.mtime, xattrs }
    }
}

impl From<&Statx> for Seen {
    fn from(stat: &Statx) -> Self {
        let time = |t: &rustix::fs::StatxTimestamp| Time { seconds: t.tv_sec, nanos: t.tv_nsec };
        let raw = u32::from(stat.stx_mode);
        Self {
            identity: (rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino),
            kind: kind(FileType::from_raw_mode(raw)),
            mode: raw & 0o7777,
            owner: (stat.stx_uid, stat.stx_gid),
            names: stat.stx_nlink,
            size: stat.stx_size,
            mtime: time(&stat.stx_mtime),
            ctime: time(&stat.stx_ctime),
            device: (stat.stx_rdev_major, stat.stx_rdev_minor),
            mount: stat.stx_mnt_id,
            is_mount: stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        }
    }
}

fn kind(of: FileType) -> Option<NodeKind> {
    match of {
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

/// Attributes of a name in an open directory, which is not followed; an empty name is the
/// directory itself. Names ascending. A file system that knows none has none.
pub(super) fn xattrs(dir: &OwnedFd, name: &[u8]) -> Attempt<Vec<Xattr>> {
    // There is no call that takes a directory and a name: the system's own way to the open
    // directory stands in for one, and does not care how deep it is.
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(if name.is_empty() { b"." } else { name });
    read_xattrs(
        |out| rustix::fs::llistxattr(&path[..], out),
        |xattr, out| rustix::fs::lgetxattr(&path[..], xattr, out),
    )
}

/// Attributes of an open file.
pub(super) fn xattrs_of(fd: BorrowedFd<'_>) -> Attempt<Vec<Xattr>> {
    read_xattrs(
        |out| rustix::fs::flistxattr(fd, out),
        |xattr, out| rustix::fs::fgetxattr(fd, xattr, out),
    )
}

fn read_xattrs(
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Attempt<Vec<Xattr>> {
    let names = match grown(list) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Vec::new(),
        Err(errno) => return Err(errno.into()),
    };
    let mut found = Vec::new();
    for xattr in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match grown(|out| get(xattr, out)) {
            Ok(value) => found.push((xattr.to_vec(), value)),
            // Taken away since it was listed.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    found.sort();
    Ok(found)
}

/// Asks with little room first, and again with all that the kernel can need (64 KiB).
fn grown(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; 512];
    match call(&mut small) {
        Ok(len) => return Ok(small[..len].to_vec()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    let mut all = vec![0; 64 << 10];
    let len = call(&mut all)?;
    all.truncate(len);
    Ok(all)
}
