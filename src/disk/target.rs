//! A disk or an image file that is written: only what differs, and only with nobody else there.

use super::below::Below;
use super::error::{Error, Result};
use super::expect::Expect;
use super::geometry::{Bytes, Geometry};
use super::kernel::{Kernel, Number};
use super::lock;
use super::source::{container_in, kind_word, sectors_of};
use super::usage::{Use, uses};
use crate::source::{Extent, Opened, Reading, data_extents};
use esker_format::chunking::is_zero;
use rustix::fs::{Advice, CWD, FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How a disk is written.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Write everything, without looking at what is there.
    pub blind: bool,
    /// Write nothing, but count.
    pub dry_run: bool,
    /// Write over an image file that has a form of its own, byte by byte.
    pub raw: bool,
    /// Which disk it must be.
    pub expect: Expect,
}

/// What was done to a disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Written because they differed, or blindly.
    pub written: u64,
    /// Made zero because they were not, or blindly.
    pub zeroed: u64,
    /// As they should be already.
    pub same: u64,
}

/// A disk or image file that is open for writing, for us alone.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    file: Opened,
    device: Option<Number>,
    size: AtomicU64,
    sectors: Option<(u32, u32)>,
    how: How,
    written: AtomicU64,
    zeroed: AtomicU64,
    same: AtomicU64,
}

/// What is compared and written at least, bytes; what disks use inside.
const BLOCK: u64 = 4096;

/// What is looked at or written at once, bytes.
const PIECE: u64 = 1 << 20;

impl Target {
    /// Opens what is at `path`, for writing what comes from `from` when that is on this machine.
    ///
    /// # Errors
    /// When it is no disk and no image file, not the one that is meant, in use, or read-only.
    pub fn open(kernel: &Kernel, path: &Path, from: Option<&Path>, how: How) -> Result<Self> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        if !kind.is_block_device() && !kind.is_file() {
            return Err(Error::Kind { path: path.to_owned(), what: kind_word(kind) });
        }
        how.expect.check(kernel, path)?;
        if let Some(from) = from {
            check_apart(kernel, from, path)?;
        }
        let used = |uses| Error::Used { path: path.to_owned(), uses, to_write: true };
        let known = uses(kernel, path).map_err(failed)?;
        if !known.is_empty() {
            return Err(used(known));
        }
        let device = kernel.number_at(path);
        if device.is_some_and(|device| kernel.is_read_only(device)) {
            return Err(Error::ReadOnly { path: path.to_owned() });
        }
        let access = if how.dry_run { OFlags::RDONLY } else { OFlags::RDWR };
        let excl = if device.is_some() { OFlags::EXCL } else { OFlags::empty() };
        let fd = match rustix::fs::openat(CWD, path, access | excl | OFlags::CLOEXEC, Mode::empty())
        {
            Err(Errno::BUSY) => return Err(used(vec![Use::Unknown])),
            Err(Errno::ROFS) => return Err(Error::ReadOnly { path: path.to_owned() }),
            other => other.map_err(|error| failed(error.into()))?,
        };
        if device.is_none() && !how.dry_run && !lock::to_write(fd.as_fd()).map_err(failed)? {
            // Somebody was faster.
            let mut now = uses(kernel, path).map_err(failed)?;
            if now.is_empty() {
                now.push(Use::Unknown);
            }
            return Err(used(now));
        }
        let target = Self::of(path, Opened::from(fd), device, how)?;
        match container_in(&target) {
            Some(what) if device.is_none() && !target.how.raw => {
                Err(Error::Wrapped { path: path.to_owned(), what })
            }
            _ => Ok(target),
        }
    }

    /// Makes a new image file.
    ///
    /// # Errors
    /// When there is something already, or it cannot be made.
    pub fn create(path: &Path, how: How) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd: OwnedFd = rustix::fs::openat(CWD, path, flags, mode)
            .map_err(|error| Error::Open { path: path.to_owned(), source: error.into() })?;
        // Nobody else can have it yet.
        let _ = lock::to_write(fd.as_fd());
        Self::of(path, Opened::from(fd), None, how)
    }

    fn of(path: &Path, file: Opened, device: Option<Number>, how: How) -> Result<Self> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let size = rustix::fs::seek(file.fd(), SeekFrom::End(0)).map_err(|e| failed(e.into()))?;
        let sectors = device.map(|_| sectors_of(&file)).transpose().map_err(failed)?;
        let (path, zero) = (path.to_owned(), || AtomicU64::new(0));
        let (size, written, zeroed, same) = (AtomicU64::new(size), zero(), zero(), zero());
        Ok(Self { path, file, device, size, sectors, how, written, zeroed, same })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The device that it is; none for a file.
    pub const fn device(&self) -> Option<Number> {
        self.device
    }

    /// Bytes of its sectors; none for a file.
    pub fn sector(&self) -> Option<u32> {
        self.sectors.map(|sectors| sectors.0)
    }

    /// Whether nothing is written.
    pub const fn is_dry_run(&self) -> bool {
        self.how.dry_run
    }

    /// What is on it.
    pub fn geometry(&self) -> Geometry {
        Geometry::read(self, self.sectors)
    }

    /// Gives an image file its size; that of a disk stays.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn resize(&self, size: u64) -> Result<()> {
        if self.device.is_some() || self.size() == size {
            return Ok(());
        }
        if !self.how.dry_run {
            rustix::fs::ftruncate(self.file.fd(), size).map_err(|e| self.failed(size, e))?;
            self.size.store(size, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What was done so far.
    pub fn written(&self) -> Written {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Written { written: read(&self.written), zeroed: read(&self.zeroed), same: read(&self.same) }
    }

    /// Makes the bytes from `offset` on these. Threads may write different parts at a time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn data(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.how.blind {
            return self.put(offset, bytes);
        }
        let mut there = vec![0; bytes.len()];
        let is_known = self.look(offset, &mut there);
        for_runs(
            offset,
            bytes.len() as u64,
            |from, to| {
                let (a, b) = ((from - offset) as usize, (to - offset) as usize);
                !is_known || bytes[a..b] != there[a..b]
            },
            |from, to, differs| {
                if !differs {
                    count(&self.same, to - from);
                    return Ok(());
                }
                self.put(from, &bytes[(from - offset) as usize..(to - offset) as usize])
            },
        )
    }

    /// Makes `len` bytes from `offset` on zero: given back to the disk where it can do that.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn zeros(&self, offset: u64, len: u64) -> Result<()> {
        let end = offset + len;
        let mut at = offset;
        while at < end {
            let next = self.allocated(at, end)?;
            match next {
                Extent::Hole(_, len) => count(&self.same, len),
                Extent::Data(_, len) => self.zeros_in(at, len)?,
            }
            let (Extent::Hole(_, len) | Extent::Data(_, len)) = next;
            at += len;
        }
        Ok(())
    }

    /// The next part up to `end`: files know which were never written. All of a disk may be.
    fn allocated(&self, at: u64, end: u64) -> Result<Extent> {
        let all = Extent::Data(at, end - at);
        if self.device.is_some() {
            return Ok(all);
        }
        let size = end.min(self.size());
        let found = data_extents(&self.file, at, size);
        let found = found.map_err(|source| self.read_failed(at, source))?;
        // Behind the end of a file that is only looked at there is nothing yet.
        Ok(found.unwrap_or(Extent::Hole(at, end - at)))
    }

    fn zeros_in(&self, offset: u64, len: u64) -> Result<()> {
        if self.how.blind {
            return self.discard(offset, len);
        }
        let end = offset + len;
        let mut there = vec![0; len.min(PIECE) as usize];
        let mut at = offset;
        while at < end {
            let piece = &mut there[..(end - at).min(PIECE) as usize];
            let is_known = self.look(at, piece);
            for_runs(
                at,
                piece.len() as u64,
                |from, to| !is_known || !is_zero(&piece[(from - at) as usize..(to - at) as usize]),
                |from, to, differs| {
                    if differs {
                        return self.discard(from, to - from);
                    }
                    count(&self.same, to - from);
                    Ok(())
                },
            )?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Reads what is there; false when it cannot be read, and has to be written in any case.
    fn look(&self, offset: u64, out: &mut [u8]) -> bool {
        // What a file that grows does not have yet is zero.
        let has = self.size().saturating_sub(offset).min(out.len() as u64) as usize;
        let read = self.file.read(offset, &mut out[..has], &mut Reading::default());
        // What was only compared is of no use in memory.
        if let Some(len) = NonZeroU64::new(has as u64) {
            let _ = rustix::fs::fadvise(self.file.fd(), offset, Some(len), Advice::DontNeed);
        }
        matches!(read, Ok(len) if len == has)
    }

    /// Writes bytes as they are.
    fn put(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        count(&self.written, bytes.len() as u64);
        self.put_uncounted(offset, bytes)
    }

    fn put_uncounted(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if self.how.dry_run {
            return Ok(());
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            match rustix::io::pwrite(self.file.fd(), &bytes[done..], at) {
                Ok(0) => return Err(self.failed(at, Errno::IO)),
                Ok(len) => done += len,
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.failed(at, error)),
            }
        }
        Ok(())
    }

    /// Makes bytes zero, in the cheapest way that the disk knows.
    fn discard(&self, offset: u64, len: u64) -> Result<()> {
        count(&self.zeroed, len);
        if self.how.dry_run {
            return Ok(());
        }
        // Both promise zeros; the first gives the room back.
        let ways = [FallocateFlags::PUNCH_HOLE, FallocateFlags::ZERO_RANGE];
        for way in ways {
            let flags = way | FallocateFlags::KEEP_SIZE;
            if rustix::fs::fallocate(self.file.fd(), flags, offset, len).is_ok() {
                return Ok(());
            }
        }
        let zeros = vec![0; len.min(PIECE) as usize];
        let mut at = offset;
        while at < offset + len {
            let piece = (offset + len - at).min(PIECE);
            self.put_uncounted(at, &zeros[..piece as usize])?;
            at += piece;
        }
        Ok(())
    }

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// When some of it is not.
    pub fn sync(&self) -> Result<()> {
        if self.how.dry_run {
            return Ok(());
        }
        rustix::fs::fsync(self.file.fd()).map_err(|error| self.failed(0, error))
    }

    /// The open file.
    pub(super) const fn file(&self) -> &Opened {
        &self.file
    }

    fn failed(&self, offset: u64, error: Errno) -> Error {
        Error::Write { path: self.path.clone(), offset, source: error.into() }
    }

    fn read_failed(&self, offset: u64, source: io::Error) -> Error {
        Error::Read { path: self.path.clone(), offset, source }
    }
}

impl Bytes for Target {
    fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.file.read(offset, out, &mut Reading::default()) {
            Ok(len) if len == out.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err((_, error)) => Err(error),
        }
    }
}

fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Goes through blocks, as long runs of those that differ and of those that do not.
fn for_runs(
    offset: u64,
    len: u64,
    mut differs: impl FnMut(u64, u64) -> bool,
    mut run: impl FnMut(u64, u64, bool) -> Result<()>,
) -> Result<()> {
    let end = offset + len;
    let (mut at, mut begin, mut before) = (offset, offset, None);
    while at < end {
        let next = ((at / BLOCK + 1) * BLOCK).min(end);
        let now = differs(at, next);
        if let Some(was) = before
            && was != now
        {
            run(begin, at, was)?;
            begin = at;
        }
        before = Some(now);
        at = next;
    }
    before.map_or(Ok(()), |was| run(begin, end, was))
}

/// Fails when what is read and what is written are one, or one lies in the other.
fn check_apart(kernel: &Kernel, from: &Path, to: &Path) -> Result<()> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let is_one = identity(from).is_some() && identity(from) == identity(to);
    let lies_in = |path: &Path, other: &Path| {
        kernel.number_at(path).is_some() && Below::path(kernel, path).has(kernel, other)
    };
    if is_one || lies_in(from, to) || lies_in(to, from) {
        return Err(Error::Same { source_path: from.to_owned(), target: to.to_owned() });
    }
    Ok(())
}
