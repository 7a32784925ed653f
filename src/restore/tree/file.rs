//! A file that is being filled.

use super::Dir;
use super::error::{Attempt, Cause, Result, TreeError};
use super::seen::{self, Seen};
use crate::restore::metadata::{Born, Owned, Place, Rules, Wanted};
use esker_format::content::{Content, Item};
use esker_format::node::{Node, NodeKind, Xattr};
use esker_format::path::MapKey;
use rustix::fs::{AtFlags, FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Files from this size on get their space in one piece, so that ranges written by several
/// threads lie in order, and a full disk shows before the work is done. Bytes.
const PREALLOCATE_MIN: u64 = 1 << 20;

/// A file that exists and has no final length, owner, mode or time yet. Any number of threads
/// may write ranges of it.
#[derive(Debug)]
pub struct NewFile {
    pub(super) file: File,
    pub(super) key: MapKey,
    pub(super) born: Born,
    pub(super) rules: Arc<Rules>,
    /// The end of the furthest range that was written or allocated.
    pub(super) reached: AtomicU64,
    pub(super) placing: Placing,
}

/// How a file comes to its place.
#[derive(Debug)]
pub(super) enum Placing {
    /// It was made there, where nothing was.
    There,
    /// It takes the place of another when it is done; dropped before that, it is gone.
    Beside { dir: Dir, temporary: Vec<u8> },
    /// It is the file that was there.
    InPlace,
}

impl NewFile {
    /// Writes bytes of the file. Short ones take one system call.
    ///
    /// # Errors
    /// When the system refuses; what was written before stays.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.end(offset, bytes.len() as u64)
            .and_then(|end| Ok((end, self.file.write_all_at(bytes, offset)?)))
            .map(|(end, ())| self.reach(end))
            .map_err(|cause| self.error("write", cause))
    }

    /// Allocates a range that reads as zero. What has not been written and not been allocated is
    /// a hole, which needs no call.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    pub fn allocate_zero(&self, offset: u64, len: u64) -> Result<()> {
        let allocate = || -> Attempt<()> {
            let end = self.end(offset, len)?;
            if len != 0 && !self.allocate(offset, len)? {
                self.write_zeros(offset, len)?;
            }
            self.reach(end);
            Ok(())
        };
        allocate().map_err(|cause| self.error("allocate", cause))
    }

    /// Reserves space for the whole file, where that is worth a call. Only for a file without
    /// holes: those would be filled. [`super::Tree::create_file`] does so by itself for a node
    /// that holds all its items.
    ///
    /// # Errors
    /// When there is not enough space. A file system that cannot reserve is no error.
    pub fn preallocate(&self, len: u64) -> Result<()> {
        if len < PREALLOCATE_MIN {
            return Ok(());
        }
        match self.allocate(0, len) {
            Ok(true) => self.reach(len),
            Ok(false) => {}
            Err(cause) => return Err(self.error("allocate", cause.into())),
        }
        Ok(())
    }

    /// Gives the file its length, owner, attributes, mode and time, and closes it. Returns what
    /// could not be given; the rest was.
    #[must_use = "what is missing must be told"]
    pub fn finish(mut self, node: &Node, xattrs: &[Xattr]) -> Vec<TreeError> {
        let mut problems = Vec::new();
        let mut report = |operation, cause| problems.push(self.error(operation, cause));
        // A hole at the end, or ranges that nobody could fetch. This clears set-id bits and
        // capabilities, so it comes before them.
        let is_old = matches!(self.placing, Placing::InPlace);
        if (is_old || self.reached.load(Relaxed) != node.len())
            && let Err(error) = self.file.set_len(node.len())
        {
            report("set the length of", error.into());
        }
        let place = Place::Open(self.file.as_fd());
        let wanted = Wanted::from(node);
        if is_old {
            match now(&self.file) {
                Ok(now) => self.rules.correct(&place, &now, &wanted, xattrs, &mut report),
                Err(cause) => report("change the metadata of", cause),
            }
        } else {
            self.rules.apply(&place, &wanted, self.born, xattrs, &mut report);
        }
        if let Err(cause) = self.put() {
            problems.push(self.error("replace", cause));
        }
        problems
    }

    /// Gives a file that was changed where it is the mode back that it had, except for what it is
    /// not to allow any more: some of what is in it may be new.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn leave(self, had: u32, wanted: u32) -> Result<()> {
        let mode = rustix::fs::Mode::from_raw_mode(had & wanted);
        rustix::fs::fchmod(&self.file, mode)
            .map_err(|errno| self.error("change the mode of", errno.into()))
    }

    /// Whether it is the file that was there.
    pub const fn is_in_place(&self) -> bool {
        matches!(self.placing, Placing::InPlace)
    }

    /// Takes the place that it was made for.
    fn put(&mut self) -> Attempt<()> {
        if let Placing::Beside { dir, temporary } = &self.placing {
            rustix::fs::renameat(&**dir, &**temporary, &**dir, &*self.key.name)?;
            self.placing = Placing::There;
        }
        Ok(())
    }

    /// Takes bytes over from another file, at the same place: by sharing them where the file
    /// system can, else by copying.
    ///
    /// # Errors
    /// As [`Self::write_at`], or when the other file cannot be read or has become shorter.
    pub fn take_over(&self, from: &File, offset: u64, len: u64) -> Result<()> {
        let take = || -> Attempt<()> {
            let end = self.end(offset, len)?;
            copy(from, &self.file, offset, end)?;
            self.reach(end);
            Ok(())
        };
        take().map_err(|cause| self.error("write", cause))
    }

    /// Takes over all that is no hole in another file, up to `len`.
    ///
    /// # Errors
    /// As [`Self::take_over`].
    pub fn take_over_data(&self, from: &File, len: u64) -> Result<()> {
        let mut at = 0;
        while at < len {
            let data = match seek(from, SeekFrom::Data(at)) {
                Ok(data) => data.min(len),
                Err(Errno::NXIO) => break,
                // A file system that knows no holes.
                Err(_) => at,
            };
            let end = match seek(from, SeekFrom::Hole(data)) {
                Ok(end) if end > data => end.min(len),
                _ => len,
            };
            if data < end {
                self.take_over(from, data, end - data)?;
            }
            at = end.max(at + 1);
        }
        Ok(())
    }

    /// Makes a range of a file that was there a hole, or zeros that take space.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    pub fn clear(&self, offset: u64, len: u64, hole: bool) -> Result<()> {
        let clear = || -> Attempt<()> {
            let end = self.end(offset, len)?;
            if len != 0 && !punch(&self.file, offset, len)? {
                self.write_zeros(offset, len)?;
            } else if len != 0 && !hole {
                self.allocate(offset, len)?;
            }
            self.reach(end);
            Ok(())
        };
        clear().map_err(|cause| self.error("write", cause))
    }

    /// False when this file system cannot allocate.
    fn allocate(&self, offset: u64, len: u64) -> rustix::io::Result<bool> {
        match retry_on_intr(|| fallocate(&self.file, FallocateFlags::empty(), offset, len)) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write_zeros(&self, mut offset: u64, mut len: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        while len != 0 {
            let step = len.min(ZEROS.len() as u64);
            self.file.write_all_at(&ZEROS[..step as usize], offset)?;
            (offset, len) = (offset + step, len - step);
        }
        Ok(())
    }

    fn end(&self, offset: u64, len: u64) -> Attempt<u64> {
        offset.checked_add(len).ok_or_else(|| Errno::FBIG.into())
    }

    fn reach(&self, end: u64) {
        self.reached.fetch_max(end, Relaxed);
    }

    fn error(&self, operation: &'static str, cause: Cause) -> TreeError {
        TreeError::new(&self.key, operation, cause)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Placing::Beside { dir, temporary } = &self.placing {
            // If it cannot be removed, the next restore tries again.
            let _ = rustix::fs::unlinkat(&**dir, &**temporary, AtFlags::empty());
        }
    }
}

/// What the metadata of an open file are.
fn now(file: &File) -> Attempt<Owned> {
    let xattrs = seen::xattrs_of(file.as_fd())?;
    Ok(Seen::of(file.as_fd())?.owned(xattrs))
}

/// Frees a range, which reads as zero then and keeps the length of the file. False when this file
/// system cannot.
pub(super) fn punch(file: &File, offset: u64, len: u64) -> rustix::io::Result<bool> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match retry_on_intr(|| fallocate(file, flags, offset, len)) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies a range from one file to another; the kernel shares blocks where the file system can.
fn copy(from: &File, to: &File, mut at: u64, end: u64) -> Attempt<()> {
    const STEP: u64 = 1 << 30;
    while at < end {
        let (mut from_at, mut to_at) = (at, at);
        let step = (end - at).min(STEP) as usize;
        let copy =
            || rustix::fs::copy_file_range(from, Some(&mut from_at), to, Some(&mut to_at), step);
        match { copy }() {
            Ok(0) => return Err(Cause::Changed),
            Ok(len) => at += len as u64,
            Err(Errno::INTR) => {}
            // File systems do not agree on how to say that they cannot.
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {
                return copy_by_hand(from, to, at, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, mut at: u64, end: u64) -> Attempt<()> {
    let mut buffer = vec![0; 256 << 10];
    while at < end {
        let step = (end - at).min(buffer.len() as u64) as usize;
        let len = from.read_at(&mut buffer[..step], at)?;
        if len == 0 {
            return Err(Cause::Changed);
        }
        to.write_all_at(&buffer[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

/// Whether the node itself shows that every byte of it takes space.
pub(super) fn is_solid(node: &Node) -> bool {
    let solid = |item: &Item| matches!(item, Item::Data(..) | Item::Zero(_));
    let is_image = node.kind == NodeKind::Image;
    !is_image && matches!(&node.content, Some(Content::Items(items)) if items.iter().all(solid))
}
