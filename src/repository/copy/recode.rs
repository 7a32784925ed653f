//! Content on its way from one repository to another: read, cut anew, stored where it is new.

use super::Progress;
use crate::repository::chunks::Chunks;
use crate::repository::content::{Items, xattrs};
use crate::repository::cutters::Cutters;
use crate::repository::error::{Error, Result};
use crate::repository::frame_writer::{FrameWriter, Kept};
use crate::repository::index::Lookup;
use crate::repository::session::Session;
use esker_format::chunking::Cutter;
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::ids::{ChunkId, LinkGroup};
use esker_format::list::ListBuilder;
use esker_format::map_builder::Pages;
use esker_format::node::{Node, Xattrs, encode_xattrs};
use esker_format::page::{Entry, Page};
use std::convert::Infallible;
use std::sync::atomic::Ordering;

/// Zeros that are handed on at once.
const ZEROS: u64 = 1 << 20;

/// Stores content in another repository, and says how nodes refer to it there.
pub struct Recoder<'r> {
    session: &'r Session,
    lookup: Lookup,
    cutters: &'r Cutters,
    data: FrameWriter,
    pages: FrameWriter,
    /// Bytes of a file that are not cut yet.
    held: Vec<u8>,
    progress: &'r Progress,
    /// Bytes of content that were read.
    pub read: u64,
}

impl<'r> Recoder<'r> {
    pub fn new(
        session: &'r Session,
        lookup: Lookup,
        cutters: &'r Cutters,
        progress: &'r Progress,
    ) -> Self {
        let (data, pages) = (FrameWriter::data(0), FrameWriter::pages());
        let (held, read) = Default::default();
        Self { session, lookup, cutters, data, pages, held, progress, read }
    }

    /// Closes the last frames.
    pub fn flush(&mut self) -> Result<()> {
        self.data.flush(self.session.packer())?;
        self.pages.flush(self.session.packer())
    }

    /// The node as it is in the other repository.
    pub fn node(&mut self, mut node: Node, chunks: &mut Chunks) -> Result<Node> {
        if matches!(node.xattrs, Some(Xattrs::Page(..))) {
            let page = encode_xattrs(&xattrs(chunks, &node)?);
            node.xattrs = Some(Xattrs::Page(self.page(&page)?, page.len() as u64));
        }
        self.data.gather(node.kind);
        node.links = node.links.map(|group| self.link_group(group));
        node.content = match node.content {
            Some(content @ (Content::Items(_) | Content::List(_))) => {
                Some(self.content(&content, self.cutters.of(node.kind)?, chunks)?)
            }
            other => other,
        };
        Ok(node)
    }

    /// The same files are of one group there, and nobody can tell which group that was here.
    fn link_group(&self, group: LinkGroup) -> LinkGroup {
        let half = |from: usize| {
            let bytes = group.as_bytes()[from..].iter().take(8);
            bytes.fold(0u64, |number, byte| number << 8 | u64::from(*byte))
        };
        self.session.access().scope_keys.link_group(half(0), half(8))
    }

    /// Reads content and stores it. What lies between two holes is cut as one piece, as a backup does.
    fn content(
        &mut self,
        content: &Content,
        cutter: &Cutter,
        chunks: &mut Chunks,
    ) -> Result<Content> {
        let (mut items, mut list) = (Items::new(content), ListBuilder::default());
        self.held.clear();
        while let Some((item, error)) = items.next(chunks)? {
            if let Some(error) = error {
                return Err(error);
            }
            match item {
                Item::Data(id, len) => {
                    self.held.extend_from_slice(chunks.get(&id, len, FrameType::Data)?);
                    self.read += len;
                    self.progress.bytes.fetch_add(len, Ordering::Relaxed);
                    self.cut(cutter, &mut list, false)?;
                }
                // Zeros are found again where they fill a chunk there.
                Item::Zero(mut len) => {
                    while len > 0 {
                        let some = len.min(ZEROS);
                        self.held.resize(self.held.len() + some as usize, 0);
                        self.cut(cutter, &mut list, false)?;
                        len -= some;
                    }
                }
                Item::Hole(_) | Item::Lost(_) => {
                    self.cut(cutter, &mut list, true)?;
                    self.push(item, &mut list)?;
                }
            }
        }
        self.cut(cutter, &mut list, true)?;
        if let Some(short) = list.short() {
            return Ok(Content::Items(short.to_vec()));
        }
        let Self { session, pages, lookup, .. } = self;
        let mut store = |page: &[u8]| session.page(page, pages, lookup);
        list.finish(&mut store).map(Content::List)
    }

    /// Cuts what is held as far as it can be; all of it when nothing follows.
    fn cut(&mut self, cutter: &Cutter, list: &mut ListBuilder, is_last: bool) -> Result<()> {
        let max = cutter.profile().max as usize;
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        while held.len() - at >= max || (is_last && at < held.len()) {
            let len = cutter.cut(&held[at..], is_last)?;
            let item = self.chunk(&held[at..at + len])?;
            self.push(item, list)?;
            at += len;
        }
        self.held = held;
        self.held.drain(..at);
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<Item> {
        let len = bytes.len() as u64;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Item::Zero(len));
        }
        let id = self.session.access().scope_keys.data_id(bytes);
        if self.session.claim(&id, bytes.len(), &mut self.lookup)? == Kept::New {
            self.data.space(bytes.len(), self.session.packer())?.copy_from_slice(bytes);
            self.data.keep(id, bytes.len());
        }
        Ok(Item::Data(id, len))
    }

    fn push(&mut self, item: Item, list: &mut ListBuilder) -> Result<()> {
        let Self { session, pages, lookup, .. } = self;
        list.push(item, &mut |page: &[u8]| session.page(page, pages, lookup))
    }

    fn page(&mut self, bytes: &[u8]) -> Result<ChunkId> {
        self.session.page(bytes, &mut self.pages, &mut self.lookup)
    }
}

impl Pages for Recoder<'_> {
    type Error = Error;
    type Known = Infallible;

    fn store(&mut self, _: &Page, bytes: &[u8]) -> Result<ChunkId> {
        self.page(bytes)
    }
    fn keep(&mut self, known: Infallible) {
        match known {}
    }
    fn open(&mut self, known: Infallible) -> Result<Vec<Entry>> {
        match known {}
    }
}
