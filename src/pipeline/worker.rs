//! A worker: reads small files in place, names their chunks, and gathers what is new.

use crate::pipeline::known::Versus;
use crate::pipeline::mark::Mark;
use crate::pipeline::task::{Done, Entry, Output, Progress, Saved, Task, Work, WorkerEnds};
use crate::pipeline::verdict::{LARGE, flaw, is_read_again};
use crate::repository::{Error, FrameWriter, Kept, Lookup, Result, Session};
use crate::source::{
    Listed, MetadataError, Opened, Owners, Reading, Stat, Subject, Volume, node, open, read_link,
    xattrs_of,
};
use crossbeam_channel::Sender;
use esker_format::chunking::{Cutter, is_zero};
use esker_format::content::{Content, Item};
use esker_format::limits::{INLINE_MAX, ITEMS_INLINE_MAX, XATTRS_INLINE_MAX};
use esker_format::list::ListBuilder;
use esker_format::node::{
    Fidelity, Node, NodeKind, Time, Xattr, Xattrs, encode_xattrs, xattrs_size,
};
use esker_format::path::MapKey;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Does tasks until there are none, then closes the last frame.
///
/// # Errors
/// When that fails; failures of tasks go to the collector.
pub fn run(
    data: FrameWriter,
    session: &Session,
    cutter: &Cutter,
    lookup: Lookup,
    ends: &WorkerEnds,
    progress: &Progress,
) -> Result<()> {
    let mut worker = Worker {
        session,
        cutter,
        lookup,
        data,
        pages: FrameWriter::pages(),
        owners: Owners::default(),
        scratch: Vec::new(),
    };
    for Task { number, work } in &ends.tasks {
        let guard = Unfinished { number, done: &ends.done };
        let output = match work {
            Work::Entries { parent, directory, time, entries } => {
                let place = Directory { parent: &parent, fd: directory.as_fd(), time };
                worker.entries(&place, entries, progress).map(Output::Entries)
            }
            Work::Piece { buffer, chunks } => {
                let items = worker.piece(&buffer, &chunks);
                progress.done(0, chunks.iter().map(|c| *c as u64).sum());
                let _ = ends.buffers.try_send(buffer);
                items.map(Output::Items)
            }
        };
        let failed = output.is_err();
        guard.finish(output);
        if failed {
            return Ok(());
        }
    }
    worker.data.flush(session.packer())?;
    worker.pages.flush(session.packer())
}

/// A task that was begun. One that ends in a panic is told as failed, because the collector waits
/// for each of them.
struct Unfinished<'e> {
    number: u64,
    done: &'e Sender<Done>,
}

impl Unfinished<'_> {
    fn finish(self, output: Result<Output>) {
        let output = output.map_err(Into::into);
        let _ = self.done.send(Done { number: self.number, output });
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let _ = self.done.send(Done { number: self.number, output: Err(Error::Thread.into()) });
    }
}

struct Worker<'s> {
    session: &'s Session,
    cutter: &'s Cutter,
    lookup: Lookup,
    data: FrameWriter,
    pages: FrameWriter,
    owners: Owners,
    /// Memory for files that are cut.
    scratch: Vec<u8>,
}

/// The directory that entries are in.
struct Directory<'d> {
    /// The parent that they have in the path map.
    parent: &'d [u8],
    fd: BorrowedFd<'d>,
    /// The time before they were looked at.
    time: Time,
}

impl Worker<'_> {
    fn entries(
        &mut self,
        directory: &Directory<'_>,
        entries: Vec<Entry>,
        progress: &Progress,
    ) -> Result<Vec<Saved>> {
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries {
            let saved = match entry {
                Entry::Kept(kept) => (*kept).into(),
                Entry::Save(listed, versus) => self.save(directory, listed, versus)?,
            };
            progress.done(1, saved.node.as_ref().map_or(0, Node::len));
            out.push(saved);
        }
        Ok(out)
    }

    fn save(&mut self, directory: &Directory<'_>, listed: Listed, versus: Versus) -> Result<Saved> {
        let Listed { name, stat, volume, is_closed } = listed;
        let key = MapKey { parent: directory.parent.to_vec(), name: name.as_bytes().to_vec() };
        let mut saved = self.entry(key, directory, &name, stat, volume)?;
        saved.versus = versus;
        if let Some(node) = saved.node.as_mut().filter(|_| is_closed) {
            // The walk reports it.
            node.fidelity = Some(Fidelity::Unreadable);
            saved.mark = None;
        }
        Ok(saved)
    }

    fn entry(
        &mut self,
        key: MapKey,
        directory: &Directory<'_>,
        name: &CStr,
        stat: io::Result<Stat>,
        volume: Volume,
    ) -> Result<Saved> {
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) => return Ok(Saved::nothing(key, vanished(&error, "cannot be looked at"))),
        };
        if let Err(error) = key.check() {
            return Ok(Saved::nothing(key, format!("cannot be stored: {error}")));
        }
        let Some(kind) = stat.kind() else {
            return Ok(Saved::nothing(key, "is of a kind that is not known".to_owned()));
        };
        let mut node = node_of(self.session, &mut self.owners, &stat, volume, kind);
        let mut problem = None;
        match kind {
            NodeKind::File => return self.file(key, node, directory, name, stat, volume),
            NodeKind::Symlink => match read_link(directory.fd, name) {
                Ok(target) => node.target = Some(target),
                Err(error) => {
                    return Ok(Saved::nothing(key, vanished(&error.source, "cannot be read")));
                }
            },
            _ => {}
        }
        let name = if name.is_empty() { c"." } else { name };
        attach(self, &mut node, xattrs_of(&Subject::Name(directory.fd, name)), &mut problem)?;
        let mark = Mark::new(&stat, volume, directory.time, problem.is_none());
        Ok(saved(key, node, problem, Some(mark)))
    }

    /// Saves a file that is small enough for one thread.
    fn file(
        &mut self,
        key: MapKey,
        mut node: Node,
        directory: &Directory<'_>,
        name: &CStr,
        stat: Stat,
        volume: Volume,
    ) -> Result<Saved> {
        let mut unreadable = |problem: String| {
            node.size = Some(stat.size);
            node.fidelity = Some(Fidelity::Unreadable);
            saved(key.clone(), node.clone(), Some(problem), None)
        };
        let file = match open(directory.fd, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Saved::nothing(key, vanished(&error, "")));
            }
            Err(error) => return Ok(unreadable(format!("cannot be read: {error}"))),
        };
        if stat.size >= LARGE {
            // The sequence could not open it, or it was another file then.
            return Ok(unreadable("could not be opened when it was to be read".to_owned()));
        }
        let mut before = stat;
        let mut times = 0;
        let (read, after) = loop {
            times += 1;
            let read = self.read(&file, length_to_read(&file, &before))?;
            match file.stat() {
                Ok(after) if is_read_again(&before, &after, times) => before = after,
                after => break (read, after.ok()),
            }
        };
        if !before.is_same_state(&stat) {
            node = node_of(self.session, &mut self.owners, &before, volume, NodeKind::File);
        }
        node.size = Some(read.len);
        node.content = read.content;
        let (fidelity, mut problem) =
            flaw(&before, after.as_ref(), read.len, read.error.as_ref()).unzip();
        node.fidelity = fidelity;
        attach(self, &mut node, xattrs_of(&Subject::Open(file.fd())), &mut problem)?;
        // What the kernel makes up as it is read changes without its times.
        let is_whole = problem.is_none() && read.len == before.size;
        let mark = Mark::new(&before, volume, directory.time, is_whole);
        Ok(saved(key, node, problem, Some(mark)))
    }

    /// Reads up to `size` bytes, fewer than [`LARGE`], and stores what is new of them.
    fn read(&mut self, file: &Opened, size: u64) -> Result<Read> {
        let mut reading = Reading::default();
        let size = size as usize;
        let whole = size <= self.cutter.profile().min as usize;
        // A file that is one chunk is read to where it will be compressed.
        let mut scratch = std::mem::take(&mut self.scratch);
        let space = if whole {
            self.data.space(size, self.session.packer())?
        } else {
            if scratch.len() < size {
                scratch.resize(size, 0);
            }
            &mut scratch[..size]
        };
        let (len, error) = match file.read(0, space, &mut reading) {
            Ok(len) => (len, None),
            Err((len, error)) => (len, Some(error)),
        };
        file.release(&mut reading, len as u64);
        let bytes = &space[..len];
        let content = if len == 0 {
            None
        } else if len <= INLINE_MAX {
            Some(Content::Inline(bytes.to_vec()))
        } else if whole {
            let id = self.session.access().scope_keys.data_id(bytes);
            if self.session.claim(&id, len, &mut self.lookup)? == Kept::New {
                self.data.keep(id, len);
            }
            Some(Content::Items(vec![Item::Data(id, len as u64)]))
        } else {
            Some(self.cut(&scratch[..len])?)
        };
        self.scratch = scratch;
        Ok(Read { content, len: len as u64, error })
    }

    /// Cuts a file that is in memory as a whole.
    fn cut(&mut self, bytes: &[u8]) -> Result<Content> {
        let mut items = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let end = at + self.cutter.cut(&bytes[at..], true)?;
            items.push(self.chunk(&bytes[at..end])?);
            at = end;
        }
        if items.len() <= ITEMS_INLINE_MAX {
            return Ok(Content::Items(items));
        }
        let Self { session, pages, lookup, .. } = self;
        let mut store = |page: &[u8]| session.page(page, pages, lookup);
        let mut list = ListBuilder::default();
        for item in items {
            list.push(item, &mut store)?;
        }
        list.finish(&mut store).map(Content::List)
    }

    fn piece(&mut self, buffer: &[u8], chunks: &[usize]) -> Result<Vec<Item>> {
        let mut at = 0;
        let mut items: Vec<Item> = Vec::with_capacity(chunks.len());
        for len in chunks {
            let item = self.chunk(&buffer[at..at + len])?;
            at += len;
            match (items.last_mut(), item) {
                (Some(Item::Zero(before)), Item::Zero(more)) => *before += more,
                (_, item) => items.push(item),
            }
        }
        Ok(items)
    }

    /// Names a chunk and stores it if it is new.
    fn chunk(&mut self, bytes: &[u8]) -> Result<Item> {
        let len = bytes.len() as u64;
        if is_zero(bytes) {
            return Ok(Item::Zero(len));
        }
        let id = self.session.access().scope_keys.data_id(bytes);
        if self.session.claim(&id, bytes.len(), &mut self.lookup)? == Kept::New {
            self.data.space(bytes.len(), self.session.packer())?.copy_from_slice(bytes);
            self.data.keep(id, bytes.len());
        }
        Ok(Item::Data(id, len))
    }
}

/// How much of a file there is to be read: files of the kernel say that they have nothing, and have.
fn length_to_read(file: &Opened, stat: &Stat) -> u64 {
    let has_more = || matches!(file.read(0, &mut [0], &mut Reading::default()), Ok(1));
    if stat.size == 0 && has_more() { LARGE - 1 } else { stat.size }
}

/// What reading a file gave.
struct Read {
    content: Option<Content>,
    len: u64,
    error: Option<io::Error>,
}

fn saved(key: MapKey, node: Node, problem: Option<String>, mark: Option<Mark>) -> Saved {
    Saved { key, node: Some(node), problem, mark, refs: Vec::new(), versus: Versus::Unknown }
}

/// A node without content.
pub fn node_of(
    session: &Session,
    owners: &mut Owners,
    stat: &Stat,
    volume: Volume,
    kind: NodeKind,
) -> Node {
    let keys = &session.access().scope_keys;
    node(stat, kind, owners, || keys.link_group(volume.id, stat.identity.inode))
}

/// Gives a node its extended attributes; many of them go to a page of their own.
fn attach(
    worker: &mut Worker<'_>,
    node: &mut Node,
    xattrs: std::result::Result<Vec<Xattr>, MetadataError>,
    problem: &mut Option<String>,
) -> Result<()> {
    let list = match xattrs {
        Ok(list) if list.is_empty() => return Ok(()),
        Ok(list) => list,
        Err(error) => {
            problem.get_or_insert_with(|| format!("{error}: {}", error.source));
            return Ok(());
        }
    };
    node.xattrs = Some(if xattrs_size(&list) <= XATTRS_INLINE_MAX {
        Xattrs::Inline(list)
    } else {
        let page = encode_xattrs(&list);
        let id = worker.session.page(&page, &mut worker.pages, &mut worker.lookup)?;
        Xattrs::Page(id, page.len() as u64)
    });
    Ok(())
}

fn vanished(error: &io::Error, what: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "vanished while it was saved".to_owned(),
        _ => format!("{what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_ends_in_a_panic_is_told_as_failed() {
        let (done, told) = crossbeam_channel::bounded(2);
        let worker = std::thread::spawn(move || {
            Unfinished { number: 1, done: &done }.finish(Ok(Output::Gone(0)));
            let _unfinished = Unfinished { number: 2, done: &done };
            panic!("as meant");
        });
        assert!(worker.join().is_err());
        let told: Vec<_> = told.iter().map(|d| (d.number, d.output.is_ok())).collect();
        assert_eq!(told, [(1, true), (2, false)]);
    }
}
