//! From names to folders and files, without ever following a symbolic link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, RawMode, fstat, fsync, mkdirat, openat};
use rustix::io::Errno;

/// Folders are for their owner only: even sizes and times of objects tell something.
pub(super) const FOLDER_MODE: RawMode = 0o700;

/// What to do about a folder that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Fail,
    Make,
}

/// "pack/ab/12" is the folder "pack/ab" and the file "12"; the root is the folder "".
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

/// The folder and every folder above it, the root ("") last.
pub(super) fn with_parents(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| (!folder.is_empty()).then(|| split(folder).0))
}

/// Opens a folder below `root`, component by component.
pub(super) fn open_folder(root: &OwnedFd, folder: &str, missing: Missing) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = openat(root, ".", flags, Mode::empty())?;
    for component in folder.split('/').filter(|component| !component.is_empty()) {
        let mut next = openat(&here, component, flags, Mode::empty());
        if next.as_ref().is_err_and(|&e| e == Errno::NOENT) && missing == Missing::Make {
            match mkdirat(&here, component, Mode::from_raw_mode(FOLDER_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            next = openat(&here, component, flags, Mode::empty());
        }
        here = next?;
    }
    Ok(here)
}

/// Opens an object and tells its size. Only a plain file is one.
pub(super) fn open_object(folder: &OwnedFd, name: &str) -> io::Result<(File, u64)> {
    // NONBLOCK: a pipe of this name must be refused, not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(not_a_plain_file()),
        opened => File::from(opened?),
    };
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_plain_file());
    }
    Ok((file, stat.st_size as u64))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: impl AsFd) -> io::Result<()> {
    match fsync(folder) {
        // File systems that do not know this for folders (some network ones) write names at once.
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        other => Ok(other?),
    }
}

pub(super) fn not_a_plain_file() -> io::Error {
    io::Error::other("something is there that is not a plain file")
}
