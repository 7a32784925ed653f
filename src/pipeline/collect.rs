//! The last stage: results in order, made into the path map, its pages, counts and problems.

use crate::pipeline::base::{Base, BaseEntries, Compared, is_root};
use crate::pipeline::error::Result;
use crate::pipeline::series::bytes;
use crate::pipeline::task::{CollectorEnds, Output, Saved};
use crate::repository::{Chunks, Error, FrameWriter, Lookup, Repository, Session};
use crate::source::Roots;
use esker_format::cbor::Extra;
use esker_format::content::{Content, Item};
use esker_format::ids::{ChunkId, LinkGroup};
use esker_format::limits::ITEMS_INLINE_MAX;
use esker_format::list::ListBuilder;
use esker_format::map_builder::MapBuilder;
use esker_format::node::{Node, NodeKind, Xattr, Xattrs, encode_xattrs};
use esker_format::page::{Entry, PageRef};
use esker_format::snapshot::{Counts, Problem};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Problems that a manifest lists; all are counted.
const PROBLEMS_LISTED: usize = 1000;
/// Bytes of their paths and messages: a path can be so long that a thousand would fit no manifest.
const PROBLEMS_BYTES: usize = 1 << 20;
/// Frames of the base that are kept while it is compared.
const BASE_BUDGET: usize = 4 << 20;

/// What a run has found.
#[derive(Default)]
pub struct Collected {
    /// Root page of the path map and its level.
    pub root: Option<(PageRef, u8)>,
    /// Counts, but for bytes added and stored.
    pub counts: Counts,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// All problems.
    pub problems_total: u64,
    /// What was left out on purpose.
    pub left_out: Vec<(Vec<u8>, &'static str)>,
}

/// Collects results.
pub struct Collector<'s> {
    pages: Pages<'s>,
    map: MapBuilder<'s>,
    /// Content of the large file that is being read.
    list: ListBuilder,
    short: Vec<Item>,
    base: BaseEntries,
    base_chunks: Chunks,
    links: HashSet<LinkGroup>,
    problems_bytes: usize,
    /// Bytes of all entries as pages count them: hard links each time.
    bytes: u64,
    out: Collected,
}

/// Stores pages.
struct Pages<'s> {
    session: &'s Session,
    writer: FrameWriter,
    lookup: Lookup,
}

impl Pages<'_> {
    fn store(&mut self, bytes: &[u8]) -> Result<ChunkId> {
        Ok(self.session.page(bytes, &mut self.writer, &mut self.lookup)?)
    }
}

impl<'s> Collector<'s> {
    /// A collector for one run.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(session: &'s Session, repository: &Repository, base: &Base) -> Result<Self> {
        let lookup = repository.lookup()?;
        Ok(Self {
            pages: Pages { session, writer: FrameWriter::pages(), lookup },
            map: MapBuilder::new(&session.access().scope_keys),
            list: ListBuilder::default(),
            short: Vec::new(),
            base: base.entries(),
            base_chunks: Chunks::new(repository, BASE_BUDGET)?,
            links: HashSet::new(),
            problems_bytes: 0,
            bytes: 0,
            out: Collected::default(),
        })
    }

    /// Collects until all work is done.
    ///
    /// # Errors
    /// The first failure of any stage, or that the run was asked to stop.
    pub fn run(
        mut self,
        ends: CollectorEnds,
        roots: &Roots,
        repository: &mut Repository,
        stop: &AtomicBool,
    ) -> Result<Collected> {
        for (path, error) in &roots.missing {
            self.problem(bytes(path).to_vec(), format!("cannot be saved: {error}"));
        }
        let mut early = HashMap::new();
        let mut next = 0;
        for done in &ends.done {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted.into());
            }
            early.insert(done.number, done.output);
            while let Some(output) = early.remove(&next) {
                self.output(output?)?;
                next += 1;
                let _ = ends.window.try_send(());
            }
            self.pages.session.publish(repository)?;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted.into());
        }
        let gone = self.base.rest(&mut self.base_chunks);
        self.out.counts.removed += gone;
        let Self { mut pages, map, mut out, .. } = self;
        out.root = map.finish(&mut |bytes| pages.store(bytes))?;
        pages.writer.flush(pages.session.packer())?;
        Ok(out)
    }

    fn output(&mut self, output: Output) -> Result<()> {
        match output {
            Output::Entries(entries) => entries.into_iter().try_for_each(|saved| self.saved(saved)),
            Output::Items(items) => items.into_iter().try_for_each(|item| self.item(item)),
            Output::FileEnd(saved, xattrs) => self.file_end(*saved, &xattrs),
            Output::Problem(path, message) => {
                self.problem(path, message);
                Ok(())
            }
            Output::LeftOut(path, what) => {
                self.out.left_out.push((path, what));
                Ok(())
            }
        }
    }

    fn item(&mut self, item: Item) -> Result<()> {
        if self.short.len() < ITEMS_INLINE_MAX {
            self.short.push(item);
            return Ok(());
        }
        let pages = &mut self.pages;
        if self.short.len() == ITEMS_INLINE_MAX {
            for item in self.short.clone() {
                self.list.push(item, &mut |bytes| pages.store(bytes))?;
            }
            // One more than fits says that they are in the list now.
            self.short.push(item);
        }
        self.list.push(item, &mut |bytes| pages.store(bytes))
    }

    /// The end of a large file: its items become its content.
    fn file_end(&mut self, mut saved: Saved, xattrs: &Vec<Xattr>) -> Result<()> {
        let items = std::mem::take(&mut self.short);
        let list = std::mem::take(&mut self.list);
        let pages = &mut self.pages;
        let content = match items.len() {
            0 => None,
            n if n <= ITEMS_INLINE_MAX => Some(Content::Items(items)),
            _ => Some(Content::List(list.finish(&mut |bytes| pages.store(bytes))?)),
        };
        if let Some(node) = &mut saved.node {
            node.content = content;
            if !xattrs.is_empty() {
                let page = encode_xattrs(xattrs);
                node.xattrs = Some(Xattrs::Page(self.pages.store(&page)?, page.len() as u64));
            }
        }
        self.saved(saved)
    }

    fn saved(&mut self, saved: Saved) -> Result<()> {
        let Saved { key, node, problem } = saved;
        if let Some(message) = problem {
            self.problem(key.path(), message);
        }
        let Some(node) = node else { return Ok(()) };
        let Some(bytes) = self.bytes.checked_add(node.len()) else {
            // Holes cost nothing, so that a few files can say more than there are numbers.
            let message = "cannot be stored: the snapshot would have more than 2^64 bytes";
            self.problem(key.path(), message.to_owned());
            return Ok(());
        };
        self.bytes = bytes;
        let entry = Entry { key, node };
        self.count(&entry);
        let pages = &mut self.pages;
        self.map.push(entry, &mut |bytes| pages.store(bytes))
    }

    fn count(&mut self, entry: &Entry) {
        let (compared, gone) = self.base.compare(entry, &mut self.base_chunks);
        let counts = &mut self.out.counts;
        counts.removed += gone;
        if is_root(&entry.key) {
            return;
        }
        match compared {
            Compared::New => counts.new += 1,
            Compared::Changed => counts.changed += 1,
            Compared::Same => counts.unchanged += 1,
        }
        let Node { kind, links, .. } = &entry.node;
        match kind {
            NodeKind::Directory => counts.directories += 1,
            NodeKind::File | NodeKind::Stream | NodeKind::Image => counts.files += 1,
            _ => counts.others += 1,
        }
        if links.is_none_or(|group| self.links.insert(group)) {
            counts.bytes += entry.node.len();
        }
    }

    fn problem(&mut self, path: Vec<u8>, message: String) {
        self.out.problems_total += 1;
        let bytes = self.problems_bytes + path.len() + message.len();
        if self.out.problems.len() < PROBLEMS_LISTED && bytes <= PROBLEMS_BYTES {
            self.problems_bytes = bytes;
            self.out.problems.push(Problem { path, message, extra: Extra::default() });
        }
    }
}
