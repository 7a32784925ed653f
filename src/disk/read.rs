//! Reading around what cannot be read: in ever smaller pieces, down to the sector.

use super::aligned::Aligned;
use super::error::{Error, Result};
use super::source::{Nature, Source};
use crate::source::Reading;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes in a row of which nothing could be read until pieces are no longer taken apart: a disk that
/// is as good as dead would be asked for each sector until it is dead.
const DEAD: u64 = 16 << 20;

/// Pieces of what is as good as dead, bytes.
const DEAD_PIECE: usize = 64 << 10;

/// File systems tell errors by blocks of so many bytes.
const BLOCK: usize = 4096;

/// Bytes that are read at once when errors are looked for.
const PIECE: usize = 1 << 20;

/// One reading of a source, which is the same one each time.
#[derive(Default)]
pub struct Reader {
    reading: Reading,
    unreadable: Vec<Range<u64>>,
    /// Bytes in a row up to here of which nothing could be read.
    dead: u64,
    scratch: Option<Aligned>,
}

impl Reader {
    /// What could not be read so far, in order of reading.
    pub fn unreadable(&self) -> &[Range<u64>] {
        &self.unreadable
    }

    /// Forgets what could not be read from `from` on, where it is read again.
    pub fn forget(&mut self, from: u64) {
        while let Some(last) = self.unreadable.pop_if(|last| last.end > from) {
            if last.start < from {
                self.unreadable.push(last.start..from);
            }
        }
    }

    /// Fills `out` with the bytes from `offset` on; what cannot be read is zero, and recorded. Returns
    /// whether all could be read.
    ///
    /// # Errors
    /// When there is nothing left to be read from.
    pub fn read(&mut self, source: &Source, offset: u64, out: &mut [u8]) -> Result<bool> {
        let mut done = 0;
        let before = self.lost();
        while done < out.len() {
            let at = offset + done as u64;
            match source.fill(at, &mut out[done..], &mut self.reading) {
                Ok(len) if len == out.len() - done => {
                    self.dead = 0;
                    break;
                }
                Ok(len) => {
                    // The file became shorter.
                    done += len;
                    out[done..].fill(0);
                    self.lose(offset + done as u64, out.len() - done);
                    break;
                }
                Err((len, error)) => {
                    check(source, at, error)?;
                    done += len;
                    // What was read counts in blocks: around the error it is read again, past the cache.
                    let len = (out.len() - done).min(PIECE);
                    self.salvage(source, offset + done as u64, &mut out[done..done + len])?;
                    done += len;
                }
            }
        }
        source.file.release(&mut self.reading, offset + out.len() as u64);
        Ok(self.lost() == before)
    }

    fn lost(&self) -> u64 {
        self.unreadable.iter().map(|range| range.end - range.start).sum()
    }

    /// Reads what can be read.
    fn salvage(&mut self, source: &Source, offset: u64, out: &mut [u8]) -> Result<()> {
        match self.again(source, offset, out) {
            Ok(()) => {
                self.dead = 0;
                return Ok(());
            }
            Err(error) => check(source, offset, error)?,
        }
        let unit = if self.dead >= DEAD { DEAD_PIECE } else { unit(source) };
        if out.len() <= unit {
            out.fill(0);
            self.lose(offset, out.len());
            return Ok(());
        }
        let half = (out.len() / 2).div_ceil(unit) * unit;
        let (first, second) = out.split_at_mut(half);
        self.salvage(source, offset, first)?;
        self.salvage(source, offset + half as u64, second)
    }

    fn lose(&mut self, offset: u64, len: usize) {
        let end = offset + len as u64;
        self.dead += len as u64;
        match self.unreadable.last_mut() {
            Some(last) if last.end == offset => last.end = end,
            _ => self.unreadable.push(offset..end),
        }
    }

    /// Reads once more, past the page cache where that can be: it would ask for whole pages.
    fn again(&mut self, source: &Source, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let direct = source.direct.get_or_init(|| direct(source));
        let scratch = self.scratch.get_or_insert_with(|| Aligned::new(PIECE)).as_mut();
        let room = &mut scratch[..out.len()];
        let read = direct.as_ref().map(|direct| rustix::io::pread(direct, &mut *room, offset));
        match read {
            Some(Ok(len)) if len == room.len() => {
                out.copy_from_slice(room);
                Ok(())
            }
            Some(Err(error)) if error != Errno::INVAL => Err(error.into()),
            // The end of a file, or a piece that does not fit: the plain way.
            _ => match source.fill(offset, out, &mut Reading::default()) {
                Ok(len) if len == out.len() => Ok(()),
                Ok(_) => Err(Errno::IO.into()),
                Err((_, error)) => Err(error),
            },
        }
    }
}

/// Fails when the error is not about these bytes alone.
fn check(from: &Source, offset: u64, source: io::Error) -> Result<()> {
    let of_bytes = [
        Errno::IO,
        Errno::NODATA,
        Errno::REMOTEIO,
        Errno::ILSEQ,
        Errno::BADMSG,
        Errno::UCLEAN,
        Errno::TIMEDOUT,
    ];
    let number = Errno::from_io_error(&source);
    // What is gone has no size any more, but gives the same error.
    let is_gone = matches!(from.nature, Nature::Device(_))
        && rustix::fs::seek(from.file.fd(), rustix::fs::SeekFrom::End(0)) == Ok(0);
    if number.is_some_and(|number| of_bytes.contains(&number)) && !is_gone {
        return Ok(());
    }
    Err(Error::Gone { path: from.path.clone(), offset, source })
}

fn unit(source: &Source) -> usize {
    source.sectors.map_or(BLOCK, |(logical, _)| logical as usize)
}

fn direct(source: &Source) -> Option<OwnedFd> {
    if source.guest.is_some() {
        return None;
    }
    let path = format!("/proc/self/fd/{}", source.file.fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECT;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()
}
