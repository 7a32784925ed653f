//! Reading the content list of a file.

use crate::repository::error::{Error, Result};
use crate::repository::fetch::Chunks;
use esker_format::FormatError;
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::list::{ListPage, ListRef};

/// Calls `visit` for each item of `content`, in file order. Inline content has none. What a
/// damaged list page stood for is visited as a lost item, together with the reason.
///
/// # Errors
/// What store, index or `visit` say.
pub fn items(
    chunks: &mut Chunks,
    content: &Content,
    visit: &mut dyn FnMut(Item, Option<Error>) -> Result<()>,
) -> Result<()> {
    let root = match content {
        Content::Inline(_) => return Ok(()),
        Content::Items(items) => return items.iter().try_for_each(|item| visit(*item, None)),
        Content::List(root) => root,
    };
    let root_ref = ListRef {
        page: root.page,
        page_len: root.page_len,
        items: root.items,
        bytes: root.bytes,
        extra: esker_format::cbor::Extra::default(),
    };
    let mut pages = vec![(root_ref, root.level as u8)];
    while let Some((reference, level)) = pages.pop() {
        match read_page(chunks, &reference, level) {
            Ok(ListPage::Leaf(items)) => {
                items.into_iter().try_for_each(|item| visit(item, None))?
            }
            Ok(ListPage::Inner(level, below)) => {
                pages.extend(below.into_iter().rev().map(|page| (page, level - 1)));
            }
            Err(error) if error.is_damage() => visit(Item::Lost(reference.bytes), Some(error))?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_page(chunks: &mut Chunks, reference: &ListRef, level: u8) -> Result<ListPage> {
    let bytes = chunks.get(&reference.page, reference.page_len, FrameType::Page)?;
    let damaged = |e: FormatError| Error::damaged(format!("list page {}", reference.page), e);
    let page = ListPage::decode(bytes).map_err(damaged)?;
    page.expect(level, reference.items, reference.bytes).map_err(damaged)?;
    Ok(page)
}
