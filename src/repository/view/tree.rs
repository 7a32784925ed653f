//! One snapshot as a tree that is looked into: entries by their number in map order, by path, and those
//! of a directory.

use super::View;
use crate::repository::content::xattrs;
use crate::repository::error::{Error, Result};
use esker_format::node::{Node, Xattr, Xattrs};
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// A snapshot.
pub struct Tree {
    view: Arc<View>,
    scope: u32,
    manifest: Manifest,
}

/// What is met in a directory.
pub enum Child<'c> {
    /// An entry, and its number.
    Entry(u64, &'c Entry),
    /// Entries with these numbers, some of which are of the directory, cannot be read.
    Lost(Range<u64>, Error),
}

/// A part of the map.
struct Leaf {
    /// The number of its first entry.
    first: u64,
    page: Arc<Page>,
}

/// Where somebody wants to go in a map.
enum Goal<'g> {
    Number(u64),
    Key(&'g MapKey),
}

/// Where he comes to.
enum Reached {
    Leaf(Leaf),
    /// A page on the way that cannot be read: the numbers of what is below.
    Lost(Range<u64>, Error),
}

impl Tree {
    pub(super) const fn new(view: Arc<View>, scope: u32, manifest: Manifest) -> Self {
        Self { view, scope, manifest }
    }

    /// The view that it is of.
    pub const fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Its scope, whose chunks it refers to.
    pub const fn scope(&self) -> u32 {
        self.scope
    }

    /// What was saved with it.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.manifest.root.as_ref().map_or(0, |root| root.entries)
    }

    /// The entry with a number; none when there are not so many.
    ///
    /// # Errors
    /// When store or index fail, or a page that leads to it is lost.
    pub fn entry(&self, number: u64) -> Result<Option<Entry>> {
        match self.reach(&Goal::Number(number))? {
            None => Ok(None),
            Some(Reached::Lost(_, error)) => Err(error),
            Some(Reached::Leaf(leaf)) => {
                let at = usize::try_from(number - leaf.first).unwrap_or(usize::MAX);
                Ok(leaf.entries().get(at).cloned())
            }
        }
    }

    /// The entry with a key, and its number; none when there is no such entry.
    ///
    /// # Errors
    /// As [`entry`](Self::entry).
    pub fn find(&self, key: &MapKey) -> Result<Option<(u64, Entry)>> {
        match self.reach(&Goal::Key(key))? {
            None => Ok(None),
            Some(Reached::Lost(_, error)) => Err(error),
            Some(Reached::Leaf(leaf)) => {
                let found = leaf.entries().binary_search_by(|entry| entry.key.cmp(key)).ok();
                Ok(found.map(|at| (leaf.first + at as u64, leaf.entries()[at].clone())))
            }
        }
    }

    /// Visits the entries of a directory in the order of their names: from the first, or from the one with
    /// the number `from` on, until there are no more or `visit` says so.
    ///
    /// # Errors
    /// When store or index fail; damage is a [`Child::Lost`] instead.
    pub fn list(
        &self,
        directory: &MapKey,
        from: Option<u64>,
        visit: &mut dyn FnMut(Child<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let parent = directory.as_parent();
        let first = MapKey { parent: parent.clone(), name: Vec::new() };
        let mut reached = match from {
            Some(number) => self.reach(&Goal::Number(number))?,
            None => self.reach(&Goal::Key(&first))?,
        };
        while let Some(here) = reached.take() {
            let next = match here {
                Reached::Leaf(leaf) => {
                    let end = leaf.first + leaf.entries().len() as u64;
                    for (at, entry) in leaf.entries().iter().enumerate() {
                        let number = leaf.first + at as u64;
                        let is_before = from.map_or(entry.key < first, |from| number < from);
                        // The root is the only entry that is no child of what its parent says.
                        if is_before || entry.key == MapKey::root() {
                            continue;
                        }
                        let is_behind = entry.key.parent != parent;
                        if is_behind || visit(Child::Entry(number, entry)).is_break() {
                            return Ok(());
                        }
                    }
                    end
                }
                Reached::Lost(numbers, error) => {
                    let next = numbers.end;
                    if visit(Child::Lost(numbers, error)).is_break() {
                        return Ok(());
                    }
                    next
                }
            };
            reached = self.reach(&Goal::Number(next))?;
        }
        Ok(())
    }

    /// Visits all entries that can be read, with their numbers.
    ///
    /// # Errors
    /// When store or index fail; what is damaged is passed over.
    pub fn each(&self, visit: &mut dyn FnMut(u64, &Entry)) -> Result<()> {
        let mut number = 0;
        while let Some(reached) = self.reach(&Goal::Number(number))? {
            number = match reached {
                Reached::Lost(numbers, _) => numbers.end,
                Reached::Leaf(leaf) => {
                    for (at, entry) in (leaf.first..).zip(leaf.entries()) {
                        visit(at, entry);
                    }
                    leaf.first + leaf.entries().len() as u64
                }
            };
        }
        Ok(())
    }

    /// The extended attributes of a node of it, wherever they are.
    ///
    /// # Errors
    /// When their page is missing or damaged.
    pub fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>> {
        match &node.xattrs {
            Some(Xattrs::Page(..)) => self.view.read(self.scope, |chunks| xattrs(chunks, node)),
            Some(Xattrs::Inline(list)) => Ok(list.clone()),
            None => Ok(Vec::new()),
        }
    }

    /// Goes down to the leaf where an entry is, or would be.
    fn reach(&self, goal: &Goal<'_>) -> Result<Option<Reached>> {
        let Some(root) = &self.manifest.root else { return Ok(None) };
        if matches!(goal, Goal::Number(number) if *number >= root.entries) {
            return Ok(None);
        }
        let (mut at, mut level, mut first) = (root.clone(), self.manifest.root_level as u8, 0);
        loop {
            let page = match self.page(&at, level) {
                Err(error) if error.is_damage() => {
                    return Ok(Some(Reached::Lost(first..first + at.entries, error)));
                }
                other => other?,
            };
            let Page::Inner(_, below) = &*page else {
                return Ok(Some(Reached::Leaf(Leaf { first, page })));
            };
            let (number, next) = choose(below, first, goal);
            (at, first, level) = (next, number, level - 1);
        }
    }

    fn page(&self, reference: &PageRef, level: u8) -> Result<Arc<Page>> {
        let pages = &self.view.pages;
        if let Some(page) = pages.kept(self.scope, reference) {
            return Ok(page);
        }
        self.view.read(self.scope, |chunks| pages.read(chunks, self.scope, reference, level))
    }
}

/// The page to go on with, and the number of its first entry. A page that was decoded is not empty.
fn choose(below: &[PageRef], mut first: u64, goal: &Goal<'_>) -> (u64, PageRef) {
    for (at, page) in below.iter().enumerate() {
        let is_here = match (goal, below.get(at + 1)) {
            (_, None) => true,
            (Goal::Number(number), _) => *number < first + page.entries,
            (Goal::Key(key), Some(next)) => **key < next.first(),
        };
        if is_here {
            return (first, page.clone());
        }
        first += page.entries;
    }
    unreachable!("an inner page has pages below it")
}

impl Leaf {
    fn entries(&self) -> &[Entry] {
        match &*self.page {
            Page::Leaf(entries) => entries,
            Page::Inner(..) => &[],
        }
    }
}
