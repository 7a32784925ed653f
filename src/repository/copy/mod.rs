//! Copying a snapshot into another repository, under its keys: content is opened here and sealed there.
//!
//! ```text
//! twin    is it there already: same series, same times
//! known   what an earlier snapshot of the series has too, and the other repository therefore
//! recode  read, cut as the other repository cuts, identify, store what is new there
//! commit  as any run does
//! ```

mod known;
mod recode;
#[cfg(test)]
mod tests;

use crate::repository::chunks::Chunks;
use crate::repository::cutters::{Cutters, profile_of};
use crate::repository::error::{Error, Result};
use crate::repository::map::{Bounds, Found, Map};
use crate::repository::session::{Finished, Session};
use crate::repository::snapshots::Snapshot;
use crate::repository::{Repository, root_of};
use esker_format::cbor::Extra;
use esker_format::ids::SnapshotId;
use esker_format::map_builder::MapBuilder;
use esker_format::page::Entry;
use esker_format::snapshot::{Counts, Manifest, Summary};
use known::Known;
use recode::Recoder;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of frames that are kept while a snapshot is read.
const KEPT: usize = 64 << 20;
/// Entries after which somebody looks whether packs should be published.
const PUBLISH: u64 = 256;
/// Attempts of a copy that a collection made start over.
const ATTEMPTS: u32 = 3;

/// How far a copy is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries that are done.
    pub entries: AtomicU64,
    /// Bytes of content read.
    pub bytes: AtomicU64,
    /// Bytes of all files, those that need not be read among them.
    pub of_bytes: AtomicU64,
}

/// What became of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The snapshot there.
    pub snapshot: SnapshotId,
    /// Whether it was there before.
    pub was_there: bool,
    /// Files and directories that were taken from an earlier snapshot there, content unread.
    pub taken: u64,
    /// Bytes of content that were read.
    pub read: u64,
    /// Bytes of new chunks there.
    pub added: u64,
    /// Bytes of packs that hold them.
    pub stored: u64,
}

/// The snapshot of `target` that is a copy of this one, forgotten or not: the series and the times at which a
/// run began and ended, to the nanosecond, are those of one run only.
pub fn twin(target: &Repository, of: &Snapshot) -> Result<Option<SnapshotId>> {
    let is_twin = |other: &Snapshot| {
        let (a, b) = (&other.summary, &of.summary);
        (a.series, a.start, a.end) == (b.series, b.start, b.end)
            && (&a.host, &a.label) == (&b.host, &b.label)
    };
    Ok(target.snapshots()?.iter().find(|other| is_twin(other)).map(|found| found.id))
}

/// Copies a snapshot, unless it is there already.
///
/// # Errors
/// When content of it is damaged, or either repository fails; then there is no copy.
pub fn copy(
    source: &mut Repository,
    target: &mut Repository,
    snapshot: &Snapshot,
    program: &str,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Copied> {
    for _ in 1..ATTEMPTS {
        match once(source, target, snapshot, program, progress, stop) {
            // What the run relied on there was given up meanwhile, or it was taken for dead.
            Err(Error::GivenUp { .. } | Error::Fenced { .. }) => target.refresh()?,
            other => return other,
        }
    }
    once(source, target, snapshot, program, progress, stop)
}

fn once(
    source: &mut Repository,
    target: &mut Repository,
    snapshot: &Snapshot,
    program: &str,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Copied> {
    if let Some(snapshot) = twin(target, snapshot)? {
        let (taken, read, added, stored) = Default::default();
        return Ok(Copied { snapshot, was_there: true, taken, read, added, stored });
    }
    let manifest = source.manifest(snapshot.id)?;
    let session = Session::begin(target, 1)?;
    let base = Base::find(source, target, &session, snapshot)?;
    let mut run = Run {
        chunks: Chunks::new(source, snapshot.scope, KEPT)?,
        known: match &base {
            Some(base) => Known::open(source, target, base)?,
            None => Known::nothing(),
        },
        progress,
        stop,
        taken: 0,
        profiles: BTreeSet::new(),
    };
    let cutters = Cutters::new(target)?;
    let mut recoder = Recoder::new(&session, target.lookup()?, &cutters, progress);
    let root = run.entries(target, &session, &manifest, &mut recoder)?;
    recoder.flush()?;
    let (read, taken) = (recoder.read, run.taken);
    let mut summary = summary(target, source, snapshot)?;
    summary.base = base.map(|base| base.there);
    let (mut added, mut stored) = (0, 0);
    let Finished { snapshot, .. } = session.commit(target, |new, packed| {
        (added, stored) = (new, packed);
        let counts = Counts { added, stored, ..summary.counts.clone() };
        Manifest {
            summary: Summary { counts, ..summary },
            root_level: root.as_ref().map_or(0, |(_, level)| u32::from(*level)),
            root: root.map(|(page, _)| page),
            profiles: run.profiles.iter().copied().collect(),
            problems: manifest.problems.clone(),
            program: program.to_owned(),
            extra: Extra::default(),
        }
    })?;
    Ok(Copied { snapshot, was_there: false, taken, read, added, stored })
}

/// An earlier snapshot of the series that both repositories have.
struct Base {
    here: SnapshotId,
    there: SnapshotId,
}

impl Base {
    /// The last one before `snapshot`, if the run can build on it. A writer's key cannot look into it: then all
    /// content is read, and what is known there is not stored again.
    fn find(
        source: &Repository,
        target: &Repository,
        session: &Session,
        snapshot: &Snapshot,
    ) -> Result<Option<Self>> {
        if target.access().reading().is_err() {
            return Ok(None);
        }
        let all = source.snapshots()?;
        let earlier = all.iter().rev().filter(|other| {
            other.seq < snapshot.seq
                && other.series() == snapshot.series()
                && other.scope == snapshot.scope
        });
        for here in earlier {
            if let Some(there) = twin(target, here)?
                && session.build_on(target, there)?
            {
                return Ok(Some(Self { here: here.id, there }));
            }
        }
        Ok(None)
    }
}

/// The summary for the other repository, with the tags that the snapshot has now.
fn summary(target: &Repository, source: &Repository, snapshot: &Snapshot) -> Result<Summary> {
    let mut summary = snapshot.summary.clone();
    let all = source.snapshots()?;
    let there = |id: &SnapshotId| match all.iter().find(|other| other.id == *id) {
        Some(other) => twin(target, other),
        None => Ok(None),
    };
    for id in &mut summary.requires {
        // A chain with a hole in it could not be restored.
        *id = there(id)?.ok_or_else(|| Error::NotCopied { snapshot: id.to_string() })?;
    }
    summary.replaces = match summary.replaces {
        Some(id) => there(&id)?,
        None => None,
    };
    Ok(summary)
}

/// One snapshot on its way.
struct Run<'r> {
    chunks: Chunks,
    known: Known,
    progress: &'r Progress,
    stop: &'r AtomicBool,
    taken: u64,
    /// Numbers of the profiles that content is cut by.
    profiles: BTreeSet<u32>,
}

impl Run<'_> {
    /// Copies all entries, and returns the root of the new map.
    fn entries(
        &mut self,
        target: &mut Repository,
        session: &Session,
        manifest: &Manifest,
        recoder: &mut Recoder<'_>,
    ) -> Result<Option<(esker_format::page::PageRef, u8)>> {
        let root = root_of(manifest);
        let mut map = Map::new(root.as_ref().map(|(page, level)| (page, *level)), Bounds::All);
        let keys = session.access().scope_keys.clone();
        let mut builder = MapBuilder::new(&keys);
        let mut done = 0;
        while let Some(found) = map.next(&mut self.chunks)? {
            let Entry { key, node } = match found {
                Found::Entry(entry) => *entry,
                Found::Lost { error, .. } => return Err(error),
            };
            if node.has_content() {
                self.profiles.insert(profile_of(node.kind));
            }
            let node = match self.known.find(&key, &node, &mut self.chunks)? {
                Some(known) => {
                    self.taken += 1;
                    known
                }
                None => recoder.node(node, &mut self.chunks)?,
            };
            builder.push(Entry { key, node }, recoder)?;
            done += 1;
            self.progress.entries.fetch_add(1, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if done % PUBLISH == 0 {
                session.publish(target)?;
            }
        }
        builder.finish(recoder)
    }
}
