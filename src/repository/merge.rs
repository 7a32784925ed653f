//! Several path maps walked together, in the order that they share.
//!
//! A page that several maps have is read once for all of them, or not at all when nobody wants to
//! know what they have in common. Equal pages begin with the same key, so that all maps come to
//! them at the same time: nothing needs to be remembered of pages that were passed.
//!
//! In memory is one page of each level for each map, pages that maps share counted once.

use crate::repository::chunks::Chunks;
use crate::repository::error::{Error, Result};
use crate::repository::map::{Bounds, read_page};
use esker_format::node::Node;
use esker_format::page::{Entry, Page, PageRef};
use esker_format::path::MapKey;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::iter::Peekable;

/// A node, and the numbers of the maps that have it at one key, ascending.
#[derive(Debug)]
pub struct Variant {
    /// The node.
    pub node: Node,
    /// The maps.
    pub maps: Vec<u32>,
}

/// What the walk meets.
#[derive(Debug)]
pub enum Met {
    /// A key, and all that the maps have there; no two variants are equal.
    Entry(MapKey, Vec<Variant>),
    /// A page that cannot be read, and all entries below it with it.
    Lost {
        /// The first of them.
        first: MapKey,
        /// How many there are.
        entries: u64,
        /// The maps that lose them.
        maps: Vec<u32>,
        /// Why.
        error: Error,
    },
}

/// Whether an entry is wanted.
type Wanted<'w> = dyn Fn(&Entry) -> bool + 'w;
/// Whether a page that just these maps have is passed over.
type Skipped<'w> = dyn Fn(&PageRef, &[u32]) -> bool + 'w;

/// A running walk.
pub struct Merge<'w> {
    bounds: Bounds,
    wanted: Box<Wanted<'w>>,
    skipped: Box<Skipped<'w>>,
    lanes: BinaryHeap<Reverse<Lane>>,
    lost: Vec<Met>,
}

/// Pages and entries that follow each other, of some maps.
struct Lane {
    /// The key that comes next.
    next: MapKey,
    maps: Vec<u32>,
    /// Pages still to be read, next one last, with their levels.
    pages: Vec<(PageRef, u8)>,
    entries: Peekable<std::vec::IntoIter<Entry>>,
}

impl<'w> Merge<'w> {
    /// A walk over the entries within `bounds` of the maps with these roots, which are numbered in
    /// their order.
    pub fn new(roots: impl IntoIterator<Item = Option<(PageRef, u8)>>, bounds: Bounds) -> Self {
        let mut merge = Self {
            bounds,
            wanted: Box::new(|_| true),
            skipped: Box::new(|_, _| false),
            lanes: BinaryHeap::new(),
            lost: Vec::new(),
        };
        for (number, root) in roots.into_iter().enumerate() {
            merge.push(vec![number as u32], root.into_iter().collect(), Vec::new());
        }
        merge
    }

    /// Meets only the entries that `wanted` says.
    #[must_use]
    pub fn wanting(mut self, wanted: impl Fn(&Entry) -> bool + 'w) -> Self {
        self.wanted = Box::new(wanted);
        self
    }

    /// Passes over pages for which `skipped` says so, without reading them. It gets each page once,
    /// with the numbers of all maps that have it.
    #[must_use]
    pub fn skipping(mut self, skipped: impl Fn(&PageRef, &[u32]) -> bool + 'w) -> Self {
        self.skipped = Box::new(skipped);
        self
    }

    /// The next key that a map has, or the next loss; none at the end.
    ///
    /// # Errors
    /// When store or index fail; damage is a [`Met::Lost`] instead.
    pub fn next(&mut self, chunks: &mut Chunks) -> Result<Option<Met>> {
        loop {
            if let Some(lost) = self.lost.pop() {
                return Ok(Some(lost));
            }
            let Some(Reverse(first)) = self.lanes.pop() else { return Ok(None) };
            let mut here = vec![first];
            while let Some(Reverse(lane)) = self.lanes.peek()
                && lane.next == here[0].next
            {
                here.extend(self.lanes.pop().map(|Reverse(lane)| lane));
            }
            match here.iter().filter_map(Lane::level).max() {
                // Pages of the highest level first: what they have below them can be the very page
                // that another map has come to.
                Some(level) => self.turn(here, level, chunks)?,
                None => return Ok(Some(self.take(here))),
            }
        }
    }

    /// The key at which a map goes on; none at its end.
    pub fn next_of(&self, map: u32) -> Option<MapKey> {
        let of_map = self.lanes.iter().filter(|Reverse(lane)| lane.maps.contains(&map));
        of_map.map(|Reverse(lane)| lane.next.clone()).min()
    }

    /// Reads the pages of one level that lanes have come to, each once.
    fn turn(&mut self, here: Vec<Lane>, level: u8, chunks: &mut Chunks) -> Result<()> {
        let mut pages: Vec<(PageRef, Vec<u32>)> = Vec::new();
        for mut lane in here {
            if lane.level() == Some(level)
                && let Some((page, _)) = lane.pages.pop()
            {
                match pages.iter_mut().find(|(known, _)| *known == page) {
                    Some((_, maps)) => maps.extend(&lane.maps),
                    None => pages.push((page, lane.maps.clone())),
                }
            }
            self.push_back(lane);
        }
        for (page, mut maps) in pages {
            maps.sort_unstable();
            if (self.skipped)(&page, &maps) {
                continue;
            }
            match read_page(chunks, &page, level) {
                Ok(Page::Leaf(mut entries)) => {
                    entries.retain(|entry| {
                        self.bounds.place(&entry.key) == Ordering::Equal && (self.wanted)(entry)
                    });
                    self.push(maps, Vec::new(), entries);
                }
                Ok(Page::Inner(level, below)) => {
                    let pages = self.bounds.queue(level - 1, below);
                    self.push(maps, pages, Vec::new());
                }
                Err(error) if error.is_damage() => {
                    let (first, entries) = (page.first(), page.entries);
                    self.lost.push(Met::Lost { first, entries, maps, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes the entry that lanes have come to from each of them.
    fn take(&mut self, here: Vec<Lane>) -> Met {
        let key = here[0].next.clone();
        let mut variants: Vec<Variant> = Vec::new();
        for mut lane in here {
            if let Some(Entry { node, .. }) = lane.entries.next() {
                match variants.iter_mut().find(|variant| variant.node == node) {
                    Some(variant) => variant.maps.extend(&lane.maps),
                    None => variants.push(Variant { node, maps: lane.maps.clone() }),
                }
            }
            self.push_back(lane);
        }
        variants.iter_mut().for_each(|variant| variant.maps.sort_unstable());
        Met::Entry(key, variants)
    }

    fn push(&mut self, maps: Vec<u32>, pages: Vec<(PageRef, u8)>, entries: Vec<Entry>) {
        let entries = entries.into_iter().peekable();
        self.push_back(Lane { next: MapKey::root(), maps, pages, entries });
    }

    /// Puts a lane back where its next key belongs, unless it is at its end.
    fn push_back(&mut self, mut lane: Lane) {
        lane.next = match (lane.entries.peek(), lane.pages.last()) {
            (Some(entry), _) => entry.key.clone(),
            (None, Some((page, _))) => page.first(),
            (None, None) => return,
        };
        self.lanes.push(Reverse(lane));
    }
}

impl Lane {
    /// The level of the page that comes next; none when an entry does.
    fn level(&self) -> Option<u8> {
        // A lane has either entries or pages.
        self.pages.last().map(|(_, level)| *level)
    }
}

impl Ord for Lane {
    fn cmp(&self, other: &Self) -> Ordering {
        self.next.cmp(&other.next)
    }
}

impl PartialOrd for Lane {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Lane {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Lane {}

#[cfg(test)]
mod tests;
