//! The items of a content list by where they begin, a leaf of the list at a time.

use crate::repository::chunks::Chunks;
use crate::repository::content::{read_list_page, root_ref};
use crate::repository::error::Result;
use esker_format::content::{Content, Item};
use esker_format::list::{ListPage, ListRef};
use std::sync::Arc;

/// Leaves kept, each of some hundred items.
const KEPT: usize = 16;

/// Consecutive items of one content.
pub struct Leaf {
    /// Where the first of them begins in the file, and each one after it; then where the last one ends.
    starts: Vec<u64>,
    items: Vec<Item>,
}

impl Leaf {
    fn new(mut start: u64, items: Vec<Item>) -> Self {
        let mut starts = Vec::with_capacity(items.len() + 1);
        for item in &items {
            starts.push(start);
            start += item.len();
        }
        starts.push(start);
        Self { starts, items }
    }

    fn holds(&self, at: u64) -> bool {
        self.starts.first().is_some_and(|first| *first <= at)
            && self.starts.last().is_some_and(|end| at < *end)
    }

    /// The item with the byte at `at`, where it begins, and those behind it. None when `at` is not here.
    pub fn from(&self, at: u64) -> impl Iterator<Item = (u64, &Item)> {
        let first = self.starts.partition_point(|start| *start <= at).wrapping_sub(1);
        self.starts.iter().copied().zip(&self.items).skip(first)
    }
}

/// Leaves of one content, those used last in memory.
pub struct Leaves {
    root: Option<(ListRef, u8)>,
    /// Most recently used first.
    kept: Vec<Arc<Leaf>>,
}

impl Leaves {
    /// Of content that is not inline.
    pub fn new(content: &Content) -> Self {
        match content {
            Content::Inline(_) => Self { root: None, kept: Vec::new() },
            Content::Items(items) => {
                Self { root: None, kept: vec![Arc::new(Leaf::new(0, items.clone()))] }
            }
            Content::List(root) => {
                Self { root: Some((root_ref(root), root.level as u8)), kept: Vec::new() }
            }
        }
    }

    /// The leaf with the byte at `at` when it is in memory.
    pub fn kept(&mut self, at: u64) -> Option<Arc<Leaf>> {
        let found = self.kept.iter().position(|leaf| leaf.holds(at))?;
        self.kept[..=found].rotate_right(1);
        self.kept.first().map(Arc::clone)
    }

    /// Where to begin to look for it.
    pub fn root(&self) -> Option<(ListRef, u8)> {
        self.root.clone()
    }

    /// Keeps a leaf that was read.
    pub fn keep(&mut self, leaf: &Arc<Leaf>) {
        self.kept.truncate(KEPT - 1);
        self.kept.insert(0, Arc::clone(leaf));
    }
}

/// Reads the leaf with the byte at `at`; none when the list is shorter.
///
/// # Errors
/// When a page of the list is missing or damaged, or store or index fail.
pub fn read(chunks: &mut Chunks, root: (ListRef, u8), at: u64) -> Result<Option<Arc<Leaf>>> {
    let ((mut page, mut level), mut start) = (root, 0u64);
    loop {
        match read_list_page(chunks, &page, level)? {
            ListPage::Leaf(items) => {
                return Ok(Some(Arc::new(Leaf::new(start, items))).filter(|leaf| leaf.holds(at)));
            }
            ListPage::Inner(_, below) => {
                let mut found = None;
                for next in below {
                    if at < start + next.bytes {
                        found = Some(next);
                        break;
                    }
                    start += next.bytes;
                }
                let Some(next) = found else { return Ok(None) };
                (page, level) = (next, level - 1);
            }
        }
    }
}
