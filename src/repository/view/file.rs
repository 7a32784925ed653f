//! The content of one entry, read from anywhere, in any order, by any number of threads.

use super::ahead::{self, Reading};
use super::leaves::{self, Leaf, Leaves};
use super::tree::Tree;
use crate::repository::chunks::Chunks;
use crate::repository::error::{Error, Result};
use crate::repository::packer::lock;
use esker_format::FormatError;
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::node::Node;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// A file, stream or image that is open.
pub struct File {
    tree: Arc<Tree>,
    /// What it is called in errors.
    name: String,
    len: u64,
    content: Held,
    leaves: Mutex<Leaves>,
    reading: Mutex<Reading>,
}

enum Held {
    Inline(Vec<u8>),
    Items,
    /// It could not be read when it was saved.
    Nothing,
}

/// Consecutive bytes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// How many, from where was asked on.
    pub len: u64,
    /// Whether they are zeros that take no room.
    pub is_zero: bool,
}

impl File {
    /// Opens what a node of `tree` says, under a name for errors.
    pub fn new(tree: &Arc<Tree>, name: String, node: &Node) -> Arc<Self> {
        let (content, leaves) = match &node.content {
            Some(Content::Inline(bytes)) => {
                (Held::Inline(bytes.clone()), Leaves::new(&Content::Inline(Vec::new())))
            }
            Some(content) => (Held::Items, Leaves::new(content)),
            None => (Held::Nothing, Leaves::new(&Content::Inline(Vec::new()))),
        };
        Arc::new(Self {
            tree: Arc::clone(tree),
            name,
            len: node.len(),
            content,
            leaves: Mutex::new(leaves),
            reading: Mutex::default(),
        })
    }

    /// Bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads at `offset` until `out` is full or the file ends; returns the bytes read.
    ///
    /// # Errors
    /// When some of these bytes are damaged, were lost, or cannot be had: what others may be read.
    pub fn read_at(self: &Arc<Self>, offset: u64, out: &mut [u8]) -> Result<usize> {
        let len = self.len.saturating_sub(offset).min(out.len() as u64) as usize;
        let out = &mut out[..len];
        match &self.content {
            _ if len == 0 => {}
            Held::Inline(bytes) => {
                out.copy_from_slice(&bytes[offset as usize..offset as usize + len]);
            }
            Held::Nothing => return Err(self.lost("its content could not be read")),
            Held::Items => {
                self.look_ahead(offset..offset + len as u64);
                let tree = &self.tree;
                tree.view().read(tree.scope(), |chunks| self.fill(chunks, offset, out))?;
            }
        }
        Ok(len)
    }

    /// Whether the `len` bytes at `offset`, or those up to the end, are zeros that take no room: the same
    /// as reading them, for who has zeros.
    ///
    /// # Errors
    /// As [`File::stretch`].
    pub fn is_zero(self: &Arc<Self>, offset: u64, len: u64) -> Result<bool> {
        let len = len.min(self.len.saturating_sub(offset));
        let stretch = self.stretch(offset)?;
        let is_zero = stretch.is_some_and(|stretch| stretch.is_zero && stretch.len >= len);
        if is_zero {
            self.look_ahead(offset..offset + len);
        }
        Ok(is_zero)
    }

    /// What is at `offset`, and how far it goes at most; none at the end. What was lost counts as data.
    ///
    /// # Errors
    /// When the list of the content is damaged there, or store or index fail.
    pub fn stretch(&self, offset: u64) -> Result<Option<Stretch>> {
        if offset >= self.len {
            return Ok(None);
        }
        if !matches!(self.content, Held::Items) {
            return Ok(Some(Stretch { len: self.len - offset, is_zero: false }));
        }
        let tree = &self.tree;
        let leaf = tree.view().read(tree.scope(), |chunks| self.leaf(chunks, offset))?;
        let mut stretch: Option<Stretch> = None;
        for (start, item) in leaf.from(offset) {
            let is_zero = matches!(item, Item::Hole(_) | Item::Zero(_));
            let len = start + item.len() - offset.max(start);
            match &mut stretch {
                None => stretch = Some(Stretch { len, is_zero }),
                Some(so_far) if so_far.is_zero == is_zero => so_far.len += len,
                Some(_) => break,
            }
        }
        Ok(stretch)
    }

    /// Copies bytes that are all within the content.
    fn fill(&self, chunks: &mut Chunks, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < out.len() {
            let leaf = self.leaf(chunks, offset + done as u64)?;
            for (start, item) in leaf.from(offset + done as u64) {
                let skip = offset + done as u64 - start;
                let len = (item.len() - skip).min((out.len() - done) as u64) as usize;
                let space = &mut out[done..done + len];
                match item {
                    Item::Data(id, whole) => {
                        let bytes = chunks.get(id, *whole, FrameType::Data)?;
                        space.copy_from_slice(&bytes[skip as usize..skip as usize + len]);
                    }
                    Item::Hole(_) | Item::Zero(_) => space.fill(0),
                    Item::Lost(_) => return Err(self.lost("it was unreadable when it was saved")),
                }
                done += len;
                if done == out.len() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Opens the frames of a range, as far as they can be had: whoever wants these bytes meets the same
    /// error, and tells it.
    pub(super) fn prepare(&self, range: Range<u64>) {
        let done = self.tree.view().read(self.tree.scope(), |chunks| self.open(chunks, &range));
        if let Ok(data) = done {
            lock(&self.reading).found(&range, data);
        }
    }

    /// Opens the frames of a range. Returns the bytes of data in it.
    fn open(&self, chunks: &mut Chunks, range: &Range<u64>) -> Result<u64> {
        let (mut at, mut data) = (range.start, 0);
        while at < range.end.min(self.len) {
            let leaf = self.leaf(chunks, at)?;
            for (start, item) in leaf.from(at) {
                if start >= range.end {
                    return Ok(data);
                }
                let end = start + item.len();
                if let Item::Data(id, len) = item {
                    chunks.prepare(id, *len)?;
                    data += end.min(range.end) - at;
                }
                at = end;
            }
        }
        Ok(data)
    }

    pub(super) fn leaf(&self, chunks: &mut Chunks, at: u64) -> Result<Arc<Leaf>> {
        let mut leaves = lock(&self.leaves);
        if let Some(leaf) = leaves.kept(at) {
            return Ok(leaf);
        }
        let root = leaves.root();
        drop(leaves);
        let short = || self.lost("its content is shorter than it should be");
        let leaf = leaves::read(chunks, root.ok_or_else(short)?, at)?.ok_or_else(short)?;
        lock(&self.leaves).keep(&leaf);
        Ok(leaf)
    }

    /// Has frames opened that will be wanted next, when somebody reads from the front to the back.
    fn look_ahead(self: &Arc<Self>, range: Range<u64>) {
        let view = self.tree.view();
        let most = (view.frames.budget() as u64 / 4).min(ahead::MOST);
        let next = lock(&self.reading).note(range, self.len, most);
        for range in next {
            view.ahead().push(Arc::clone(self), range);
        }
    }

    fn lost(&self, why: &'static str) -> Error {
        let source = FormatError::Malformed { what: "file", why };
        Error::Damaged { object: self.name.clone(), source }
    }
}
