//! Where metadata go: an open file or directory, or a name in an open directory.

use esker_format::node::Time;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd};

/// The attribute that holds a POSIX ACL.
pub const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
/// The attribute that holds the ACL which new children of a directory get.
pub const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// The thing whose metadata are set.
pub enum Place<'a> {
    /// A file or directory that is open.
    Open(BorrowedFd<'a>),
    /// What cannot be opened without an effect (a symlink, fifo, socket or device).
    Named(BorrowedFd<'a>, &'a [u8]),
}

impl Place<'_> {
    pub fn set_owner(&self, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match self {
            Self::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Self::Named(dir, name) => {
                rustix::fs::chownat(dir, *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    /// Not for symlinks, which have no mode.
    pub fn set_mode(&self, bits: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(bits);
        match self {
            Self::Open(fd) => rustix::fs::fchmod(fd, mode),
            Self::Named(dir, name) => {
                by_descriptor(*dir, name, |path| rustix::fs::chmod(path, mode))
            }
        }
    }

    pub fn set_mtime(&self, time: Time) -> Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() },
        };
        match self {
            Self::Open(fd) => rustix::fs::futimens(fd, &times),
            Self::Named(dir, name) => {
                rustix::fs::utimensat(dir, *name, &times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    pub fn set_xattr(&self, xattr: &[u8], value: &[u8]) -> Result<()> {
        let flags = XattrFlags::empty();
        match self {
            Self::Open(fd) => rustix::fs::fsetxattr(fd, xattr, value, flags),
            Self::Named(dir, name) => {
                by_descriptor(*dir, name, |path| rustix::fs::setxattr(path, xattr, value, flags))
            }
        }
    }

    /// Removes an attribute that may or may not be there.
    pub fn remove_xattr(&self, xattr: &[u8]) -> Result<()> {
        let removed = match self {
            Self::Open(fd) => rustix::fs::fremovexattr(fd, xattr),
            Self::Named(dir, name) => {
                by_descriptor(*dir, name, |path| rustix::fs::removexattr(path, xattr))
            }
        };
        match removed {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            other => other,
        }
    }
}

/// For calls that have no form relative to a directory: opens the thing itself, as a place and
/// without any effect on it, and names it by that descriptor. Such a name leads to the very thing
/// that was opened, and no further when that is a symlink.
fn by_descriptor(
    dir: BorrowedFd<'_>,
    name: &[u8],
    call: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    call(&format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// What an ACL grants to the owning group itself: 0 to 7, and 0 when it cannot be read.
///
/// The value is a version and then entries of tag (u16), permissions (u16) and id (u32), all
/// little-endian (`linux/posix_acl_xattr.h`).
pub fn group_bits(acl: &[u8]) -> u32 {
    const GROUP: [u8; 2] = [4, 0];
    const MASK: [u8; 2] = [16, 0];
    let Some((_version, entries)) = acl.split_at_checked(4) else { return 0 };
    let find = |tag| entries.chunks_exact(8).find(|entry| entry[..2] == tag).map(|entry| entry[2]);
    u32::from(find(GROUP).unwrap_or(0) & find(MASK).unwrap_or(7) & 7)
}

#[cfg(test)]
mod tests {
    use super::group_bits;

    #[test]
    fn without_its_acl_a_file_shows_the_group_only_what_the_acl_granted_it() {
        let entry = |tag: u16, bits: u16| {
            [tag.to_le_bytes(), bits.to_le_bytes(), [255; 2], [255; 2]].concat()
        };
        let acl = |list: &[(u16, u16)]| {
            let entries = list.iter().flat_map(|(tag, bits)| entry(*tag, *bits));
            [2, 0, 0, 0].into_iter().chain(entries).collect::<Vec<u8>>()
        };
        assert_eq!(group_bits(&acl(&[(1, 6), (2, 7), (4, 0), (16, 7), (32, 0)])), 0);
        assert_eq!(group_bits(&acl(&[(1, 6), (2, 7), (4, 6), (16, 4), (32, 0)])), 4);
        assert_eq!(group_bits(&acl(&[(1, 6), (4, 5), (32, 0)])), 5);
        assert_eq!(group_bits(b"\x02"), 0);
        assert_eq!(group_bits(b""), 0);
    }
}
