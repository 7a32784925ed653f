//! The bytes of a file, or those of one partition of a disk image.

use crate::repository::Result;
use crate::repository::view::{File, Stretch, Tree};
use esker_format::image::{DISK, DiskPartition, decode};
use esker_format::node::{Node, NodeKind};
use std::sync::Arc;

/// Bytes that follow each other in a file.
#[derive(Clone)]
pub struct Part {
    file: Arc<File>,
    start: u64,
    len: u64,
}

impl Part {
    /// All of a file.
    pub fn whole(file: Arc<File>) -> Self {
        let len = file.len();
        Self { file, start: 0, len }
    }

    /// A partition, as far as the image reaches: what is said of one comes from the disk that was saved.
    pub fn of(file: Arc<File>, partition: &DiskPartition) -> Self {
        let start = partition.start.min(file.len());
        let len = partition.len.min(file.len() - start);
        Self { file, start, len }
    }

    /// Bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads at `offset` until `out` is full or the part ends; returns the bytes read.
    ///
    /// # Errors
    /// As [`File::read_at`].
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let len = self.len.saturating_sub(offset).min(out.len() as u64) as usize;
        if len == 0 {
            return Ok(0);
        }
        self.file.read_at(self.start + offset, &mut out[..len])
    }

    /// Whether the `len` bytes at `offset`, or those up to the end, are zeros that take no room: the same
    /// as reading them, for who has zeros.
    ///
    /// # Errors
    /// As [`File::stretch`].
    pub fn is_zero(&self, offset: u64, len: u64) -> Result<bool> {
        let len = len.min(self.len.saturating_sub(offset));
        Ok(len > 0 && self.file.is_zero(self.start + offset, len)?)
    }

    /// What is at `offset`, and how far it goes at most; none at the end.
    ///
    /// # Errors
    /// As [`File::stretch`].
    pub fn stretch(&self, offset: u64) -> Result<Option<Stretch>> {
        if offset >= self.len {
            return Ok(None);
        }
        let stretch = self.file.stretch(self.start + offset)?;
        Ok(stretch.map(|stretch| Stretch { len: stretch.len.min(self.len - offset), ..stretch }))
    }
}

/// The partitions of an image, in the order of its table; none of anything else.
///
/// # Errors
/// When what is said of the disk cannot be read.
pub fn partitions(tree: &Tree, node: &Node) -> Result<Vec<DiskPartition>> {
    if node.kind != NodeKind::Image {
        return Ok(Vec::new());
    }
    let attributes = tree.xattrs(node)?;
    let disk = attributes.iter().find(|(name, _)| name == DISK);
    let disk = disk.and_then(|(_, value)| decode(value).ok());
    Ok(disk.map_or_else(Vec::new, |disk| disk.partitions))
}
