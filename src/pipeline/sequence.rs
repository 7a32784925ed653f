//! The first stage: the walk in map order, beside what was known before, made into tasks. Large
//! files and files with holes are read and cut here; their chunks are work for all threads.

use crate::pipeline::known::{Known, Looked, Taken, Versus};
use crate::pipeline::mark::Mark;
use crate::pipeline::task::{
    Done, Entry, Output, PIECE, Progress, Saved, SequenceEnds, Task, Work,
};
use crate::pipeline::verdict::{flaw, is_large, is_large_again};
use crate::pipeline::worker::node_of;
use crate::repository::{Error, Result, Session};
use crate::source::{
    Extent, Listed, Listing, Opened, Outcome, Owners, Reading, Stat, Subject, Walk, data_extents,
    open, xattrs_of,
};
use esker_format::chunking::Cutter;
use esker_format::content::Item;
use esker_format::limits::XATTRS_INLINE_MAX;
use esker_format::node::{Node, NodeKind, Time, Xattr, Xattrs, xattrs_size};
use esker_format::path::MapKey;
use std::os::fd::{AsFd, OwnedFd};
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

impl From<Error> for Over {
    fn from(error: Error) -> Self {
        Self::Failed(error)
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

/// An entry that the sequence saves by itself.
struct Large {
    listed: Listed,
    versus: Versus,
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

    /// Reads, cuts and hands out a large file.
    fn large(&mut self, batch: &mut Batch, large: Large) -> std::result::Result<(), Over> {
        let Large { listed, versus } = large;
        let key = MapKey { parent: batch.parent.to_vec(), name: listed.name.as_bytes().to_vec() };
        // No map can have the key, or the file is gone, forbidden or replaced: a worker says so, in
        // the same words as for small ones.
        let opened = match open(batch.directory.as_fd(), &listed.name) {
            Ok(file) if key.check().is_ok() => file.stat().ok().map(|stat| (stat, file)),
            _ => None,
        };
        let Some((stat, file)) = opened else {
            batch.entries.push(Entry::Save(listed, versus));
            return self.batch(batch);
        };
        if !is_large(&stat) {
            batch.entries.push(Entry::Save(Listed { stat: Ok(stat), ..listed }, versus));
            return self.batch(batch);
        }
        let read = self.whole(&file, stat)?;
        let mut node =
            node_of(self.session, &mut self.owners, &read.before, listed.volume, NodeKind::File);
        node.size = Some(read.len);
        let (fidelity, mut problem) =
            flaw(&read.before, read.after.as_ref(), read.len, read.error.as_ref()).unzip();
        node.fidelity = fidelity;
        let many = attributes(&mut node, &file, &mut problem);
        let mark = Mark::new(&read.before, listed.volume, batch.time, problem.is_none());
        let (node, mark, refs) = (Some(node), Some(mark), Vec::new());
        self.progress.done(1, 0);
        let saved = Box::new(Saved { key, node, problem, mark, refs, versus });
        self.tell(Output::FileEnd(saved, many))
    }

    /// Hands out the content, again when the file changes meanwhile and is not too large.
    fn whole(&mut self, file: &Opened, stat: Stat) -> std::result::Result<WholeRead, Over> {
        let (mut before, mut times) = (stat, 0);
        loop {
            times += 1;
            let (len, error) = self.content(file, &before)?;
            let after = file.stat().ok();
            match after {
                Some(after) if error.is_none() && is_large_again(&before, &after, times) => {
                    self.tell(Output::Again)?;
                    before = after;
                }
                after => return Ok(WholeRead { before, after, len, error }),
            }
        }
    }

    /// Hands out the content; returns its length and what ended it early.
    fn content(
        &mut self,
        file: &Opened,
        stat: &Stat,
    ) -> std::result::Result<(u64, Option<std::io::Error>), Over> {
        let mut at = 0;
        let mut reading = Reading::default();
        while at < stat.size {
            let extent = match stat.may_have_holes() {
                true => match data_extents(file, at, stat.size) {
                    Ok(Some(extent)) => extent,
                    Ok(None) => break,
                    Err(error) => return Ok((at, Some(error))),
                },
                false => Extent::Data(0, stat.size),
            };
            match extent {
                Extent::Hole(_, len) => {
                    self.tell(Output::Items(vec![Item::Hole(len)]))?;
                    at += len;
                }
                Extent::Data(from, len) => {
                    let (read, error) = self.data(file, from, len, &mut reading)?;
                    at = from + read;
                    if error.is_some() || read < len {
                        return Ok((at, error));
                    }
                }
            }
        }
        Ok((at, None))
    }

    /// Cuts one extent and hands out its chunks; returns the bytes that were there.
    fn data(
        &mut self,
        file: &Opened,
        from: u64,
        len: u64,
        reading: &mut Reading,
    ) -> std::result::Result<(u64, Option<std::io::Error>), Over> {
        let max = self.cutter.profile().max as usize;
        self.carry.clear();
        let mut done = 0;
        loop {
            let mut buffer = self.ends.buffers.recv().map_err(|_| Over::Stopped)?;
            if buffer.is_empty() {
                buffer.resize(PIECE.max(max + (1 << 20)), 0);
            }
            let held = self.carry.len();
            buffer[..held].copy_from_slice(&self.carry);
            let want = ((len - done) as usize).min(buffer.len() - held);
            let (read, error) =
                match file.read(from + done, &mut buffer[held..held + want], reading) {
                    Ok(read) => (read, None),
                    Err((read, error)) => (read, Some(error)),
                };
            done += read as u64;
            file.release(reading, from + done);
            let last = error.is_some() || read < want || done == len;
            let filled = held + read;
            let (mut at, mut chunks) = (0, Vec::new());
            while filled - at >= max || (last && at < filled) {
                let cut = self.cutter.cut(&buffer[at..filled], last)?;
                chunks.push(cut);
                at += cut;
            }
            self.carry.clear();
            self.carry.extend_from_slice(&buffer[at..filled]);
            self.begin(Work::Piece { buffer, chunks })?;
            if last {
                return Ok((done, error));
            }
        }
    }
}

/// How a large file was read.
struct WholeRead {
    /// Before it was read.
    before: Stat,
    /// Behind that.
    after: Option<Stat>,
    /// Bytes that were there.
    len: u64,
    error: Option<std::io::Error>,
}

/// Gives a node its extended attributes; returns those that need a page of their own.
fn attributes(node: &mut Node, file: &Opened, problem: &mut Option<String>) -> Vec<Xattr> {
    match xattrs_of(&Subject::Open(file.fd())) {
        Ok(list) if list.is_empty() => Vec::new(),
        Ok(list) if xattrs_size(&list) <= XATTRS_INLINE_MAX => {
            node.xattrs = Some(Xattrs::Inline(list));
            Vec::new()
        }
        Ok(list) => list,
        Err(error) => {
            problem.get_or_insert_with(|| format!("{error}: {}", error.source));
            Vec::new()
        }
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
