//! Reading a path map: entries in order, a subtree, or one path.

use crate::repository::chunks::Chunks;
use crate::repository::error::{Error, Result};
use esker_format::FormatError;
use esker_format::frame::FrameType;
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::{MapKey, is_below};
use std::cmp::Ordering;

/// Which entries are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bounds {
    /// All.
    All,
    /// What lies below the entry with this key, without the entry itself.
    Below(MapKey),
    /// The entry with this key.
    One(MapKey),
}

impl Bounds {
    /// Where `key` lies: before, within or behind the range.
    pub(super) fn place(&self, key: &MapKey) -> Ordering {
        match self {
            Self::All => Ordering::Equal,
            Self::One(wanted) => key.cmp(wanted),
            Self::Below(ancestor) => {
                let below = ancestor.as_parent();
                match key.parent.cmp(&below) {
                    _ if *key == MapKey::root() => Ordering::Less,
                    _ if below.is_empty() || is_below(&key.parent, &below) => Ordering::Equal,
                    other => other,
                }
            }
        }
    }

    /// Of pages of `level` that follow each other, those that can hold wanted entries, last first.
    pub(super) fn queue(&self, level: u8, pages: Vec<PageRef>) -> Vec<(PageRef, u8)> {
        let firsts: Vec<MapKey> = pages.iter().map(PageRef::first).collect();
        let mut queue = Vec::new();
        for (at, page) in pages.into_iter().enumerate().rev() {
            let behind = self.place(&firsts[at]) == Ordering::Greater;
            // A page ends before the first key of the next one.
            let before = firsts.get(at + 1).is_some_and(|next| match self.place(next) {
                Ordering::Less => true,
                Ordering::Equal => matches!(self, Self::One(wanted) if next == wanted),
                Ordering::Greater => false,
            });
            if !behind && !before {
                queue.push((page, level));
            }
        }
        queue
    }
}

/// What a walk meets.
#[derive(Debug)]
pub enum Found {
    /// An entry.
    Entry(Box<Entry>),
    /// A page that cannot be read, and all entries below it with it.
    Lost {
        /// The first of them.
        first: MapKey,
        /// How many there are.
        entries: u64,
        /// Why.
        error: Error,
    },
}

/// A walk through a path map, one page of each level in memory.
pub struct Map {
    bounds: Bounds,
    /// Pages still to be read, next one last, with their levels.
    pages: Vec<(PageRef, u8)>,
    entries: std::vec::IntoIter<Entry>,
}

impl Map {
    /// A walk over the entries within `bounds` of the map with this root.
    pub fn new(root: Option<(&PageRef, u8)>, bounds: Bounds) -> Self {
        let pages = root.map(|(page, level)| (page.clone(), level)).into_iter().collect();
        Self { bounds, pages, entries: Vec::new().into_iter() }
    }

    /// The next entry, or the next loss; none at the end.
    ///
    /// # Errors
    /// When store or index fail; damage is a [`Found::Lost`] instead.
    pub fn next(&mut self, chunks: &mut Chunks) -> Result<Option<Found>> {
        loop {
            for entry in self.entries.by_ref() {
                match self.bounds.place(&entry.key) {
                    Ordering::Less => {}
                    Ordering::Equal => return Ok(Some(Found::Entry(Box::new(entry)))),
                    Ordering::Greater => return Ok(None),
                }
            }
            let Some((page, level)) = self.pages.pop() else { return Ok(None) };
            match read_page(chunks, &page, level) {
                Ok(Page::Leaf(entries)) => self.entries = entries.into_iter(),
                Ok(Page::Inner(level, below)) => {
                    self.pages.extend(self.bounds.queue(level - 1, below))
                }
                Err(error) if error.is_damage() => {
                    let (first, entries) = (page.first(), page.entries);
                    return Ok(Some(Found::Lost { first, entries, error }));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads a page and checks it against its reference.
pub(super) fn read_page(chunks: &mut Chunks, reference: &PageRef, level: u8) -> Result<Page> {
    let bytes = chunks.get(&reference.page, reference.page_len, FrameType::Page)?;
    let damaged = |e: FormatError| Error::damaged(format!("page {}", reference.page), e);
    let page = Page::decode(bytes).map_err(damaged)?;
    page.expect(reference, level).map_err(damaged)?;
    Ok(page)
}

/// Calls `visit` for all that is found within `bounds`.
///
/// # Errors
/// What [`Map::next`] or `visit` say.
pub fn walk(
    chunks: &mut Chunks,
    root: Option<(&PageRef, u8)>,
    bounds: Bounds,
    visit: &mut dyn FnMut(Found) -> Result<()>,
) -> Result<()> {
    let mut map = Map::new(root, bounds);
    while let Some(found) = map.next(chunks)? {
        visit(found)?;
    }
    Ok(())
}
