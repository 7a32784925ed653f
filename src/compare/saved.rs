//! One side: what the snapshot has.

use crate::repository::{Bounds, Chunks, Error, Found, Map, Result, root_of};
use esker_format::node::Node;
use esker_format::page::PageRef;
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;

/// An entry of the snapshot.
pub struct InMap {
    pub key: MapKey,
    pub node: Node,
}

/// What is lost: the first path, how many there are, and why.
type Lost = (MapKey, u64, Error);

/// The entries of the snapshot, in order.
pub struct Saved {
    root: Option<(PageRef, u8)>,
    map: Map,
    /// Ranges that come after the one of `map`, next one last.
    bounds: Vec<Bounds>,
    next: Option<InMap>,
    lost: Option<Lost>,
    /// Where the last loss began, until there is an entry again.
    behind: Option<MapKey>,
}

impl Saved {
    pub fn new(manifest: &Manifest, path: Option<&MapKey>) -> Self {
        let mut bounds = match path {
            None => vec![Bounds::All],
            Some(key) => vec![Bounds::Below(key.clone()), Bounds::One(key.clone())],
        };
        let root = root_of(manifest);
        let map = walk(&root, bounds.pop().unwrap_or(Bounds::All));
        Self { root, map, bounds, next: None, lost: None, behind: None }
    }

    /// The key of the next entry; none at the end, and where something is lost.
    pub fn peek(&mut self, chunks: &mut Chunks) -> Result<Option<&MapKey>> {
        while self.next.is_none() && self.lost.is_none() {
            match self.map.next(chunks)? {
                Some(Found::Entry(entry)) => {
                    self.next = Some(InMap { key: entry.key, node: entry.node });
                }
                Some(Found::Lost { first, entries, error }) => {
                    self.lost = Some((first, entries, error));
                }
                None => match self.bounds.pop() {
                    Some(bounds) => self.map = walk(&self.root, bounds),
                    None => break,
                },
            }
        }
        Ok(self.next.as_ref().map(|next| &next.key))
    }

    /// The entry that was peeked at.
    pub fn take(&mut self) -> Option<InMap> {
        self.behind = None;
        self.next.take()
    }

    /// What is lost and was met by looking ahead.
    pub fn take_lost(&mut self) -> Option<Lost> {
        let lost = self.lost.take()?;
        // Of losses that follow each other the first one counts.
        self.behind.get_or_insert_with(|| lost.0.clone());
        Some(lost)
    }

    /// Whether nobody knows if the snapshot has this key, which comes before its next entry.
    pub fn is_unknown(&self, key: &MapKey) -> bool {
        self.behind.as_ref().is_some_and(|first| key >= first)
    }
}

fn walk(root: &Option<(PageRef, u8)>, bounds: Bounds) -> Map {
    Map::new(root.as_ref().map(|(page, level)| (page, *level)), bounds)
}
