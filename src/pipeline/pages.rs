//! Where the pages of a run go: to the session, and leaves to the file table as well.

use crate::pipeline::error::{Error, Result};
use crate::pipeline::known::join;
use crate::pipeline::mark::Mark;
use crate::pipeline::marks::{self, Cursor};
use crate::repository::{
    self, FrameWriter, Leaf, LeafReader, Lookup, NewLeaf, Repository, Session,
};
use esker_format::ids::ChunkId;
use esker_format::map_builder::Pages;
use esker_format::page::{Entry, Page, reference_to};
use std::collections::VecDeque;

/// Stores pages and remembers the marks of the entries that wait for theirs.
pub struct RunPages<'s> {
    session: &'s Session,
    writer: FrameWriter,
    lookup: Lookup,
    reader: Option<LeafReader>,
    /// Mark and references of each entry that is in no leaf yet.
    waiting: VecDeque<(Mark, Vec<u8>)>,
    marks: Vec<u8>,
}

impl<'s> RunPages<'s> {
    /// Pages of a run; `reader` opens leaves that were taken over.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(
        session: &'s Session,
        repository: &Repository,
        reader: Option<LeafReader>,
    ) -> Result<Self> {
        let (lookup, writer) = (repository.lookup()?, FrameWriter::pages());
        let (waiting, marks) = Default::default();
        Ok(Self { session, writer, lookup, reader, waiting, marks })
    }

    /// Stores a page that is not of the path map.
    ///
    /// # Errors
    /// When store or index fail.
    pub fn page(&mut self, bytes: &[u8]) -> Result<ChunkId> {
        Ok(self.session.page(bytes, &mut self.writer, &mut self.lookup)?)
    }

    /// Remembers mark and references of the next entry.
    pub fn remember(&mut self, mark: Option<Mark>, refs: Vec<u8>) {
        self.waiting.push_back((mark.unwrap_or(Mark::UNSURE), refs));
    }

    /// Closes the last frame.
    ///
    /// # Errors
    /// When the store fails.
    pub fn flush(&mut self) -> Result<()> {
        Ok(self.writer.flush(self.session.packer())?)
    }

    fn leaf(&mut self, page: &Page, entries: &[Entry], bytes: &[u8], id: ChunkId) -> Result<()> {
        let (mut marks, mut lists) = (Vec::with_capacity(entries.len()), Vec::new());
        for (number, (mark, refs)) in self.waiting.drain(..entries.len()).enumerate() {
            marks.push(mark);
            if !refs.is_empty() {
                lists.push((number as u32, refs));
            }
        }
        let Some(journal) = self.session.journal() else { return Ok(()) };
        marks::encode(entries, &marks, &mut self.marks);
        let reference = reference_to(page, id, bytes.len() as u64)?;
        let lists = join(&lists);
        journal.leaf(&NewLeaf { reference, page: bytes, marks: &self.marks, lists: &lists });
        Ok(())
    }

    /// The marks of a leaf that is taken apart, for the leaves that its entries will be in.
    fn remember_all(&mut self, leaf: &Leaf, lists: &[u8]) {
        let Some((_, at)) = marks::counts(&leaf.marks) else { return };
        let (mut cursor, mut refs) = (Cursor::new(at), crate::pipeline::known::split(lists));
        let mut number = 0;
        while let Some(marked) = cursor.next(&leaf.marks) {
            let refs = refs.remove(&number).unwrap_or_default();
            self.waiting.push_back((marked.mark, refs));
            number += 1;
        }
    }
}

impl Pages for RunPages<'_> {
    type Error = Error;
    type Known = Box<Leaf>;

    fn store(&mut self, page: &Page, bytes: &[u8]) -> Result<ChunkId> {
        let id = self.page(bytes)?;
        if let Page::Leaf(entries) = page {
            self.leaf(page, entries, bytes, id)?;
        }
        Ok(id)
    }

    fn keep(&mut self, _: Box<Leaf>) {}

    fn open(&mut self, leaf: Box<Leaf>) -> Result<Vec<Entry>> {
        let keys = &self.session.access().scope_keys;
        let opened = self.reader.as_mut().and_then(|reader| reader.open(&leaf, keys));
        let opened = opened.ok_or(repository::Error::FileTable)?;
        self.remember_all(&leaf, &opened.lists);
        if let Some(journal) = self.session.journal() {
            journal.supersede(leaf.number);
        }
        Ok(opened.entries)
    }
}
