//! The first stage: the walk in map order, made into tasks. Large files and files with holes are
//! read and cut here; their chunks are work for all threads.

use crate::pipeline::task::{Done, Output, PIECE, Progress, Saved, SequenceEnds, Task, Work};
use crate::pipeline::verdict::{flaw, is_large};
use crate::pipeline::worker::node_of;
use crate::repository::{Error, Result, Session};
use crate::source::{
    Extent, Listed, Listing, Opened, Outcome, Owners, Reading, Stat, Subject, Walk, data_extents,
    open, xattrs_of,
};
use esker_format::chunking::Cutter;
use esker_format::content::Item;
use esker_format::limits::XATTRS_INLINE_MAX;
use esker_format::node::{NodeKind, Xattrs, xattrs_size};
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
    ends: SequenceEnds,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let owners = Owners::default();
    let mut sequence =
        Sequence { cutter, session, ends, stop, owners, number: 0, carry: Vec::new() };
    while let Some(outcome) = walk.next() {
        let result = match outcome {
            Outcome::Listing(listing) => sequence.listing(listing, progress),
            Outcome::LeftOut(parent, what) => {
                sequence.tell(Output::LeftOut(path_of(&parent), what))
            }
            Outcome::Unlisted(parent, error) => {
                let problem = format!("cannot be listed: {error}");
                sequence.tell(Output::Problem(path_of(&parent), problem))
            }
        };
        match result {
            Ok(()) => {}
            Err(Over::Stopped) => return Ok(()),
            Err(Over::Failed(error)) => return Err(error),
        }
    }
    progress.walked.store(true, Ordering::Relaxed);
    Ok(())
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

struct Sequence<'s> {
    cutter: &'s Cutter,
    session: &'s Session,
    ends: SequenceEnds,
    stop: &'s AtomicBool,
    owners: Owners,
    number: u64,
    /// Bytes of a large file behind the last cut.
    carry: Vec<u8>,
}

impl Sequence<'_> {
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

    fn listing(&mut self, listing: Listing, progress: &Progress) -> std::result::Result<(), Over> {
        let Listing { parent, directory, entries } = listing;
        let mut batch = Vec::new();
        let mut bytes = 0;
        progress.seen.fetch_add(entries.len() as u64, Ordering::Relaxed);
        for entry in entries {
            let size = entry.stat.as_ref().map_or(0, file_size);
            progress.seen_bytes.fetch_add(size, Ordering::Relaxed);
            if entry.stat.as_ref().is_ok_and(is_large) {
                self.batch(&parent, &directory, &mut batch)?;
                bytes = 0;
                self.large(&parent, &directory, entry, progress)?;
                continue;
            }
            bytes += size;
            batch.push(entry);
            if batch.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
                self.batch(&parent, &directory, &mut batch)?;
                bytes = 0;
            }
        }
        self.batch(&parent, &directory, &mut batch)
    }

    fn batch(
        &mut self,
        parent: &Arc<[u8]>,
        directory: &Arc<OwnedFd>,
        batch: &mut Vec<Listed>,
    ) -> std::result::Result<(), Over> {
        if batch.is_empty() {
            return Ok(());
        }
        let (parent, directory) = (Arc::clone(parent), Arc::clone(directory));
        self.begin(Work::Entries { parent, directory, entries: std::mem::take(batch) })
    }

    /// Reads, cuts and hands out a large file.
    fn large(
        &mut self,
        parent: &Arc<[u8]>,
        directory: &Arc<OwnedFd>,
        entry: Listed,
        progress: &Progress,
    ) -> std::result::Result<(), Over> {
        let key = MapKey { parent: parent.to_vec(), name: entry.name.as_bytes().to_vec() };
        if key.check().is_err() {
            // No map can have it: a worker says so.
            return self.batch(parent, directory, &mut vec![entry]);
        }
        let file = open(directory.as_fd(), &entry.name).and_then(|f| Ok((f.stat()?, f)));
        let (stat, file) = match file {
            // Gone, forbidden or replaced: a worker says so in the same words as for small ones.
            Err(_) => return self.batch(parent, directory, &mut vec![entry]),
            Ok((stat, _)) if !is_large(&stat) => {
                return self.batch(
                    parent,
                    directory,
                    &mut vec![Listed { stat: Ok(stat), ..entry }],
                );
            }
            Ok(opened) => opened,
        };
        let (len, error) = self.content(&file, &stat)?;
        let mut node = node_of(self.session, &mut self.owners, &stat, NodeKind::File);
        node.size = Some(len);
        let after = file.stat().ok();
        let (fidelity, mut problem) = flaw(&stat, after.as_ref(), len, error.as_ref()).unzip();
        node.fidelity = fidelity;
        match xattrs_of(&Subject::Open(file.fd())) {
            Ok(list) if list.is_empty() => {}
            Ok(list) if xattrs_size(&list) <= XATTRS_INLINE_MAX => {
                node.xattrs = Some(Xattrs::Inline(list));
            }
            Ok(list) => {
                progress.done(1, 0);
                let saved = Box::new(Saved { key, node: Some(node), problem });
                return self.tell(Output::FileEnd(saved, list));
            }
            Err(error) => problem = problem.or(Some(format!("{error}: {}", error.source))),
        }
        progress.done(1, 0);
        self.tell(Output::FileEnd(Box::new(Saved { key, node: Some(node), problem }), Vec::new()))
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

fn file_size(stat: &Stat) -> u64 {
    if stat.kind() == Some(NodeKind::File) { stat.size } else { 0 }
}

/// The absolute path that a parent stands for.
fn path_of(parent: &[u8]) -> Vec<u8> {
    let mut path = vec![b'/'];
    path.extend(parent.iter().map(|b| if *b == 0 { b'/' } else { *b }));
    path
}
