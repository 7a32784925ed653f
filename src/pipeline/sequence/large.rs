//! Large files: read and cut here, a piece after the other.

use super::{Batch, Over, Sequence};
use crate::pipeline::known::Versus;
use crate::pipeline::mark::Mark;
use crate::pipeline::task::{Entry, Output, PIECE, Saved, Work};
use crate::pipeline::verdict::{flaw, is_large, is_large_again};
use crate::pipeline::worker::node_of;
use crate::source::{
    Extent, Listed, Opened, Reading, Stat, Subject, data_extents, open, xattrs_of,
};
use esker_format::content::Item;
use esker_format::limits::XATTRS_INLINE_MAX;
use esker_format::node::{Node, NodeKind, Xattr, Xattrs, xattrs_size};
use esker_format::path::MapKey;
use std::os::fd::AsFd;

/// An entry that the sequence saves by itself.
pub(super) struct Large {
    pub listed: Listed,
    pub versus: Versus,
}

impl Sequence<'_> {
    /// Reads, cuts and hands out a large file.
    pub(super) fn large(&mut self, batch: &mut Batch, large: Large) -> Result<(), Over> {
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
    fn whole(&mut self, file: &Opened, stat: Stat) -> Result<WholeRead, Over> {
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
    ) -> Result<(u64, Option<std::io::Error>), Over> {
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
    ) -> Result<(u64, Option<std::io::Error>), Over> {
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
