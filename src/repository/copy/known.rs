//! What an earlier snapshot has too: entries that are the same in both here are the same there.

use super::Base;
use crate::repository::chunks::Chunks;
use crate::repository::error::Result;
use crate::repository::map::{Bounds, Found, Map};
use crate::repository::{Repository, root_of};
use esker_format::ids::SnapshotId;
use esker_format::node::Node;
use esker_format::page::Entry;
use esker_format::path::MapKey;
use std::cmp::Ordering;

/// The maps of an earlier snapshot in both repositories, read beside the one that is copied.
pub struct Known(Option<Both>);

struct Both {
    here: Cursor,
    there: Cursor,
    chunks_there: Chunks,
}

impl Known {
    /// Of no snapshot.
    pub const fn nothing() -> Self {
        Self(None)
    }

    /// Of a snapshot that both have.
    pub fn open(source: &Repository, target: &Repository, base: &Base) -> Result<Self> {
        let scope = target.state().snapshot(base.there).map_or(0, |snapshot| snapshot.scope);
        let here = Cursor::of(source, base.here)?;
        let there = Cursor::of(target, base.there)?;
        let chunks_there = Chunks::new(target, scope, 1 << 20)?;
        Ok(Self(Some(Both { here, there, chunks_there })))
    }

    /// The node that the other repository has for an entry which the earlier snapshot had as it is now. Keys
    /// are asked for in ascending order. What cannot be read of the earlier snapshot is not known.
    pub fn find(&mut self, key: &MapKey, node: &Node, chunks: &mut Chunks) -> Result<Option<Node>> {
        let Some(both) = &mut self.0 else { return Ok(None) };
        match both.here.at(key, chunks)? {
            Some(old) if old == *node => both.there.at(key, &mut both.chunks_there),
            _ => Ok(None),
        }
    }
}

/// A place in a map.
struct Cursor {
    map: Map,
    next: Option<Box<Entry>>,
    is_over: bool,
}

impl Cursor {
    fn of(repository: &Repository, id: SnapshotId) -> Result<Self> {
        let root = root_of(&repository.manifest(id)?);
        let map = Map::new(root.as_ref().map(|(page, level)| (page, *level)), Bounds::All);
        Ok(Self { map, next: None, is_over: false })
    }

    /// The node with this key; what comes before it is passed over.
    fn at(&mut self, key: &MapKey, chunks: &mut Chunks) -> Result<Option<Node>> {
        loop {
            if let Some(entry) = &self.next {
                match entry.key.cmp(key) {
                    Ordering::Less => self.next = None,
                    Ordering::Equal => return Ok(self.next.take().map(|entry| entry.node)),
                    Ordering::Greater => return Ok(None),
                }
            }
            if self.is_over {
                return Ok(None);
            }
            match self.map.next(chunks)? {
                Some(Found::Entry(entry)) => self.next = Some(entry),
                Some(Found::Lost { .. }) => {}
                None => self.is_over = true,
            }
        }
    }
}
