//! The first stage: the walk in map order, beside what was known before, made into tasks. Large
//! files and files with holes are read and cut here; their chunks are work for all threads.

mod feed;
mod large;

use crate::pipeline::error::Error;
use crate::pipeline::known::{Known, Looked, Taken};
use crate::pipeline::task::{Done, Entry, Output, Progress, SequenceEnds, Task, Work};
use crate::pipeline::verdict::is_large;
use crate::repository::{Result, Session};
use crate::source::{FeedError, Listing, Outcome, Owners, Stat, Walk};
use esker_format::chunking::Cutter;
use esker_format::node::{NodeKind, Time};
pub use feed::{Feeding, run as run_feeds};
use large::Large;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Entries of one task at most.
const BATCH_ENTRIES: usize = 256;
/// Bytes of the files of one task, roughly: half a frame.
const BATCH_BYTES: u64 = 1 << 20;

/// Walks and hands out tasks, until the walk is over or the collector gives up.
///
/// # Errors
/// When a file cannot be cut; problems of files go to the collector.
pub fn run(
    mut walk: Walk,
    cutter: &Cutter,
    session: &Session,
    known: Known<'_>,
    ends: SequenceEnds,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let owners = Owners::default();
    let (number, carry, before) = Default::default();
    let mut sequence =
        Sequence { cutter, session, known, ends, progress, stop, owners, number, carry, before };
    while let Some(outcome) = walk.next() {
        let result = match outcome {
            Outcome::Listing(listing) => sequence.listing(listing),
            Outcome::LeftOut(parent, what) => {
                sequence.tell(Output::LeftOut(path_of(&parent), what))
            }
            Outcome::Unlisted(parent, error) => {
                let problem = format!("cannot be listed: {error}");
                sequence.tell(Output::Problem(path_of(&parent), problem))
            }
        };
        if let Err(over) = result {
            return sequence.end(over);
        }
    }
    progress.walked.store(true, Ordering::Relaxed);
    match sequence.rest() {
        Ok(()) => Ok(()),
        Err(over) => sequence.end(over),
    }
}

/// Why the sequence ends early.
enum Over {
    /// The collector gave up, or the run is to stop: it says why.
    Stopped,
    /// Something failed here.
    Failed(Error),
}

impl From<esker_format::FormatError> for Over {
    fn from(error: esker_format::FormatError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<crate::repository::Error> for Over {
    fn from(error: crate::repository::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<FeedError> for Over {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Stopped => Self::Stopped,
            error => Self::Failed(error.into()),
        }
    }
}

struct Sequence<'s> {
    cutter: &'s Cutter,
    session: &'s Session,
    known: Known<'s>,
    ends: SequenceEnds,
    progress: &'s Progress,
    stop: &'s AtomicBool,
    owners: Owners,
    number: u64,
    /// Bytes of a large file behind the last cut.
    carry: Vec<u8>,
    /// What was taken over and not yet handed out.
    before: Vec<Taken>,
}

/// Entries of one directory that are to become a task.
struct Batch {
    parent: Arc<[u8]>,
    directory: Arc<OwnedFd>,
    time: Time,
    entries: Vec<Entry>,
    bytes: u64,
}

impl Sequence<'_> {
    /// Tells the collector, unless that has given up by itself, why there is no more to come.
    fn end(&mut self, over: Over) -> Result<()> {
        match over {
            Over::Stopped => Ok(()),
            Over::Failed(error) => {
                let done = Done { number: self.number, output: Err(error) };
                let _ = self.ends.done.send(done);
                Ok(())
            }
        }
    }

    /// What the walk did not meet any more.
    fn rest(&mut self) -> std::result::Result<(), Over> {
        let gone = self.known.finish(&mut self.before)?;
        self.tell_before()?;
        self.tell(Output::Gone(gone))
    }

    /// Hands out what was taken over.
    fn tell_before(&mut self) -> std::result::Result<(), Over> {
        if self.before.is_empty() {
            return Ok(());
        }
        let taken = std::mem::take(&mut self.before);
        self.tell(Output::Taken(taken))
    }

    /// Permission to hand out one more thing, and its number.
    fn next_number(&mut self) -> std::result::Result<u64, Over> {
        if self.stop.load(Ordering::Relaxed) || self.ends.window.recv().is_err() {
            return Err(Over::Stopped);
        }
        self.number += 1;
        Ok(self.number - 1)
    }

    /// Hands something to the collector that needs no work.
    fn tell(&mut self, output: Output) -> std::result::Result<(), Over> {
        let number = self.next_number()?;
        let done = Done { number, output: Ok(output) };
        self.ends.done.send(done).map_err(|_| Over::Stopped)
    }

    fn begin(&mut self, work: Work) -> std::result::Result<(), Over> {
        let number = self.next_number()?;
        self.ends.tasks.send(Task { number, work }).map_err(|_| Over::Stopped)
    }

    fn listing(&mut self, listing: Listing) -> std::result::Result<(), Over> {
        let Listing { parent, directory, time, entries } = listing;
        let mut batch = Batch { parent, directory, time, entries: Vec::new(), bytes: 0 };
        self.progress.seen.fetch_add(entries.len() as u64, Ordering::Relaxed);
        for listed in entries {
            let size = listed.stat.as_ref().map_or(0, file_size);
            self.progress.seen_bytes.fetch_add(size, Ordering::Relaxed);
            let looked = self.known.look(&batch.parent, &listed, &mut self.before)?;
            if !self.before.is_empty() {
                self.batch(&mut batch)?;
                self.tell_before()?;
            }
            match looked {
                Looked::Held => self.progress.done(1, size),
                Looked::Kept(kept) => self.add(&mut batch, Entry::Kept(kept), 0)?,
                Looked::Save(versus) if listed.stat.as_ref().is_ok_and(is_large) => {
                    self.batch(&mut batch)?;
                    self.large(&mut batch, Large { listed, versus })?;
                }
                Looked::Save(versus) => self.add(&mut batch, Entry::Save(listed, versus), size)?,
            }
        }
        self.batch(&mut batch)
    }

    /// Adds an entry to a task, and hands the task out when it is large enough.
    fn add(
        &mut self,
        batch: &mut Batch,
        entry: Entry,
        bytes: u64,
    ) -> std::result::Result<(), Over> {
        batch.entries.push(entry);
        batch.bytes += bytes;
        if batch.entries.len() >= BATCH_ENTRIES || batch.bytes >= BATCH_BYTES {
            return self.batch(batch);
        }
        Ok(())
    }

    fn batch(&mut self, batch: &mut Batch) -> std::result::Result<(), Over> {
        batch.bytes = 0;
        if batch.entries.is_empty() {
            return Ok(());
        }
        let (parent, directory) = (Arc::clone(&batch.parent), Arc::clone(&batch.directory));
        let entries = std::mem::take(&mut batch.entries);
        self.begin(Work::Entries { parent, directory, time: batch.time, entries })
    }
}

fn file_size(stat: &Stat) -> u64 {
    if stat.kind() == Some(NodeKind::File) { stat.size } else { 0 }
}

/// The absolute path that a parent stands for.
fn path_of(parent: &[u8]) -> Vec<u8> {
    let mut path = vec![b'/'];
    path.extend(parent.iter().map(|b| if *b == 0 { b'/' } else { *b }));
    path
}
