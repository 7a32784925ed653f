//! A file that is being filled.

use super::error::{Attempt, Cause, Result, TreeError};
use crate::restore::metadata::{Born, Place, Rules, Wanted};
use esker_format::content::{Content, Item};
use esker_format::node::{Node, Xattr};
use esker_format::path::MapKey;
use rustix::fs::{FallocateFlags, fallocate};
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
    pub fn finish(self, node: &Node, xattrs: &[Xattr]) -> Vec<TreeError> {
        let mut problems = Vec::new();
        let mut report = |operation, cause| problems.push(self.error(operation, cause));
        // A hole at the end, or ranges that nobody could fetch. This clears set-id bits and
        // capabilities, so it comes before them.
        if self.reached.load(Relaxed) != node.len()
            && let Err(error) = self.file.set_len(node.len())
        {
            report("set the length of", error.into());
        }
        let place = Place::Open(self.file.as_fd());
        self.rules.apply(&place, &Wanted::from(node), self.born, xattrs, &mut report);
        problems
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

/// Whether the node itself shows that every byte of it takes space.
pub(super) fn is_solid(node: &Node) -> bool {
    let solid = |item: &Item| matches!(item, Item::Data(..) | Item::Zero(_));
    matches!(&node.content, Some(Content::Items(items)) if items.iter().all(solid))
}
