//! Reading what a node refers to: the content list of a file, extended attributes.

use crate::repository::chunks::Chunks;
use crate::repository::error::{Error, Result};
use esker_format::FormatError;
use esker_format::content::{Content, Item, ListRoot};
use esker_format::frame::FrameType;
use esker_format::ids::ChunkId;
use esker_format::list::{ListPage, ListRef};
use esker_format::node::{Node, Xattr, Xattrs, decode_xattrs};

/// The items of a file's content in file order, one list page of each level in memory.
pub struct Items {
    /// Pages still to be read, next one last, with their levels.
    pages: Vec<(ListRef, u8)>,
    items: std::vec::IntoIter<Item>,
}

impl Items {
    /// The items of `content`. Inline content has none.
    pub fn new(content: &Content) -> Self {
        let (pages, items) = match content {
            Content::Inline(_) => (Vec::new(), Vec::new()),
            Content::Items(items) => (Vec::new(), items.clone()),
            Content::List(root) => (vec![(root_ref(root), root.level as u8)], Vec::new()),
        };
        Self { pages, items: items.into_iter() }
    }

    /// The next item; none at the end. What a damaged list page stood for is a lost item, together
    /// with the reason.
    ///
    /// # Errors
    /// When store or index fail.
    pub fn next(&mut self, chunks: &mut Chunks) -> Result<Option<(Item, Option<Error>)>> {
        loop {
            if let Some(item) = self.items.next() {
                return Ok(Some((item, None)));
            }
            let Some((reference, level)) = self.pages.pop() else { return Ok(None) };
            match read_list_page(chunks, &reference, level) {
                Ok(ListPage::Leaf(items)) => self.items = items.into_iter(),
                Ok(ListPage::Inner(level, below)) => {
                    self.pages.extend(below.into_iter().rev().map(|page| (page, level - 1)));
                }
                Err(error) if error.is_damage() => {
                    return Ok(Some((Item::Lost(reference.bytes), Some(error))));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

pub(super) fn root_ref(root: &ListRoot) -> ListRef {
    ListRef {
        page: root.page,
        page_len: root.page_len,
        items: root.items,
        bytes: root.bytes,
        extra: esker_format::cbor::Extra::default(),
    }
}

pub(super) fn read_list_page(
    chunks: &mut Chunks,
    reference: &ListRef,
    level: u8,
) -> Result<ListPage> {
    let bytes = chunks.get(&reference.page, reference.page_len, FrameType::Page)?;
    let damaged = |e: FormatError| Error::damaged(format!("list page {}", reference.page), e);
    let page = ListPage::decode(bytes).map_err(damaged)?;
    page.expect(level, reference.items, reference.bytes).map_err(damaged)?;
    Ok(page)
}

/// Tells all chunks that a node refers to, with their lengths: list pages, pages of attributes and
/// data. A page for which `visit` says no is not read, and what is below it not told. Returns what
/// is lost.
///
/// # Errors
/// When store or index fail.
pub fn references(
    chunks: &mut Chunks,
    node: &Node,
    visit: &mut dyn FnMut(&ChunkId, u64, FrameType) -> bool,
) -> Result<Option<Error>> {
    if let Some(Xattrs::Page(id, len)) = &node.xattrs {
        visit(id, *len, FrameType::Page);
    }
    let mut pages = match &node.content {
        Some(Content::List(root)) => vec![(root_ref(root), root.level as u8)],
        _ => Vec::new(),
    };
    if let Some(Content::Items(items)) = &node.content {
        data(items, visit);
    }
    let mut lost = None;
    while let Some((page, level)) = pages.pop() {
        if !visit(&page.page, page.page_len, FrameType::Page) {
            continue;
        }
        match read_list_page(chunks, &page, level) {
            Ok(ListPage::Leaf(items)) => data(&items, visit),
            Ok(ListPage::Inner(level, below)) => {
                pages.extend(below.into_iter().map(|page| (page, level - 1)));
            }
            Err(error) if error.is_damage() => lost = Some(error),
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}

fn data(items: &[Item], visit: &mut dyn FnMut(&ChunkId, u64, FrameType) -> bool) {
    for item in items {
        if let Item::Data(id, len) = item {
            visit(id, *len, FrameType::Data);
        }
    }
}

/// The extended attributes of a node, wherever they are.
///
/// # Errors
/// When their page is missing or damaged.
pub fn xattrs(chunks: &mut Chunks, node: &Node) -> Result<Vec<Xattr>> {
    match &node.xattrs {
        None => Ok(Vec::new()),
        Some(Xattrs::Inline(list)) => Ok(list.clone()),
        Some(Xattrs::Page(id, len)) => {
            let page = chunks.get(id, *len, FrameType::Page)?;
            decode_xattrs(page)
                .map_err(|e: FormatError| Error::damaged(format!("attributes page {id}"), e))
        }
    }
}
