//! Whether what was written is on the disk: read back from there, not from memory.

use super::aligned::Aligned;
use super::error::{Error, Result};
use super::geometry::Bytes;
use super::target::Target;
use crate::source::Reading;
use rustix::fs::{Advice, CWD, Mode, OFlags};
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes that are read at once.
pub const PIECE: usize = 1 << 20;

/// A second look at a target, past the page cache.
pub struct Verify<'t> {
    target: &'t Target,
    direct: Option<OwnedFd>,
    memory: Aligned,
}

impl<'t> Verify<'t> {
    /// Waits until all is on the disk, and opens it once more.
    ///
    /// # Errors
    /// When not all could be written.
    pub fn new(target: &'t Target) -> Result<Self> {
        target.sync()?;
        let path = format!("/proc/self/fd/{}", target.file().fd().as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECT;
        let direct = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok();
        // Where that cannot be, what is in memory goes: all of it is on the disk by now.
        let _ = rustix::fs::fadvise(target.file().fd(), 0, None, Advice::DontNeed);
        Ok(Self { target, direct, memory: Aligned::new(PIECE) })
    }

    /// Up to `PIECE` bytes from `offset` on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        let room = &mut self.memory.as_mut()[..len];
        let read = self.direct.as_ref().map(|direct| rustix::io::pread(direct, &mut *room, offset));
        if !matches!(read, Some(Ok(got)) if got == len) {
            // The end of a file is no multiple of anything.
            let read = self.target.file().read(offset, room, &mut Reading::default());
            let failed =
                |source| Error::Read { path: self.target.path().to_owned(), offset, source };
            let got = read.map_err(|(_, error)| failed(error))?;
            if got < len {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(&self.memory.as_mut()[..len])
    }

    /// Bytes that there are.
    pub fn size(&self) -> u64 {
        self.target.size()
    }
}
