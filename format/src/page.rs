//! Pages of the path map. Leaves hold entries, inner pages hold their pages' first keys.
//!
//! ```text
//! leaf   [0, [[parent, [[name, node], …]], …]]        groups of equal parent
//! inner  [level, [{0 parent, 1 name, 2 page, 3 length, 4 entries, 5 bytes}, …]]
//! ```

use crate::cbor::{self, Cbor, Reader, Writer};
use crate::cbor_map;
use crate::content::check_page_len;
use crate::error::{FormatError, Result, malformed, within};
use crate::ids::ChunkId;
use crate::limits::{LEVELS_MAX, PAGE_ENTRIES_MAX, PAGE_KEYS_MAX, PAGE_MAX};
use crate::node::Node;
use crate::path::{MapKey, check_key, check_name, check_parent};

/// One entry of a path map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub key: MapKey,
    /// What is there.
    pub node: Node,
}

cbor_map! {
    /// A reference to a page one level below. A whole path map is one of these.
    pub struct PageRef {
        /// Parent of the first key below the page.
        0 => parent: Vec<u8>,
        /// Name of the first key below the page.
        1 => name: Vec<u8>,
        /// The page.
        2 => page: ChunkId,
        /// Its length in bytes.
        3 => page_len: u64,
        /// Entries below it.
        4 => entries: u64,
        /// Bytes of content below it, holes included, hard links counted each time.
        5 => bytes: u64,
    }
}

impl PageRef {
    /// The first key below the page.
    pub fn first(&self) -> MapKey {
        MapKey { parent: self.parent.clone(), name: self.name.clone() }
    }
    /// Fails unless there can be such a page.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] or [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        check_key(&self.parent, &self.name)?;
        check_page_len(self.page_len)?;
        if self.entries == 0 {
            return Err(malformed("page", "empty"));
        }
        Ok(())
    }
}

/// A page of a path map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Entries, ascending.
    Leaf(Vec<Entry>),
    /// A level from 1 on, and the pages of the level below, ascending.
    Inner(u8, Vec<PageRef>),
}

impl Page {
    /// The encoded page.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads a page and checks every rule that can be seen in it alone.
    ///
    /// # Errors
    /// When an entry is malformed, out of order or there twice.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        cbor::decode("page", bytes, PAGE_MAX)
    }

    /// The level: 0 for a leaf.
    pub const fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner(level, _) => *level,
        }
    }

    /// Fails unless this is the page that `reference` on `level` promised.
    ///
    /// # Errors
    /// When first key, counts or level differ, so that a page cannot stand in for another.
    pub fn expect(&self, reference: &PageRef, level: u8) -> Result<()> {
        let what = "page";
        if self.level() != level {
            return Err(malformed(what, "on another level than its reference says"));
        }
        let mut found = reference_to(self, reference.page, reference.page_len)?;
        // What a newer version adds to a reference is not known here, and not in the page.
        found.extra = reference.extra.clone();
        if found != *reference {
            return Err(malformed(what, "other entries than its reference says"));
        }
        Ok(())
    }
}

/// The reference to a page that was stored under `id`.
///
/// # Errors
/// When counts do not fit 64 bits or the page is empty.
pub fn reference_to(page: &Page, id: ChunkId, page_len: u64) -> Result<PageRef> {
    let overflow = || malformed("page", "counts beyond 64 bits");
    let sum = |mut values: Box<dyn Iterator<Item = u64> + '_>| {
        values.try_fold(0u64, |a, b| a.checked_add(b)).ok_or_else(overflow)
    };
    let (first, entries, bytes) = match page {
        Page::Leaf(list) => (
            list.first().map(|e| e.key.clone()),
            list.len() as u64,
            sum(Box::new(list.iter().map(|e| e.node.len())))?,
        ),
        Page::Inner(_, list) => (
            list.first().map(PageRef::first),
            sum(Box::new(list.iter().map(|r| r.entries)))?,
            sum(Box::new(list.iter().map(|r| r.bytes)))?,
        ),
    };
    let MapKey { parent, name } = first.ok_or(malformed("page", "empty"))?;
    Ok(PageRef { parent, name, page: id, page_len, entries, bytes, extra: cbor::Extra::default() })
}

impl Cbor for Page {
    fn put(&self, w: &mut Writer) {
        w.array(2);
        match self {
            Self::Leaf(entries) => {
                w.u64(0);
                put_groups(entries, w);
            }
            Self::Inner(level, pages) => {
                w.u64((*level).into());
                pages.put(w);
            }
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "page";
        r.array_of(what, 2)?;
        let level = r.u64(what)?;
        if level > LEVELS_MAX.into() {
            return Err(FormatError::TooLarge {
                what: "page level",
                size: level,
                limit: LEVELS_MAX.into(),
            });
        }
        if level == 0 {
            return get_groups(r).map(Self::Leaf);
        }
        let count = r.array(what)?;
        check_count(count)?;
        let mut pages: Vec<PageRef> = Vec::new();
        let mut keys = Keys::default();
        for _ in 0..count {
            let page = PageRef::get(r)?;
            page.check()?;
            keys.add(&page.parent, &page.name)?;
            if pages
                .last()
                .is_some_and(|last| (&last.parent, &last.name) >= (&page.parent, &page.name))
            {
                return Err(malformed(what, "keys are not in order"));
            }
            pages.push(page);
        }
        Ok(Self::Inner(level as u8, pages))
    }
}

fn check_count(count: usize) -> Result<()> {
    within("page entries", count, PAGE_ENTRIES_MAX)?;
    if count == 0 { Err(malformed("page", "empty")) } else { Ok(()) }
}

/// Bytes of the keys of a page, each with its whole parent, as they are in memory.
#[derive(Default)]
struct Keys(usize);

impl Keys {
    /// Counts one more key. A page may pass the limit with its last key, because a cut is
    /// considered before the next.
    fn add(&mut self, parent: &[u8], name: &[u8]) -> Result<()> {
        within("keys of a page", self.0, PAGE_KEYS_MAX - 1)?;
        self.0 += parent.len() + name.len();
        Ok(())
    }
}

fn put_groups(entries: &[Entry], w: &mut Writer) {
    let groups = || entries.chunk_by(|a, b| a.key.parent == b.key.parent);
    w.array(groups().count());
    for group in groups() {
        w.array(2);
        w.bytes(&group[0].key.parent);
        w.array(group.len());
        for entry in group {
            w.array(2);
            w.bytes(&entry.key.name);
            entry.node.put(w);
        }
    }
}

fn get_groups(r: &mut Reader<'_>) -> Result<Vec<Entry>> {
    let what = "page";
    let groups = r.array(what)?;
    check_count(groups)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut keys = Keys::default();
    for _ in 0..groups {
        r.array_of(what, 2)?;
        let parent = r.bytes(what, crate::limits::PATH_MAX)?;
        check_parent(parent)?;
        if entries.last().is_some_and(|last| last.key.parent.as_slice() >= parent) {
            return Err(malformed(what, "keys are not in order"));
        }
        let count = r.array(what)?;
        check_count(entries.len() + count)?;
        if count == 0 {
            return Err(malformed(what, "an empty group"));
        }
        let group = entries.len();
        for _ in 0..count {
            r.array_of(what, 2)?;
            let name = r.bytes("name", crate::limits::NAME_MAX)?;
            let root = name.is_empty() && parent.is_empty() && entries.is_empty();
            if !root {
                check_name(name)?;
            }
            if entries[group..].last().is_some_and(|last| last.key.name.as_slice() >= name) {
                return Err(malformed(what, "keys are not in order"));
            }
            keys.add(parent, name)?;
            let node = Node::get(r)?;
            node.check()?;
            let key = MapKey { parent: parent.to_vec(), name: name.to_vec() };
            entries.push(Entry { key, node });
        }
    }
    Ok(entries)
}
