//! What a file's bytes are made of.

use crate::cbor::{Cbor, Reader, Writer};
use crate::cbor_map;
use crate::error::{FormatError, Result, malformed, within};
use crate::ids::ChunkId;
use crate::limits::{CHUNK_MAX, INLINE_MAX, ITEMS_INLINE_MAX, LEVELS_MAX, PAGE_MAX};
use minicbor::data::Type;

/// One piece of content, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A chunk of this many bytes.
    Data(ChunkId, u64),
    /// Bytes that the source had not allocated; they read as zero.
    Hole(u64),
    /// Allocated bytes that are zero.
    Zero(u64),
    /// Bytes that could not be read; they are restored as zero and reported.
    Lost(u64),
}

impl Item {
    /// Length in bytes of the file.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Data(_, len) | Self::Hole(len) | Self::Zero(len) | Self::Lost(len) => *len,
        }
    }
    /// Items are never empty.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fails unless the item stands for bytes, and for no more than a chunk can have.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] or [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        if self.is_empty() {
            return Err(malformed("content item", "empty"));
        }
        match self {
            Self::Data(_, len) => {
                within("chunk", usize::try_from(*len).unwrap_or(usize::MAX), CHUNK_MAX)
            }
            _ => Ok(()),
        }
    }
}

impl Cbor for Item {
    fn put(&self, w: &mut Writer) {
        w.array(2);
        w.u64(self.len());
        match self {
            Self::Data(id, _) => id.put(w),
            Self::Hole(_) => w.u64(1),
            Self::Zero(_) => w.u64(2),
            Self::Lost(_) => w.u64(3),
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "content item";
        r.array_of(what, 2)?;
        let len = r.u64(what)?;
        let item = if r.peek(what)? == Type::Bytes {
            Self::Data(ChunkId::get(r)?, len)
        } else {
            match r.u64(what)? {
                1 => Self::Hole(len),
                2 => Self::Zero(len),
                3 => Self::Lost(len),
                number => return Err(FormatError::Unsupported { what, number }),
            }
        };
        item.check()?;
        Ok(item)
    }
}

cbor_map! {
    /// The root page of a long content list.
    pub struct ListRoot {
        /// The page.
        0 => page: ChunkId,
        /// Its length in bytes.
        1 => page_len: u64,
        /// Level of the page; leaves are 0.
        2 => level: u32,
        /// Items in all.
        3 => items: u64,
        /// Bytes of the file that they stand for.
        4 => bytes: u64,
    }
}

impl ListRoot {
    /// Fails unless it can be the root of a list that is too long for a node.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] or [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        let what = "content list";
        within("levels of a content list", self.level as usize, LEVELS_MAX.into())?;
        check_list_page(self.page_len, self.items, self.bytes)?;
        if self.items <= ITEMS_INLINE_MAX as u64 {
            return Err(malformed(what, "items that belong into the node"));
        }
        Ok(())
    }
}

/// Fails unless a list page can have this length and this much below it.
pub(crate) fn check_list_page(page_len: u64, items: u64, bytes: u64) -> Result<()> {
    check_page_len(page_len)?;
    if items == 0 || bytes < items {
        return Err(malformed("list page", "impossible counts"));
    }
    Ok(())
}

/// Fails unless a page can have this length.
pub(crate) fn check_page_len(len: u64) -> Result<()> {
    if len == 0 {
        return Err(malformed("page", "empty"));
    }
    within("page", usize::try_from(len).unwrap_or(usize::MAX), PAGE_MAX)
}

/// The bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes themselves, 1 to 256 of them.
    Inline(Vec<u8>),
    /// One to sixteen items.
    Items(Vec<Item>),
    /// More items than that, in list pages.
    List(ListRoot),
}

impl Content {
    /// Length of the file in bytes.
    ///
    /// # Errors
    /// When the items' lengths do not fit 64 bits.
    pub fn len(&self) -> Result<u64> {
        match self {
            Self::Inline(bytes) => Ok(bytes.len() as u64),
            Self::Items(items) => total(items),
            Self::List(root) => Ok(root.bytes),
        }
    }
    /// Content is never empty; an empty file has none.
    pub const fn is_empty(&self) -> bool {
        false
    }
    /// Fails unless the content is within the limits of its form.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] or [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        let what = "content";
        match self {
            Self::Inline(bytes) if bytes.is_empty() => Err(malformed(what, "empty")),
            Self::Inline(bytes) => within(what, bytes.len(), INLINE_MAX),
            Self::Items(items) if items.is_empty() => Err(malformed(what, "empty")),
            Self::Items(items) => {
                within("content items", items.len(), ITEMS_INLINE_MAX)?;
                items.iter().try_for_each(Item::check)?;
                total(items).map(drop)
            }
            Self::List(root) => root.check(),
        }
    }
}

/// The bytes that items stand for.
///
/// # Errors
/// When the sum does not fit 64 bits.
pub fn total(items: &[Item]) -> Result<u64> {
    let sum = items.iter().try_fold(0u64, |sum, item| sum.checked_add(item.len()));
    sum.ok_or(malformed("content", "longer than 64 bits"))
}

/// The major type tells the three forms apart: bytes, array, map.
impl Cbor for Content {
    fn put(&self, w: &mut Writer) {
        match self {
            Self::Inline(bytes) => w.bytes(bytes),
            Self::Items(items) => items.put(w),
            Self::List(root) => root.put(w),
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let what = "content";
        let content = match r.peek(what)? {
            Type::Bytes => Self::Inline(r.bytes(what, INLINE_MAX)?.to_vec()),
            Type::Array => Self::Items(r.list("content items", ITEMS_INLINE_MAX)?),
            _ => Self::List(ListRoot::get(r)?),
        };
        content.check()?;
        Ok(content)
    }
}
