//! What live snapshots use: which chunks of which packs, and which packs each snapshot needs. Every
//! page is read once, however many snapshots share it.

use crate::repository::chunks::Chunks;
use crate::repository::content::{read_list_page, root_ref};
use crate::repository::error::{Error, Result};
use crate::repository::index::Location;
use crate::repository::map::read_page;
use crate::repository::{Repository, state};
use esker_format::content::{Content, Item};
use esker_format::ids::{ChunkId, SnapshotId};
use esker_format::list::{ListPage, ListRef};
use esker_format::node::{Node, Xattrs};
use esker_format::ordinals::Ordinals;
use esker_format::page::{Page, PageRef};
use esker_format::segment::{Prefix, SegmentPack, prefix};
use std::collections::{BTreeSet, HashMap};

/// Memory for frames of pages, bytes.
const BUDGET: usize = 16 << 20;

/// What is used of one pack.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// A bit for each chunk of the pack, in its order.
    bits: Vec<u64>,
    /// Plaintext of the chunks that are used, bytes.
    pub bytes: u64,
}

impl Used {
    /// Whether the chunk with this number is used.
    pub fn has(&self, number: u32) -> bool {
        self.bits.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Bytes that the chunks in use take in a pack, about, and those that all of them take.
    pub fn share(&self, pack: &SegmentPack) -> (u64, u64) {
        let (mut kept, mut total, mut number, mut count) = (0, 0, 0, 0);
        for frame in &pack.frames {
            let mut plain = 0;
            for (_, len) in pack.chunks.iter().skip(number as usize).take(frame.chunks as usize) {
                if self.has(number) {
                    (plain, count) = (plain + u64::from(*len), count + 1);
                }
                number += 1;
            }
            let sealed = u64::from(frame.sealed_len);
            kept += (sealed * plain).checked_div(frame.plain_len.into()).unwrap_or(0);
            total += sealed;
        }
        // What lies behind the frames has a row for each chunk.
        let behind = pack.len.saturating_sub(pack.header.len() as u64 + total);
        kept += (behind * count).checked_div(number.into()).unwrap_or(0);
        (kept.max(u64::from(count > 0)), total + behind)
    }

    fn set(&mut self, place: &Location) {
        let at = place.number as usize / 64;
        if self.bits.len() <= at {
            self.bits.resize(at + 1, 0);
        }
        let bit = 1 << (place.number % 64);
        if self.bits[at] & bit == 0 {
            self.bits[at] |= bit;
            self.bytes += u64::from(place.len);
        }
    }
}

/// What was found out by walking.
pub struct Usage {
    chunks: Chunks,
    /// By ordinal; packs of which nothing is used are not in it.
    pub packs: HashMap<u32, Used>,
    /// The packs that each snapshot needs, pages included.
    pub sets: HashMap<SnapshotId, Ordinals>,
    /// Snapshots that could not be walked to their end, and why: all of their sets stays.
    pub broken: HashMap<SnapshotId, Error>,
    /// Packs that were written anew since, and those that stand in for them.
    moved: HashMap<u32, Vec<u32>>,
    /// Which packs may be relied on.
    fit: Vec<bool>,
    /// The packs that a page and all below it need.
    known: HashMap<Prefix, Arena>,
    arena: Vec<u8>,
    copies: Vec<Location>,
}

/// Where a set lies in the arena.
type Arena = u32;

impl Usage {
    /// Nothing walked yet.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(repository: &Repository) -> Result<Self> {
        Ok(Self {
            chunks: Chunks::new(repository, repository.access().scope, BUDGET)?,
            packs: HashMap::new(),
            sets: HashMap::new(),
            broken: HashMap::new(),
            moved: HashMap::new(),
            fit: Vec::new(),
            known: HashMap::new(),
            arena: Vec::new(),
            copies: Vec::new(),
        })
    }

    /// Walks the live snapshots that were not walked yet, newest first. `present` tells which packs
    /// the store has; those that came later are there.
    ///
    /// # Errors
    /// When store or index fail; damage makes a snapshot broken.
    pub fn walk(
        &mut self,
        repository: &Repository,
        present: &[Option<u64>],
        told: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let state = repository.state();
        let there = |(at, pack): (usize, &state::Pack)| {
            pack.is_good() && present.get(at).is_none_or(|len| *len == Some(pack.len))
        };
        self.fit = state.packs.iter().enumerate().map(there).collect();
        // What others have added since is found only by asking anew.
        self.chunks.renew(repository)?;
        for snapshot in state.live_snapshots().collect::<Vec<_>>().into_iter().rev() {
            if self.has_seen(snapshot.id) {
                continue;
            }
            told()?;
            // What writers of other scopes say of their packs keeps nothing of this one.
            self.chunks.within(snapshot.scope);
            match self.snapshot(repository, snapshot.id) {
                Ok(set) => {
                    let set = set.into_iter().collect();
                    self.sets.insert(snapshot.id, self.now(&set));
                }
                Err(e) if e.is_damage() => drop(self.broken.insert(snapshot.id, e)),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Whether a snapshot was walked, to its end or not.
    pub fn has_seen(&self, id: SnapshotId) -> bool {
        self.sets.contains_key(&id) || self.broken.contains_key(&id)
    }

    /// Learns which packs stand in for others from now on: snapshots need them instead.
    pub fn moved(&mut self, moved: HashMap<u32, Vec<u32>>) {
        let old: Ordinals = moved.keys().copied().collect();
        self.moved.extend(moved);
        let mut sets = std::mem::take(&mut self.sets);
        sets.values_mut().filter(|set| set.meets(&old)).for_each(|set| *set = self.now(set));
        self.sets = sets;
    }

    /// A set, with the packs that stand in now.
    fn now(&self, set: &Ordinals) -> Ordinals {
        if self.moved.is_empty() {
            return set.clone();
        }
        let now = set.iter().flat_map(|old| match self.moved.get(&old) {
            Some(new) => new.clone(),
            None => vec![old],
        });
        now.collect()
    }

    fn snapshot(&mut self, repository: &Repository, id: SnapshotId) -> Result<BTreeSet<u32>> {
        let manifest = repository.manifest(id)?;
        let mut set = BTreeSet::new();
        if let Some(root) = &manifest.root {
            self.page(root, manifest.root_level as u8, &mut set)?;
        }
        Ok(set)
    }

    /// Adds the packs that a page of a path map and all below it need.
    fn page(&mut self, reference: &PageRef, level: u8, into: &mut BTreeSet<u32>) -> Result<()> {
        if self.recall(&reference.page, into) {
            return Ok(());
        }
        let mut set = BTreeSet::new();
        self.chunk(&reference.page, &mut set)?;
        match read_page(&mut self.chunks, reference, level)? {
            Page::Inner(level, below) => {
                for page in &below {
                    self.page(page, level - 1, &mut set)?;
                }
            }
            Page::Leaf(entries) => {
                for entry in &entries {
                    self.node(&entry.node, &mut set)?;
                }
            }
        }
        self.remember(&reference.page, &set);
        into.extend(set);
        Ok(())
    }

    fn node(&mut self, node: &Node, set: &mut BTreeSet<u32>) -> Result<()> {
        if let Some(Xattrs::Page(id, _)) = &node.xattrs {
            self.chunk(id, set)?;
        }
        match &node.content {
            Some(Content::Items(items)) => self.items(items, set),
            Some(Content::List(root)) => self.list(&root_ref(root), root.level as u8, set),
            Some(Content::Inline(_)) | None => Ok(()),
        }
    }

    /// The same for a page of a content list.
    fn list(&mut self, reference: &ListRef, level: u8, into: &mut BTreeSet<u32>) -> Result<()> {
        if self.recall(&reference.page, into) {
            return Ok(());
        }
        let mut set = BTreeSet::new();
        self.chunk(&reference.page, &mut set)?;
        match read_list_page(&mut self.chunks, reference, level)? {
            ListPage::Leaf(items) => self.items(&items, &mut set)?,
            ListPage::Inner(level, below) => {
                for page in &below {
                    self.list(page, level - 1, &mut set)?;
                }
            }
        }
        self.remember(&reference.page, &set);
        into.extend(set);
        Ok(())
    }

    fn items(&mut self, items: &[Item], set: &mut BTreeSet<u32>) -> Result<()> {
        for item in items {
            if let Item::Data(id, _) = item {
                self.chunk(id, set)?;
            }
        }
        Ok(())
    }

    /// Notes that a chunk is used, in the oldest pack that has it and may be relied on: what is said
    /// to hold it came later, perhaps from whoever stole a key, and takes the place of nothing.
    fn chunk(&mut self, id: &ChunkId, set: &mut BTreeSet<u32>) -> Result<()> {
        let mut copies = std::mem::take(&mut self.copies);
        self.chunks.lookup().copies(id, &mut copies)?;
        let fit = &self.fit;
        let is_fit = |place: &&Location| fit.get(place.pack as usize).copied().unwrap_or(false);
        let Some(chosen) = copies.iter().rev().find(is_fit).copied() else {
            self.copies = copies;
            return Err(Error::NoChunk { id: id.to_string() });
        };
        self.packs.entry(chosen.pack).or_default().set(&chosen);
        set.insert(chosen.pack);
        self.copies = copies;
        Ok(())
    }

    /// Adds what a page is known to need; false when nothing is known.
    fn recall(&self, page: &ChunkId, into: &mut BTreeSet<u32>) -> bool {
        let Some(at) = self.known.get(&prefix(page)) else { return false };
        let mut bytes = &self.arena[*at as usize..];
        let (count, mut last) = (take(&mut bytes), 0);
        for _ in 0..count {
            last += take(&mut bytes);
            into.insert(last);
        }
        true
    }

    fn remember(&mut self, page: &ChunkId, set: &BTreeSet<u32>) {
        // Some four thousand million bytes of sets are more than any memory has: then it is read again.
        let Ok(at) = u32::try_from(self.arena.len()) else { return };
        put(&mut self.arena, set.len() as u32);
        let mut last = 0;
        for ordinal in set {
            put(&mut self.arena, ordinal - last);
            last = *ordinal;
        }
        self.known.insert(prefix(page), at);
    }
}

/// Appends a number, seven bits to a byte.
fn put(out: &mut Vec<u8>, mut number: u32) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front.
fn take(bytes: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    while let Some((first, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u32::from(first & 127) << shift;
        shift += 7;
        if first & 128 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_the_arena() {
        let numbers = [0, 1, 127, 128, 300, 1 << 21, u32::MAX];
        let mut arena = Vec::new();
        numbers.iter().for_each(|number| put(&mut arena, *number));
        let mut bytes = &arena[..];
        assert!(numbers.iter().all(|number| take(&mut bytes) == *number));
        assert!(bytes.is_empty());
    }
}
