//! The directory that everything is restored into.

use super::directories::DIRECTORY;
use super::error::{Attempt, Cause};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// What `mkfs` puts into a new file system.
pub(super) const LOST_FOUND: &[u8] = b"lost+found";

/// Makes the target, if need be, and opens it.
pub(super) fn open(target: &Path) -> Attempt<OwnedFd> {
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).create(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(target) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let follow = DIRECTORY.difference(OFlags::NOFOLLOW);
    Ok(rustix::fs::openat(CWD, target, follow, Mode::empty())?)
}

/// Opens the target; none when it is not there.
pub(super) fn open_existing(target: &Path) -> Attempt<Option<OwnedFd>> {
    let follow = DIRECTORY.difference(OFlags::NOFOLLOW);
    match rustix::fs::openat(CWD, target, follow, Mode::empty()) {
        Err(Errno::NOENT) if !target.is_symlink() => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Fails unless the directory is empty, and says whether it has a `lost+found` all the same.
pub(super) fn check_empty(fd: &OwnedFd) -> Attempt<bool> {
    let mut has_lost_found = false;
    for entry in rustix::fs::Dir::read_from(fd)? {
        match entry?.file_name().to_bytes() {
            b"." | b".." => {}
            LOST_FOUND => has_lost_found = true,
            _ => return Err(Cause::NotEmpty),
        }
    }
    Ok(has_lost_found)
}
