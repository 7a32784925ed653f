//! Writing packs anew: what is in use of several goes into fewer, and stands in for them.

use super::compact::len_of;
use super::decide::Fact;
use super::inventory::Stray;
use super::mark::{Added, mark_seen};
use super::usage::{Usage, Used};
use super::{Amount, Progress};
use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::fetch::Frames;
use crate::repository::index::{KnownPack, Lookup};
use crate::repository::rewriter::Rewriter;
use crate::repository::session::{pack_add, put_segments};
use esker_format::checkpoint::PackState;
use esker_format::frame::FrameType;
use esker_format::ids::SessionId;
use esker_format::names;
use esker_format::segment::{Prefix, SegmentPack, prefix};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of packs that are written anew before they are marked: a collection that is killed has done
/// no more than this for nothing.
const BATCH: u64 = if cfg!(test) { 4 << 20 } else { 256 << 20 };

/// What was done.
#[derive(Debug, Default)]
pub struct Repacked {
    /// Packs that were marked, and their bytes.
    pub old: Amount,
    /// Packs that stand in for them.
    pub new: Amount,
    /// Bytes of the segments that describe them.
    pub segments: u64,
    /// The marked ones.
    pub marked: Vec<u32>,
    /// Packs that could not be read, and why: they stay.
    pub failed: Vec<String>,
    /// New packs and segments that the log did not take.
    pub unused: Vec<Stray>,
}

/// Writes packs anew and marks the old ones.
///
/// # Errors
/// When store or index fail, or the run is stopped.
pub fn repack(
    repository: &mut Repository,
    session: SessionId,
    usage: &mut Usage,
    present: &[Option<u64>],
    wanted: &[Fact],
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Repacked> {
    let mut done = Repacked::default();
    progress.of_repacked.store(wanted.iter().map(|f| f.len).sum(), Ordering::Relaxed);
    let mut by_scope: HashMap<u32, Vec<Fact>> = HashMap::new();
    for fact in wanted {
        by_scope.entry(fact.scope).or_default().push(*fact);
    }
    let mut scopes: Vec<(u32, Vec<Fact>)> = by_scope.into_iter().collect();
    scopes.sort_by_key(|(scope, _)| *scope);
    for (scope, facts) in scopes {
        let mut rest = &facts[..];
        while !rest.is_empty() {
            let (mut count, mut bytes) = (0, 0);
            while count < rest.len() && (count == 0 || bytes + rest[count].len <= BATCH) {
                bytes += rest[count].len;
                count += 1;
            }
            let batch = Batch { session, scope, present, progress, stop };
            batch.run(repository, usage, &rest[..count], &mut done)?;
            rest = &rest[count..];
        }
    }
    Ok(done)
}

struct Batch<'b> {
    session: SessionId,
    scope: u32,
    present: &'b [Option<u64>],
    progress: &'b Progress,
    stop: &'b AtomicBool,
}

impl Batch<'_> {
    fn run(
        &self,
        repository: &mut Repository,
        usage: &mut Usage,
        facts: &[Fact],
        done: &mut Repacked,
    ) -> Result<()> {
        // Another collection may have taken some of them meanwhile.
        repository.refresh()?;
        let access = match self.scope == repository.access().scope {
            true => Arc::clone(&repository.access),
            false => Arc::new(repository.access().in_scope(self.scope)?),
        };
        let mut copy = Copy::new(repository, &access, self.session)?;
        let (mut copied, mut chunks, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let is_live = |o: u32| repository.state().packs[o as usize].state == PackState::Live;
        for fact in facts.iter().filter(|fact| is_live(fact.ordinal)) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let none = Used::default();
            let used = usage.packs.get(&fact.ordinal).unwrap_or(&none);
            match copy.pack(fact.ordinal, used) {
                Ok(None) => {}
                Ok(Some(prefixes)) => {
                    copied.push((fact.ordinal, used.bytes));
                    chunks.push(prefixes);
                }
                Err(e) if e.is_damage() => failed.push((fact.ordinal, e.to_string())),
                // Nothing of it is known any more: another process with this cache was faster.
                Err(Error::Database { .. })
                    if copy.lookup.pack_if_there(fact.ordinal)?.is_none() => {}
                Err(e) => return Err(e),
            }
            self.progress.repacked.fetch_add(fact.len, Ordering::Relaxed);
        }
        let packs = copy.rewriter.finish()?;
        if !failed.is_empty() {
            // One that is given up by now is gone, and nothing is lost with it.
            repository.refresh()?;
            let stays = |o: u32| repository.state().packs[o as usize].state != PackState::Deleting;
            let failed = failed.into_iter().filter(|(ordinal, _)| stays(*ordinal));
            done.failed.extend(failed.map(|(_, why)| why));
        }
        if copied.is_empty() {
            return Ok(());
        }
        let segments = put_segments(repository.store(), &access, self.session, &packs)?;
        // All that stands in is durable before the log says so.
        repository.store().barrier()?;
        let added = Added {
            scope: Some(self.scope),
            packs: packs.iter().map(|pack| pack_add(pack, self.session)).collect(),
            segments: segments.clone(),
            stand_ins: stand_ins(&copied, &chunks, &packs),
        };
        let marked = mark_seen(repository, self.session, usage, self.present, &copied, &added)?;
        if marked.is_empty() {
            let packs = packs.iter().map(|p| Stray { name: names::pack(p.id), size: p.len });
            let segments = segments.iter().map(|id| Stray { name: names::segment(*id), size: 0 });
            done.unused.extend(packs.chain(segments));
            return Ok(());
        }
        repository.settle(&packs, &segments);
        done.segments += len_of(repository, &segments);
        let ordinal = |at: &usize| repository.state().ordinal(packs[*at].id);
        let of = |old: &u32| added.stand_ins.get(old).into_iter().flatten().filter_map(ordinal);
        usage.moved(marked.iter().map(|old| (*old, of(old).collect())).collect());
        let goes: HashSet<u32> = marked.iter().copied().collect();
        let gone = facts.iter().filter(|fact| goes.contains(&fact.ordinal));
        gone.for_each(|fact| done.old.add(fact.len));
        packs.iter().for_each(|pack| done.new.add(pack.len));
        done.marked.extend(marked);
        Ok(())
    }
}

/// For each pack that was copied, which of the new ones have its chunks.
fn stand_ins(
    copied: &[(u32, u64)],
    chunks: &[Vec<Prefix>],
    packs: &[SegmentPack],
) -> HashMap<u32, BTreeSet<usize>> {
    let mut place: HashMap<Prefix, usize> = HashMap::new();
    for (at, pack) in packs.iter().enumerate() {
        place.extend(pack.chunks.iter().map(|(prefix, _)| (*prefix, at)));
    }
    let of = |prefixes: &[Prefix]| -> BTreeSet<usize> {
        prefixes.iter().filter_map(|prefix| place.get(prefix).copied()).collect()
    };
    copied.iter().zip(chunks).map(|((old, _), prefixes)| (*old, of(prefixes))).collect()
}

/// Copies chunks from pack to pack.
struct Copy {
    rewriter: Rewriter,
    frames: Frames,
    lookup: Lookup,
    plain: Vec<u8>,
}

impl Copy {
    fn new(repository: &Repository, access: &Arc<Access>, session: SessionId) -> Result<Self> {
        Ok(Self {
            rewriter: Rewriter::new(repository, access, session),
            frames: Frames::new(repository),
            lookup: repository.lookup()?,
            plain: Vec::new(),
        })
    }

    /// Copies what is used of a pack; returns which chunks those are, and nothing when others have
    /// given it up since the plan was made.
    fn pack(&mut self, ordinal: u32, used: &Used) -> Result<Option<Vec<Prefix>>> {
        let Some(known) = self.lookup.pack_if_there(ordinal)? else { return Ok(None) };
        let (mut number, mut copied) = (0, Vec::new());
        for (frame, head) in (0..).zip(&known.pack.frames) {
            let numbers = number..number + head.chunks;
            number = numbers.end;
            if numbers.clone().any(|n| used.has(n)) {
                self.frames.read(&known, frame, &mut self.plain)?;
                self.frame(&known, head.frame_type, numbers, used, &mut copied)?;
            }
        }
        Ok(Some(copied))
    }

    fn frame(
        &mut self,
        known: &KnownPack,
        frame_type: FrameType,
        numbers: std::ops::Range<u32>,
        used: &Used,
        copied: &mut Vec<Prefix>,
    ) -> Result<()> {
        let mut at = 0;
        for number in numbers {
            let (expected, len) = known.pack.chunks[number as usize];
            let bytes = &self.plain[at..at + len as usize];
            at += len as usize;
            if !used.has(number) {
                continue;
            }
            let id = self.rewriter.id(frame_type, bytes);
            if prefix(&id) != expected {
                let source = esker_format::FormatError::Checksum { what: "chunk" };
                return Err(Error::damaged(names::pack(known.pack.id), source));
            }
            self.rewriter.write(frame_type, id, bytes)?;
            copied.push(expected);
        }
        Ok(())
    }
}
