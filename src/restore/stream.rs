//! The content of one file, stream or image, written in order to something that cannot seek.
//!
//! ```text
//! items    what the content is made of, some MiB at a time     one thread
//! fetch    fetch, open and check the chunks of each part       a thread for each core
//! write    parts in order                                      the calling thread
//! ```
//! What is damaged ends it, and what could not be read when it was saved as well, unless that is told apart: a
//! stream with a hole in it would look whole to whoever reads it.

use crate::repository::{ChunkSource, Chunks, Error, Items};
use crossbeam_channel::{Receiver, Sender, bounded};
use esker_format::content::{Content, Item};
use esker_format::frame::FrameType;
use esker_format::node::Node;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of a part, roughly.
const PART: u64 = 4 << 20;
/// Items of a part at most.
const ITEMS: usize = 4 << 10;
/// Memory for frames of each thread.
const BUDGET: usize = 8 << 20;
/// Parts that are on their way, for each thread.
const AHEAD: usize = 2;
/// Zeros that are written at once.
const ZEROS: usize = 64 << 10;

/// Why content was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Store, index or content.
    #[error(transparent)]
    Repository(#[from] Error),
    /// Something of it could not be read when it was saved.
    #[error("{0}: not all of it could be read when it was saved")]
    Unread(String),
    /// What is written to takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// What to write.
pub struct Source<'s> {
    /// Where it is.
    pub from: &'s dyn ChunkSource,
    /// The scope of its snapshot.
    pub scope: u32,
    /// How to call it.
    pub name: &'s str,
    /// What is said of it.
    pub node: &'s Node,
    /// Threads that fetch.
    pub threads: usize,
    /// Where bytes are counted that could not be read when it was saved: zeros are written for them. Without it
    /// they end it.
    pub unread: Option<&'s AtomicU64>,
}

/// Consecutive items.
struct Part {
    number: u64,
    items: Vec<Item>,
}

type Fetched = (u64, Result<Vec<Piece>, StreamError>);

/// What is written.
enum Piece {
    Bytes(Vec<u8>),
    Zeros(u64),
}

impl Source<'_> {
    /// Writes all of it; returns how many bytes.
    ///
    /// # Errors
    /// When something of it is damaged or lost, cannot be had or written, or `stop` was set. What was
    /// written until then is right.
    pub fn write(&self, out: &mut dyn Write, stop: &AtomicBool) -> Result<u64, StreamError> {
        if let Some(content) = self.listed(out)? {
            self.parts(content, out, stop)?;
        }
        out.flush()?;
        Ok(self.node.len())
    }

    /// As [`write`](Self::write) for one file of many: what is no more than a part is written by the calling
    /// thread, with the frames that `chunks` has open from the files before. To begin threads for each takes
    /// longer than a small file does.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_among(
        &self,
        chunks: &mut Chunks,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> Result<u64, StreamError> {
        if self.node.len() > PART {
            return self.write(out, stop);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted.into());
        }
        if let Some(content) = self.listed(out)? {
            let mut items = Items::new(content);
            while let Some((item, error)) = items.next(chunks)? {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted.into());
                }
                error.map_or(Ok(()), Err)?;
                match item {
                    Item::Data(id, len) => {
                        out.write_all(chunks.get(&id, len, FrameType::Data)?)?
                    }
                    Item::Hole(len) | Item::Zero(len) => zeros(out, len, stop)?,
                    Item::Lost(len) => {
                        lost(self.name, len, self.unread)?;
                        zeros(out, len, stop)?;
                    }
                }
            }
        }
        Ok(self.node.len())
    }

    /// The content, unless it is in the node, and written by this.
    fn listed(&self, out: &mut dyn Write) -> Result<Option<&Content>, StreamError> {
        match &self.node.content {
            None if self.node.is_empty() => Ok(None),
            None => Err(StreamError::Unread(self.name.to_owned())),
            Some(Content::Inline(bytes)) => {
                out.write_all(bytes)?;
                Ok(None)
            }
            Some(content) => Ok(Some(content)),
        }
    }

    fn parts(
        &self,
        content: &Content,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> Result<(), StreamError> {
        let chunks = || self.from.chunks(self.scope, BUDGET);
        let (part_in, part_out) = bounded::<Part>(self.threads);
        let (done_in, done_out) = bounded::<Fetched>(self.threads * AHEAD + 1);
        let (window_in, window_out) = bounded::<()>(self.threads * AHEAD);
        for _ in 0..self.threads * AHEAD {
            let _ = window_in.try_send(());
        }
        let (mut for_items, items) = (chunks()?, Items::new(content));
        let fetching: Vec<Chunks> =
            (0..self.threads).map(|_| chunks()).collect::<Result<_, _>>()?;
        let (name, unread) = (self.name, self.unread);
        std::thread::scope(|scope| {
            let done = done_in.clone();
            scope.spawn(move || hand_out(items, &mut for_items, &window_out, &part_in, &done));
            for mut chunks in fetching {
                let (parts, done) = (part_out.clone(), done_in.clone());
                scope.spawn(move || {
                    for Part { number, items } in parts {
                        let fetched = fetch(name, &items, &mut chunks, unread);
                        if done.send((number, fetched)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop((done_in, part_out));
            write(done_out, window_in, out, stop)
        })
    }
}

/// Fetches what is written for some items.
fn fetch(
    name: &str,
    items: &[Item],
    chunks: &mut Chunks,
    unread: Option<&AtomicU64>,
) -> Result<Vec<Piece>, StreamError> {
    let (mut pieces, mut bytes) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Data(id, len) => {
                bytes.extend_from_slice(chunks.get(id, *len, FrameType::Data)?);
            }
            Item::Hole(len) | Item::Zero(len) => {
                pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                pieces.push(Piece::Zeros(*len));
            }
            Item::Lost(len) => {
                lost(name, *len, unread)?;
                pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                pieces.push(Piece::Zeros(*len));
            }
        }
    }
    pieces.push(Piece::Bytes(bytes));
    Ok(pieces)
}

/// Counts what could not be read when it was saved, where somebody wants that.
fn lost(name: &str, len: u64, unread: Option<&AtomicU64>) -> Result<(), StreamError> {
    let unread = unread.ok_or_else(|| StreamError::Unread(name.to_owned()))?;
    unread.fetch_add(len, Ordering::Relaxed);
    Ok(())
}

/// Hands out parts in order, until there are none or nobody wants more.
fn hand_out(
    mut items: Items,
    chunks: &mut Chunks,
    window: &Receiver<()>,
    parts: &Sender<Part>,
    done: &Sender<Fetched>,
) {
    let mut number = 0;
    loop {
        let (mut part, mut bytes) = (Vec::new(), 0);
        let end = loop {
            match items.next(chunks) {
                Ok(Some((item, None))) => {
                    if let Item::Data(_, len) = item {
                        bytes += len;
                    }
                    part.push(item);
                    if bytes >= PART || part.len() >= ITEMS {
                        break None;
                    }
                }
                Ok(None) => break Some(Ok(())),
                Ok(Some((_, Some(error)))) | Err(error) => break Some(Err(error)),
            }
        };
        if window.recv().is_err() || parts.send(Part { number, items: part }).is_err() {
            return;
        }
        number += 1;
        match end {
            None => {}
            Some(Ok(())) => return,
            Some(Err(error)) => {
                let _ = done.send((number, Err(error.into())));
                return;
            }
        }
    }
}

/// Writes parts in the order of their numbers.
fn write(
    done: Receiver<Fetched>,
    window: Sender<()>,
    out: &mut dyn Write,
    stop: &AtomicBool,
) -> Result<(), StreamError> {
    let (mut early, mut next) = (HashMap::new(), 0);
    for (number, fetched) in &done {
        early.insert(number, fetched);
        while let Some(fetched) = early.remove(&next) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted.into());
            }
            for piece in fetched? {
                match piece {
                    Piece::Bytes(bytes) => out.write_all(&bytes)?,
                    Piece::Zeros(len) => zeros(out, len, stop)?,
                }
            }
            next += 1;
            let _ = window.try_send(());
        }
    }
    match early.is_empty() {
        true => Ok(()),
        // A thread has ended in a panic.
        false => Err(Error::Thread.into()),
    }
}

fn zeros(out: &mut dyn Write, mut len: u64, stop: &AtomicBool) -> Result<(), StreamError> {
    let zeros = [0; ZEROS];
    while len > 0 {
        // There may be any number of them.
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted.into());
        }
        let some = len.min(ZEROS as u64) as usize;
        out.write_all(&zeros[..some])?;
        len -= some as u64;
    }
    Ok(())
}
