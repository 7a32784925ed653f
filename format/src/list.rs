//! Pages of a long content list.
//!
//! ```text
//! leaf   [0, [item, …]]      inner  [level, [{0 page, 1 length, 2 items, 3 bytes}, …]]
//! ```
//! A page ends behind an item when it has at least 64 and the last id's first four bytes say so,
//! or when it has 1,024. Equal runs of chunks in two versions of a file so share pages.

use crate::cbor::{self, Cbor, Extra, Reader, Writer};
use crate::cbor_map;
use crate::content::{Item, ListRoot, check_list_page, total};
use crate::error::{FormatError, Result, malformed};
use crate::ids::ChunkId;
use crate::limits::{ITEMS_INLINE_MAX, LEVELS_MAX, PAGE_ENTRIES_MAX, PAGE_ENTRIES_MIN, PAGE_MAX};

/// Stores an encoded page and returns its id.
pub type StorePage<'a, E> = dyn FnMut(&[u8]) -> std::result::Result<ChunkId, E> + 'a;

/// A page has 64 items and on average this many more.
const MORE: u32 = 256;

cbor_map! {
    /// A reference to a list page one level below.
    pub struct ListRef {
        /// The page.
        0 => page: ChunkId,
        /// Its length in bytes.
        1 => page_len: u64,
        /// Items below it.
        2 => items: u64,
        /// Bytes of the file below it.
        3 => bytes: u64,
    }
}

/// A page of a content list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPage {
    /// Items in file order.
    Leaf(Vec<Item>),
    /// A level from 1 on, and the pages of the level below.
    Inner(u8, Vec<ListRef>),
}

impl ListPage {
    /// The encoded page.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }
    /// Reads a page.
    ///
    /// # Errors
    /// When it breaks a rule.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        cbor::decode("list page", bytes, PAGE_MAX)
    }
    /// Fails unless the page is on `level` and holds what its reference says.
    ///
    /// # Errors
    /// When it does not.
    pub fn expect(&self, level: u8, items: u64, bytes: u64) -> Result<()> {
        let (mine, counts) = match self {
            Self::Leaf(_) => (0, counts(self)?),
            Self::Inner(level, _) => (*level, counts(self)?),
        };
        if (mine, counts) == (level, (items, bytes)) {
            return Ok(());
        }
        Err(malformed("list page", "other content than its reference says"))
    }
}

/// Items and bytes below a page.
fn counts(page: &ListPage) -> Result<(u64, u64)> {
    match page {
        ListPage::Leaf(items) => Ok((items.len() as u64, total(items)?)),
        ListPage::Inner(_, pages) => pages
            .iter()
            .try_fold((0u64, 0u64), |(items, bytes), page| {
                Some((items.checked_add(page.items)?, bytes.checked_add(page.bytes)?))
            })
            .ok_or(malformed("list page", "counts beyond 64 bits")),
    }
}

impl Cbor for ListPage {
    fn put(&self, w: &mut Writer) {
        w.array(2);
        match self {
            Self::Leaf(items) => {
                w.u64(0);
                items.put(w);
            }
            Self::Inner(level, pages) => {
                w.u64((*level).into());
                pages.put(w);
            }
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "list page";
        r.array_of(what, 2)?;
        let level = r.u64(what)?;
        if level > LEVELS_MAX.into() {
            return Err(FormatError::TooLarge { what, size: level, limit: LEVELS_MAX.into() });
        }
        let page = if level == 0 {
            Self::Leaf(some(r)?)
        } else {
            let pages: Vec<ListRef> = some(r)?;
            pages.iter().try_for_each(|p| check_list_page(p.page_len, p.items, p.bytes))?;
            Self::Inner(level as u8, pages)
        };
        counts(&page)?;
        Ok(page)
    }
}

/// A list of 1 to 1,024 items.
fn some<T: Cbor>(r: &mut Reader<'_>) -> Result<Vec<T>> {
    let list = r.list("list page", PAGE_ENTRIES_MAX)?;
    if list.is_empty() { Err(malformed("list page", "empty")) } else { Ok(list) }
}

/// Takes items in file order and hands finished pages to a store function.
#[derive(Default)]
pub struct ListBuilder {
    leaf: Vec<Item>,
    inner: Vec<Vec<ListRef>>,
}

impl ListBuilder {
    /// Adds the next item.
    ///
    /// # Errors
    /// When the item breaks a rule or `store` fails.
    pub fn push<E: From<FormatError>>(
        &mut self,
        item: Item,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        item.check()?;
        self.leaf.push(item);
        let id = if let Item::Data(id, _) = item { Some(id) } else { None };
        if ends(self.leaf.len(), id) { self.end_leaf(store) } else { Ok(()) }
    }

    /// All items so far, while they are so few that they belong into the node.
    pub fn short(&self) -> Option<&[Item]> {
        let few = self.inner.is_empty() && self.leaf.len() <= ITEMS_INLINE_MAX;
        few.then_some(&self.leaf)
    }

    /// Ends the list and returns its root.
    ///
    /// # Errors
    /// When `store` fails or nothing was pushed.
    pub fn finish<E: From<FormatError>>(
        mut self,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<ListRoot, E> {
        if !self.leaf.is_empty() {
            self.end_leaf(store)?;
        }
        let mut level = 0;
        loop {
            let top = level + 1 == self.inner.len();
            let Some(pages) = self.inner.get_mut(level) else {
                return Err(malformed("list page", "empty").into());
            };
            if top && pages.len() == 1 {
                let ListRef { page, page_len, items, bytes, .. } = pages.remove(0);
                let level = level as u32;
                return Ok(ListRoot {
                    page,
                    page_len,
                    level,
                    items,
                    bytes,
                    extra: Extra::default(),
                });
            }
            if !pages.is_empty() {
                self.end_inner(level, store)?;
            }
            level += 1;
        }
    }

    fn end_leaf<E: From<FormatError>>(
        &mut self,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        let page = ListPage::Leaf(std::mem::take(&mut self.leaf));
        self.add(0, &page, store)
    }

    fn end_inner<E: From<FormatError>>(
        &mut self,
        level: usize,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        let number = u8::try_from(level + 1).unwrap_or(u8::MAX);
        if number > LEVELS_MAX {
            return Err(malformed("list page", "too many levels").into());
        }
        let page = ListPage::Inner(number, std::mem::take(&mut self.inner[level]));
        self.add(level + 1, &page, store)
    }

    fn add<E: From<FormatError>>(
        &mut self,
        level: usize,
        page: &ListPage,
        store: &mut StorePage<'_, E>,
    ) -> std::result::Result<(), E> {
        let bytes = page.encode();
        let id = store(&bytes)?;
        let (items, below) = counts(page)?;
        if self.inner.len() == level {
            self.inner.push(Vec::new());
        }
        self.inner[level].push(ListRef {
            page: id,
            page_len: bytes.len() as u64,
            items,
            bytes: below,
            extra: Extra::default(),
        });
        if ends(self.inner[level].len(), Some(id)) { self.end_inner(level, store) } else { Ok(()) }
    }
}

/// Whether a page of `count` items ends behind the item with this id.
fn ends(count: usize, id: Option<ChunkId>) -> bool {
    count >= PAGE_ENTRIES_MAX
        || (count >= PAGE_ENTRIES_MIN
            && id.is_some_and(|id| {
                u32::from_le_bytes(crate::envelope::array(id.as_bytes())) < u32::MAX / MORE
            }))
}
