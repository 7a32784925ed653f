//! Builds a path map from entries in order, one page a level in memory.
//!
//! A page ends before a key when it has at least 64 entries and the key's cut number says so, or
//! when it is full. Cuts depend on keys only: a changed value rewrites one leaf and its ancestors.

use crate::error::{FormatError, Result, malformed, within};
use crate::ids::ChunkId;
use crate::key::ScopeKeys;
use crate::limits::{LEVELS_MAX, PAGE_ENTRIES_MAX, PAGE_ENTRIES_MIN, PAGE_KEYS_MAX, PAGE_MAX};
use crate::page::{Entry, Page, PageRef, reference_to};
use crate::path::MapKey;

/// A leaf has 64 entries and on average this many more: about 32 KiB.
const LEAF_MORE: u32 = 192;
/// An inner page has 64 pages and on average this many more.
const INNER_MORE: u32 = 64;

/// Takes entries in ascending order and hands finished pages to a store function.
pub struct MapBuilder<'k> {
    keys: &'k ScopeKeys,
    leaf: Vec<Entry>,
    leaf_keys: usize,
    /// Pages not yet in a page of their own, by level from 1 on, with the bytes of their keys.
    inner: Vec<(Vec<PageRef>, usize)>,
}

/// Stores an encoded page and returns its id.
pub type StorePage<'a, E> = dyn FnMut(&[u8]) -> std::result::Result<ChunkId, E> + 'a;

impl<'k> MapBuilder<'k> {
    /// An empty map.
    pub fn new(keys: &'k ScopeKeys) -> Self {
        Self { keys, leaf: Vec::new(), leaf_keys: 0, inner: Vec::new() }
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// When the entry breaks a rule or is out of order, or `store` fails.
    pub fn push<E: From<FormatError>>(
        &mut self,
        entry: Entry,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        entry.key.check()?;
        entry.node.check()?;
        if let Some(last) = self.leaf.last() {
            if last.key >= entry.key {
                return Err(malformed("path map", "entries are not in order").into());
            }
            if self.cuts(0, LEAF_MORE, self.leaf.len(), self.leaf_keys, &entry.key) {
                self.end_leaf(store)?;
            }
        }
        self.leaf_keys += entry.key.parent.len() + entry.key.name.len();
        self.leaf.push(entry);
        Ok(())
    }

    /// Ends the map and returns the reference to its root page and the root's level; `None` for a
    /// map without entries.
    ///
    /// # Errors
    /// When `store` fails or there are more levels than the limit.
    pub fn finish<E: From<FormatError>>(
        mut self,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<Option<(PageRef, u8)>, E> {
        if self.leaf.is_empty() {
            return Ok(None);
        }
        self.end_leaf(store)?;
        let mut level = 0;
        loop {
            let top = level + 1 == self.inner.len();
            let (pages, _) = &mut self.inner[level];
            if top && pages.len() == 1 {
                return Ok(pages.pop().map(|page| (page, level as u8)));
            }
            self.end_inner(level, store)?;
            level += 1;
        }
    }

    fn cuts(&self, level: u8, more: u32, entries: usize, key_bytes: usize, next: &MapKey) -> bool {
        entries >= PAGE_ENTRIES_MAX
            || key_bytes >= PAGE_KEYS_MAX
            || (entries >= PAGE_ENTRIES_MIN
                && self.keys.cut_number(level, &next.joined()) < u32::MAX / more)
    }

    fn end_leaf<E: From<FormatError>>(
        &mut self,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        let page = Page::Leaf(std::mem::take(&mut self.leaf));
        self.leaf_keys = 0;
        let reference = stored(&page, store)?;
        let Page::Leaf(mut entries) = page else { return Ok(()) };
        entries.clear();
        self.leaf = entries;
        self.add(0, reference, store)
    }

    /// Ends the page that gathers references of `self.inner[level]`, which makes a page of level + 1.
    fn end_inner<E: From<FormatError>>(
        &mut self,
        level: usize,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        let (pages, _) = std::mem::take(&mut self.inner[level]);
        let number = u8::try_from(level + 1).unwrap_or(u8::MAX);
        if number > LEVELS_MAX {
            return Err(malformed("path map", "too many levels").into());
        }
        let reference = stored(&Page::Inner(number, pages), store)?;
        self.add(level + 1, reference, store)
    }

    fn add<E: From<FormatError>>(
        &mut self,
        level: usize,
        page: PageRef,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        if self.inner.len() == level {
            self.inner.push((Vec::new(), 0));
        }
        let (pages, key_bytes) = &self.inner[level];
        if !pages.is_empty()
            && self.cuts(level as u8 + 1, INNER_MORE, pages.len(), *key_bytes, &page.first())
        {
            self.end_inner(level, store)?;
        }
        let (pages, key_bytes) = &mut self.inner[level];
        *key_bytes += page.parent.len() + page.name.len();
        pages.push(page);
        Ok(())
    }
}

fn stored<E: From<FormatError>>(
    page: &Page,
    store: &mut StorePage<'_, E>,
) -> std::result::Result<PageRef, E> {
    let bytes = page.encode();
    within("page", bytes.len(), PAGE_MAX)?;
    let id = store(&bytes)?;
    let reference: Result<PageRef> = reference_to(page, id, bytes.len() as u64);
    Ok(reference?)
}
