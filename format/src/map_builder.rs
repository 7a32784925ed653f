//! Builds a path map from entries in order, one page a level in memory.
//!
//! A page ends before a key when it has at least 64 entries and the key's cut number says so, or
//! when it is full. Cuts depend on keys only: a changed value rewrites one leaf and its ancestors.
//!
//! A leaf that is known to be what it was can be taken over without its entries, and gives the same
//! map as they would: it is opened only where what stands before or behind it moves its cuts.

use crate::error::{FormatError, Result, malformed, within};
use crate::ids::ChunkId;
use crate::key::ScopeKeys;
use crate::limits::{LEVELS_MAX, PAGE_ENTRIES_MAX, PAGE_ENTRIES_MIN, PAGE_KEYS_MAX, PAGE_MAX};
use crate::page::{Entry, Page, PageRef, reference_to};
use crate::path::MapKey;
use std::convert::Infallible;

/// A leaf has 64 entries and on average this many more: about 32 KiB.
const LEAF_MORE: u32 = 192;
/// An inner page has 64 pages and on average this many more.
const INNER_MORE: u32 = 64;

/// Takes entries in ascending order, and leaves that are known, and hands finished pages to `S`.
pub struct MapBuilder<'k, S: Pages> {
    keys: &'k ScopeKeys,
    leaf: Vec<Entry>,
    leaf_keys: usize,
    /// The leaf taken over last: whether it ends where it did depends on the next key.
    known: Option<KnownLeaf<S::Known>>,
    /// Pages not yet in a page of their own, by level from 1 on, with the bytes of their keys.
    inner: Vec<(Vec<PageRef>, usize)>,
}

/// Where pages go. A function that stores an encoded page and returns its id is one.
pub trait Pages {
    /// Why a page cannot be stored.
    type Error: From<FormatError>;
    /// What stands for the content of a leaf that is known.
    type Known;

    /// Stores a page, whose encoding is `bytes`, and returns its id.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn store(&mut self, page: &Page, bytes: &[u8]) -> std::result::Result<ChunkId, Self::Error>;

    /// Learns that a known leaf is part of the map as it is.
    fn keep(&mut self, known: Self::Known);

    /// The entries of a known leaf, because it is no part of the map as it is.
    ///
    /// # Errors
    /// When they cannot be had.
    fn open(&mut self, known: Self::Known) -> std::result::Result<Vec<Entry>, Self::Error>;
}

impl<E: From<FormatError>, F: FnMut(&[u8]) -> std::result::Result<ChunkId, E>> Pages for F {
    type Error = E;
    type Known = Infallible;

    fn store(&mut self, _: &Page, bytes: &[u8]) -> std::result::Result<ChunkId, E> {
        self(bytes)
    }
    fn keep(&mut self, known: Infallible) {
        match known {}
    }
    fn open(&mut self, known: Infallible) -> std::result::Result<Vec<Entry>, E> {
        match known {}
    }
}

/// A leaf that a map had before.
pub struct KnownLeaf<K> {
    /// The reference to it.
    pub reference: PageRef,
    /// Bytes of the keys of its entries, each with its whole parent.
    pub key_bytes: usize,
    /// What stands for its content.
    pub known: K,
}

type Done<S> = std::result::Result<(), <S as Pages>::Error>;

impl<'k, S: Pages> MapBuilder<'k, S> {
    /// An empty map.
    pub fn new(keys: &'k ScopeKeys) -> Self {
        Self { keys, leaf: Vec::new(), leaf_keys: 0, known: None, inner: Vec::new() }
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// When the entry breaks a rule or is out of order, or `pages` fails.
    pub fn push(&mut self, entry: Entry, pages: &mut S) -> Done<S> {
        entry.key.check()?;
        entry.node.check()?;
        self.settle(&entry.key, pages)?;
        if let Some(last) = self.leaf.last() {
            if last.key >= entry.key {
                return Err(malformed("path map", "entries are not in order").into());
            }
            if self.cuts(0, LEAF_MORE, self.leaf.len(), self.leaf_keys, &entry.key) {
                self.end_leaf(pages)?;
            }
        }
        self.leaf_keys += entry.key.parent.len() + entry.key.name.len();
        self.leaf.push(entry);
        Ok(())
    }

    /// Adds all entries of a leaf that another map of the same repository had, in the place where
    /// they follow each other here too.
    ///
    /// # Errors
    /// As [`MapBuilder::push`].
    pub fn push_leaf(&mut self, leaf: KnownLeaf<S::Known>, pages: &mut S) -> Done<S> {
        let first = leaf.reference.first();
        self.settle(&first, pages)?;
        if let Some(last) = self.leaf.last() {
            if last.key >= first {
                return Err(malformed("path map", "entries are not in order").into());
            }
            if !self.cuts(0, LEAF_MORE, self.leaf.len(), self.leaf_keys, &first) {
                let entries = pages.open(leaf.known)?;
                return entries.into_iter().try_for_each(|entry| self.push(entry, pages));
            }
            self.end_leaf(pages)?;
        }
        self.known = Some(leaf);
        Ok(())
    }

    /// Decides about the leaf taken over last, now that the key behind it is known.
    fn settle(&mut self, next: &MapKey, pages: &mut S) -> Done<S> {
        let Some(KnownLeaf { reference, key_bytes, known }) = self.known.take() else {
            return Ok(());
        };
        let entries = usize::try_from(reference.entries).unwrap_or(usize::MAX);
        if self.cuts(0, LEAF_MORE, entries, key_bytes, next) {
            pages.keep(known);
            return self.add(0, reference, pages);
        }
        self.leaf = pages.open(known)?;
        self.leaf_keys = key_bytes;
        Ok(())
    }

    /// Ends the map and returns the reference to its root page and the root's level; `None` for a
    /// map without entries.
    ///
    /// # Errors
    /// When `pages` fails or there are more levels than the limit.
    pub fn finish(mut self, pages: &mut S) -> std::result::Result<Option<(PageRef, u8)>, S::Error> {
        if let Some(KnownLeaf { reference, known, .. }) = self.known.take() {
            pages.keep(known);
            self.add(0, reference, pages)?;
        } else if self.leaf.is_empty() {
            return Ok(None);
        } else {
            self.end_leaf(pages)?;
        }
        let mut level = 0;
        loop {
            let top = level + 1 == self.inner.len();
            let (below, _) = &mut self.inner[level];
            if top && below.len() == 1 {
                return Ok(below.pop().map(|page| (page, level as u8)));
            }
            self.end_inner(level, pages)?;
            level += 1;
        }
    }

    fn cuts(&self, level: u8, more: u32, entries: usize, key_bytes: usize, next: &MapKey) -> bool {
        entries >= PAGE_ENTRIES_MAX
            || key_bytes >= PAGE_KEYS_MAX
            || (entries >= PAGE_ENTRIES_MIN
                && self.keys.cut_number(level, &next.joined()) < u32::MAX / more)
    }

    fn end_leaf(&mut self, pages: &mut S) -> Done<S> {
        let page = Page::Leaf(std::mem::take(&mut self.leaf));
        self.leaf_keys = 0;
        let reference = stored(&page, pages)?;
        let Page::Leaf(mut entries) = page else { return Ok(()) };
        entries.clear();
        self.leaf = entries;
        self.add(0, reference, pages)
    }

    /// Ends the page that gathers references of `self.inner[level]`, which makes a page of level + 1.
    fn end_inner(&mut self, level: usize, pages: &mut S) -> Done<S> {
        let (below, _) = std::mem::take(&mut self.inner[level]);
        let number = u8::try_from(level + 1).unwrap_or(u8::MAX);
        if number > LEVELS_MAX {
            return Err(malformed("path map", "too many levels").into());
        }
        let reference = stored(&Page::Inner(number, below), pages)?;
        self.add(level + 1, reference, pages)
    }

    fn add(&mut self, level: usize, page: PageRef, pages: &mut S) -> Done<S> {
        if self.inner.len() == level {
            self.inner.push((Vec::new(), 0));
        }
        let (below, key_bytes) = &self.inner[level];
        if !below.is_empty()
            && self.cuts(level as u8 + 1, INNER_MORE, below.len(), *key_bytes, &page.first())
        {
            self.end_inner(level, pages)?;
        }
        let (below, key_bytes) = &mut self.inner[level];
        *key_bytes += page.parent.len() + page.name.len();
        below.push(page);
        Ok(())
    }
}

fn stored<S: Pages>(page: &Page, pages: &mut S) -> std::result::Result<PageRef, S::Error> {
    let bytes = page.encode();
    within("page", bytes.len(), PAGE_MAX)?;
    let id = pages.store(page, &bytes)?;
    let reference: Result<PageRef> = reference_to(page, id, bytes.len() as u64);
    Ok(reference?)
}
