//! What only one snapshot needs: what forgetting it alone would free.
//!
//! ```text
//! 1  what the snapshot does not share with the ones before and after it     candidates
//! 2  less all that any other snapshot refers to, each page read once
//! 3  which packs hold what is left
//! ```
//! In memory are the first halves of the ids of the candidates, and of the pages that were read.

use crate::repository::chunks::Chunks;
use crate::repository::content::references;
use crate::repository::diff::root_of;
use crate::repository::error::{Error, Result};
use crate::repository::map::{Bounds, read_page};
use crate::repository::merge::{Merge, Met};
use crate::repository::{Repository, Snapshot};
use esker_format::frame::FrameType;
use esker_format::ids::{ChunkId, SnapshotId};
use esker_format::page::{Page, PageRef};
use esker_format::segment::{Prefix, prefix};
use esker_format::snapshot::Manifest;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Memory for frames of pages, bytes.
const BUDGET: usize = 32 << 20;

/// What only one snapshot needs.
#[derive(Debug, Default)]
pub struct Exclusive {
    /// Chunks of files.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Chunks that are pages.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
    /// About the bytes that all that takes in packs: each chunk its share of its frame.
    pub stored: u64,
    /// Packs that hold nothing else.
    pub whole_packs: u64,
    /// Their bytes.
    pub whole_bytes: u64,
    /// Packs that hold something else too.
    pub partly_packs: u64,
    /// What could not be read. Where there is some, the rest is no more than a guess.
    pub lost: Vec<Error>,
}

/// Says what only this snapshot needs, exactly, unless something is lost.
///
/// # Errors
/// When the snapshot cannot be read, or store or index fail.
pub fn exclusive(repository: &Repository, id: SnapshotId) -> Result<Exclusive> {
    let only = only_in(repository, id)?;
    let mut found = Exclusive { lost: only.lost, ..Exclusive::default() };
    for (len, frame_type) in only.chunks.values() {
        let (chunks, bytes) = match frame_type {
            FrameType::Data => (&mut found.chunks, &mut found.chunk_bytes),
            FrameType::Page => (&mut found.pages, &mut found.page_bytes),
        };
        *chunks += 1;
        *bytes += u64::from(*len);
    }
    packs(repository, id, &only.chunks, &mut found)?;
    Ok(found)
}

/// Chunks by the first half of their ids, with length and type.
type Candidates = HashMap<Prefix, (u32, FrameType)>;

#[derive(Default)]
struct Only {
    chunks: Candidates,
    lost: Vec<Error>,
}

/// The chunks that only this snapshot refers to.
fn only_in(repository: &Repository, id: SnapshotId) -> Result<Only> {
    let mut all = repository.snapshots()?;
    // What is forgotten already keeps nothing.
    all.retain(|snapshot| !snapshot.is_forgotten || snapshot.id == id);
    let mut chunks = Chunks::of_all(repository, BUDGET)?;
    let mut only = candidates(repository, &all, id, &mut chunks)?;
    let mut read = HashSet::new();
    for other in all.iter().rev().filter(|other| other.id != id) {
        if only.chunks.is_empty() {
            break;
        }
        match repository.manifest(other.id) {
            Ok(manifest) => only.subtract(&manifest, &mut read, &mut chunks)?,
            Err(error) if error.is_damage() => only.lost.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(only)
}

/// What a snapshot does not share with those before and after it in its series.
fn candidates(
    repository: &Repository,
    all: &[Snapshot],
    id: SnapshotId,
    chunks: &mut Chunks,
) -> Result<Only> {
    const MINE: &[u32] = &[0];
    let mut roots = vec![root_of(&repository.manifest(id)?)];
    for neighbour in neighbours(all, id) {
        // They only save work here; what they refer to is seen to later.
        roots.extend(repository.manifest(neighbour).ok().map(|manifest| root_of(&manifest)));
    }
    let found = RefCell::new(Candidates::new());
    let add = |id: &ChunkId, len: u64, frame_type| {
        found.borrow_mut().insert(prefix(id), (len as u32, frame_type));
        true
    };
    let mut lost = Vec::new();
    let mut merge = Merge::new(roots, Bounds::All).skipping(|page, maps| {
        if maps == MINE {
            add(&page.page, page.page_len, FrameType::Page);
        }
        maps.len() > 1 && maps[0] == 0
    });
    while let Some(met) = merge.next(chunks)? {
        match met {
            Met::Entry(_, variants) => {
                for variant in variants.iter().filter(|variant| variant.maps == MINE) {
                    let mut add = |id: &ChunkId, len, of_type| add(id, len, of_type);
                    lost.extend(references(chunks, &variant.node, &mut add)?);
                }
            }
            Met::Lost { error, maps, .. } if maps == MINE => lost.push(error),
            Met::Lost { .. } => {}
        }
    }
    drop(merge);
    Ok(Only { chunks: found.into_inner(), lost })
}

/// The snapshots before and after one in its series.
fn neighbours(all: &[Snapshot], id: SnapshotId) -> Vec<SnapshotId> {
    let Some(mine) = all.iter().find(|s| s.id == id) else { return Vec::new() };
    let series: Vec<&Snapshot> =
        all.iter().filter(|s| s.summary.series == mine.summary.series).collect();
    let at = series.iter().position(|s| s.id == id).unwrap_or(0);
    let before = at.checked_sub(1).map(|at| series[at].id);
    before.into_iter().chain(series.get(at + 1).map(|s| s.id)).collect()
}

impl Only {
    /// Takes away all that a snapshot refers to. Pages in `read` were gone through before.
    fn subtract(
        &mut self,
        manifest: &Manifest,
        read: &mut HashSet<Prefix>,
        chunks: &mut Chunks,
    ) -> Result<()> {
        let mut pages: Vec<(PageRef, u8)> = root_of(manifest).into_iter().collect();
        let found = &mut self.chunks;
        // Whether it is a page that nobody has gone through.
        let mut subtract = |id: &ChunkId, _, frame_type| {
            found.remove(&prefix(id));
            frame_type == FrameType::Page && read.insert(prefix(id))
        };
        while let Some((page, level)) = pages.pop() {
            if !subtract(&page.page, page.page_len, FrameType::Page) {
                continue;
            }
            match read_page(chunks, &page, level) {
                Ok(Page::Leaf(entries)) => {
                    for entry in entries {
                        self.lost.extend(references(chunks, &entry.node, &mut subtract)?);
                    }
                }
                Ok(Page::Inner(level, below)) => {
                    pages.extend(below.into_iter().map(|page| (page, level - 1)));
                }
                Err(error) if error.is_damage() => self.lost.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Finds chunks in the packs that the snapshot needs.
fn packs(
    repository: &Repository,
    id: SnapshotId,
    chunks: &Candidates,
    found: &mut Exclusive,
) -> Result<()> {
    let Some(snapshot) = repository.state().snapshots.iter().find(|s| s.id == id) else {
        return Ok(());
    };
    let mut lookup = repository.lookup_in_all()?;
    for ordinal in snapshot.set.iter() {
        let known = match lookup.pack(ordinal) {
            Ok(known) => known,
            Err(error) if error.is_damage() => {
                found.lost.push(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let (mut list, mut stored, mut is_whole) = (known.pack.chunks.iter(), 0, true);
        for head in &known.pack.frames {
            let mut plain = 0;
            for (prefix, len) in list.by_ref().take(head.chunks as usize) {
                match chunks.contains_key(prefix) {
                    true => plain += u64::from(*len),
                    false => is_whole = false,
                }
            }
            stored += u64::from(head.sealed_len) * plain / u64::from(head.plain_len.max(1));
        }
        if is_whole && stored > 0 {
            found.whole_packs += 1;
            found.whole_bytes += known.pack.len;
            stored = known.pack.len;
        } else if stored > 0 {
            found.partly_packs += 1;
        }
        found.stored += stored;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
