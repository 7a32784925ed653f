//! Reading files without leaving traces: no access time is moved, and what was not in the page
//! cache before is not there afterwards.

use crate::source::stat::Stat;
use rustix::fs::{Advice, Mode, OFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};
use std::ffi::CStr;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// An open regular file.
#[derive(Debug)]
pub struct Opened {
    fd: OwnedFd,
}

/// The state of reading one file: whether its pages were in memory before.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reading {
    /// Set once a read had to wait for the disk: from there on the pages are ours to drop.
    cold_from: Option<u64>,
    /// The file system cannot say what is in memory.
    unknown: bool,
}

/// Opens a file for reading.
///
/// # Errors
/// What the kernel says; a link that took the file's place is an error too.
pub fn open(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<Opened> {
    // Non-blocking: a pipe that took the file's place must not hold the backup up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = |flags| rustix::fs::openat(directory, name, flags, Mode::empty());
    let fd = match open(flags | OFlags::NOATIME) {
        // Only the owner and root may ask for that.
        Err(Errno::PERM) => open(flags)?,
        other => other?,
    };
    Ok(Opened { fd })
}

impl From<OwnedFd> for Opened {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl Opened {
    /// Metadata of the open file, now.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(Stat::of_fd(self.fd.as_fd())?)
    }

    /// Reads at `offset` until `out` is full or the file ends; returns the bytes read.
    ///
    /// # Errors
    /// What the kernel says, after the bytes that could be read before it were.
    pub fn read(
        &self,
        offset: u64,
        out: &mut [u8],
        reading: &mut Reading,
    ) -> Result<usize, (usize, io::Error)> {
        let mut done = 0;
        while done < out.len() {
            match self.read_once(offset + done as u64, &mut out[done..], reading) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(error) => return Err((done, error.into())),
            }
        }
        Ok(done)
    }

    fn read_once(
        &self,
        offset: u64,
        out: &mut [u8],
        reading: &mut Reading,
    ) -> Result<usize, Errno> {
        if reading.cold_from.is_none() && !reading.unknown {
            let mut slices = [IoSliceMut::new(out)];
            match rustix::io::preadv2(&self.fd, &mut slices, offset, ReadWriteFlags::NOWAIT) {
                Err(Errno::AGAIN) => reading.cold_from = Some(offset),
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => reading.unknown = true,
                Ok(n) if n > 0 => return Ok(n),
                // Nothing is not the end: Linux 5.9 and 5.10 say so in the middle of a file, too.
                // That, and any error, is for the call below to tell.
                _ => {}
            }
        }
        rustix::io::pread(&self.fd, out, offset)
    }

    /// Drops the pages up to `end` that reading has brought into memory.
    pub fn release(&self, reading: &mut Reading, end: u64) {
        let Some(from) = reading.cold_from else { return };
        if let Some(len) = NonZeroU64::new(end.saturating_sub(from)) {
            // Only advice: where it is not taken, nothing is wrong.
            let _ = rustix::fs::fadvise(&self.fd, from, Some(len), Advice::DontNeed);
            reading.cold_from = Some(end);
        }
    }

    /// The open file, for its attributes.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Bytes that may be there: offset and length.
    Data(u64, u64),
    /// Bytes that were never written.
    Hole(u64, u64),
}

/// The extents of the first `size` bytes of a file, from `from` on: the next one.
///
/// # Errors
/// What the kernel says, but for file systems that know no holes.
pub fn data_extents(file: &Opened, from: u64, size: u64) -> io::Result<Option<Extent>> {
    if from >= size {
        return Ok(None);
    }
    let data = match rustix::fs::seek(&file.fd, SeekFrom::Data(from)) {
        Ok(at) => at.min(size),
        // No data from here on.
        Err(Errno::NXIO) => size,
        Err(Errno::INVAL | Errno::OPNOTSUPP) => from,
        Err(error) => return Err(error.into()),
    };
    if data > from {
        return Ok(Some(Extent::Hole(from, data - from)));
    }
    let end = match rustix::fs::seek(&file.fd, SeekFrom::Hole(from)) {
        Ok(at) if at > from => at.min(size),
        _ => size,
    };
    Ok(Some(Extent::Data(from, end - from)))
}
