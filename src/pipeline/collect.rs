//! The last stage: results in order, made into the path map, its pages, counts and problems.

use crate::pipeline::counts::Counting;
use crate::pipeline::error::Result;
use crate::pipeline::known::{Taken, Versus};
use crate::pipeline::later::Later;
use crate::pipeline::leaf_counts::LeafCounts;
use crate::pipeline::observe::{Observer, tell_leaf};
use crate::pipeline::pages::RunPages;
use crate::pipeline::series::bytes;
use crate::pipeline::task::{CollectorEnds, Output, Saved};
use crate::repository::{Error, Leaf, Repository, Session};
use crate::source::{Roots, Select};
use esker_format::cbor::Extra;
use esker_format::content::{Content, Item};
use esker_format::limits::ITEMS_INLINE_MAX;
use esker_format::list::ListBuilder;
use esker_format::map_builder::{KnownLeaf, MapBuilder};
use esker_format::node::{Fidelity, NodeKind, Time, Xattr, Xattrs, encode_xattrs};
use esker_format::page::{Entry, PageRef};
use esker_format::segment::prefix;
use esker_format::snapshot::{Counts, Problem};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Problems that a manifest lists; all are counted.
const PROBLEMS_LISTED: usize = 1000;
/// Bytes of their paths and messages: a path can be so long that a thousand would fit no manifest.
const PROBLEMS_BYTES: usize = 1 << 20;
/// Bytes of what one file refers to that the file table is given. A file with more, of some 500
/// GiB, is read again after a run that was killed.
const REFS_MAX: usize = 16 << 20;

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
    /// Files that changed while they were read, as they may.
    pub changing: u64,
    /// Streams that are less than half as long as the last time.
    pub shrunk: Vec<Shrunk>,
}

/// A stream that is much shorter than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// Its path.
    pub path: Vec<u8>,
    /// Its length in the base.
    pub before: u64,
    /// Its length now.
    pub now: u64,
}

/// Collects results.
pub struct Collector<'s> {
    session: &'s Session,
    pages: RunPages<'s>,
    map: MapBuilder<'s, RunPages<'s>>,
    /// Content of the large file that is being read.
    list: ListBuilder,
    short: Vec<Item>,
    refs: Vec<u8>,
    /// What has its place behind what is still to come.
    later: Later,
    counting: Counting,
    observer: Observer<'s>,
    select: &'s Select,
    problems_bytes: usize,
    out: Collected,
}

impl<'s> Collector<'s> {
    /// A collector for one run.
    pub fn new(
        session: &'s Session,
        pages: RunPages<'s>,
        counting: Counting,
        observer: Observer<'s>,
        select: &'s Select,
    ) -> Self {
        Self {
            session,
            pages,
            map: MapBuilder::new(&session.access().scope_keys),
            list: ListBuilder::default(),
            short: Vec::new(),
            refs: Vec::new(),
            later: Later::default(),
            counting,
            observer,
            select,
            problems_bytes: 0,
            out: Collected::default(),
        }
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
        start: Time,
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
            self.session.publish(repository)?;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted.into());
        }
        let later = std::mem::take(&mut self.later).finish(start)?;
        for saved in later {
            self.saved(saved)?;
        }
        let Self { mut pages, map, mut out, counting, .. } = self;
        out.counts = counting.finish();
        out.root = map.finish(&mut pages)?;
        pages.flush()?;
        Ok(out)
    }

    fn output(&mut self, output: Output) -> Result<()> {
        match output {
            Output::Entries(entries) => entries.into_iter().try_for_each(|saved| self.saved(saved)),
            Output::Taken(taken) => taken.into_iter().try_for_each(|taken| match taken {
                Taken::Leaf(leaf, counts) => self.leaf(leaf, &counts),
                Taken::Entry(kept) => self.saved((*kept).into()),
            }),
            Output::Gone(gone) => {
                self.counting.gone(gone);
                Ok(())
            }
            Output::Items(items) => items.into_iter().try_for_each(|item| self.item(item)),
            Output::Again => {
                (self.list, self.short, self.refs) = Default::default();
                Ok(())
            }
            Output::FileEnd(saved, xattrs) => {
                let saved = self.with_content(*saved, &xattrs)?;
                self.saved(saved)
            }
            Output::Later(saved, xattrs) => {
                let saved = self.with_content(*saved, &xattrs)?;
                self.later.add(saved);
                Ok(())
            }
            Output::Link(key, first) => {
                Ok(self.later.link(key, &first, &self.session.access().scope_keys)?)
            }
            Output::LaterKept(saved) => {
                self.later.add(*saved);
                Ok(())
            }
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
        if self.short.len() == ITEMS_INLINE_MAX {
            for item in self.short.clone() {
                self.listed(item)?;
            }
            // One more than fits says that they are in the list now.
            self.short.push(item);
        }
        self.listed(item)
    }

    fn listed(&mut self, item: Item) -> Result<()> {
        if let Item::Data(id, _) = &item {
            refer(&mut self.refs, &prefix(id));
        }
        let (pages, refs) = (&mut self.pages, &mut self.refs);
        self.list.push(item, &mut |bytes| {
            let id = pages.page(bytes)?;
            refer(refs, &prefix(&id));
            Ok(id)
        })
    }

    /// The end of a large file or a stream: the items become its content.
    fn with_content(&mut self, mut saved: Saved, xattrs: &Vec<Xattr>) -> Result<Saved> {
        let items = std::mem::take(&mut self.short);
        let list = std::mem::take(&mut self.list);
        let mut refs = std::mem::take(&mut self.refs);
        let pages = &mut self.pages;
        let content = match items.len() {
            0 => saved.node.as_mut().and_then(|node| node.content.take()),
            n if n <= ITEMS_INLINE_MAX => Some(Content::Items(items)),
            _ => Some(Content::List(list.finish(&mut |bytes| {
                let id = pages.page(bytes)?;
                refer(&mut refs, &prefix(&id));
                Ok::<_, crate::pipeline::Error>(id)
            })?)),
        };
        if let Some(node) = &mut saved.node {
            node.content = content;
            if !xattrs.is_empty() {
                let page = encode_xattrs(xattrs);
                node.xattrs = Some(Xattrs::Page(self.pages.page(&page)?, page.len() as u64));
            }
        }
        // What is not there as a whole cannot be looked for; what has no mark is never looked for.
        let is_of_use = refs.len() < REFS_MAX && saved.mark.is_some();
        saved.refs = if is_of_use { refs } else { Vec::new() };
        Ok(saved)
    }

    fn saved(&mut self, saved: Saved) -> Result<()> {
        let Saved { key, mut node, problem, mut mark, refs, versus } = saved;
        if let Some(node) = node.as_mut().filter(|node| !self.counting.is_of_its_group(node)) {
            // Restored as a name of the other it would have the other's content.
            node.links = None;
            mark = None;
        }
        if let Some(message) = problem {
            let fidelity = node.as_ref().and_then(|node| node.fidelity);
            let changes = matches!(fidelity, Some(Fidelity::Changed | Fidelity::Grew));
            if changes && self.select.allows_changing(&key.path()) {
                self.out.changing += 1;
            } else {
                self.problem(key.path(), message);
            }
        }
        let Some(node) = node else { return self.nothing(&versus) };
        if !self.counting.takes(&node) {
            let message = "cannot be stored: the snapshot would have more than 2^64 bytes";
            self.problem(key.path(), message.to_owned());
            return self.nothing(&versus);
        }
        let entry = Entry { key, node };
        let (compared, before) = self.counting.entry(&entry, &versus);
        self.shrunk(&entry, before);
        if let Some(observer) = self.observer {
            observer(&entry.key.path(), compared);
        }
        self.map.push(entry, &mut self.pages)?;
        // Behind the entry, which may have opened a leaf before it.
        self.pages.remember(mark, refs);
        Ok(())
    }

    /// Looks whether a stream is much shorter than it was.
    fn shrunk(&mut self, entry: &Entry, before: Option<u64>) {
        let Entry { key, node } = entry;
        let now = node.len();
        if let Some(before) =
            before.filter(|before| node.kind == NodeKind::Stream && now < before / 2)
        {
            self.out.shrunk.push(Shrunk { path: key.path(), before, now });
        }
    }

    /// An entry that is not saved; what the base has of it is gone.
    fn nothing(&mut self, versus: &Versus) -> Result<()> {
        if matches!(versus, Versus::Old(_) | Versus::Same) {
            self.counting.gone(1);
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: Box<Leaf>, counts: &LeafCounts) -> Result<()> {
        self.counting.leaf(counts, leaf.reference.bytes);
        if let Some(observer) = self.observer {
            tell_leaf(&leaf.marks, observer);
        }
        let (reference, key_bytes) = (leaf.reference.clone(), counts.key_bytes as usize);
        self.map.push_leaf(KnownLeaf { reference, key_bytes, known: leaf }, &mut self.pages)
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

/// Remembers a chunk that a file refers to.
fn refer(refs: &mut Vec<u8>, prefix: &[u8]) {
    if refs.len() < REFS_MAX {
        refs.extend(prefix);
    }
}
