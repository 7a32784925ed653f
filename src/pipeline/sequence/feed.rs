//! What is read once and is no file: its bytes, cut here, are work for all threads, and the entry
//! is known when they end. Several follow each other as they were asked for.

use super::{Over, Sequence};
use crate::pipeline::known::{Kept, Known, Looked, Versus};
use crate::pipeline::mark::Mark;
use crate::pipeline::task::{Output, PIECE, Progress, Saved, SequenceEnds, Work};
use crate::repository::{Cutters, Result, Session};
use crate::source::{Fed, Feed, Owners, Part, Stat, Volume};
use esker_format::content::{Content, Item};
use esker_format::limits::{INLINE_MAX, XATTRS_INLINE_MAX};
use esker_format::node::{Time, Xattrs, xattrs_size};
use esker_format::path::MapKey;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the stage needs beside its ends of the queues.
pub struct Feeding<'s> {
    pub cutters: &'s Cutters,
    pub session: &'s Session,
    pub known: Known<'s>,
    pub progress: &'s Progress,
    pub stop: &'s AtomicBool,
    /// Set when nobody collects any more.
    pub is_over: &'s AtomicBool,
    /// When the run began.
    pub start: Time,
}

/// Reads feeds and hands out their content, until all have ended well or one has not.
///
/// # Errors
/// Never: what goes wrong is told to the collector.
pub fn run(feeds: Vec<Box<dyn Feed>>, feeding: Feeding<'_>, ends: SequenceEnds) -> Result<()> {
    let Feeding { cutters, session, known, progress, stop, is_over, start } = feeding;
    let Some(cutter) = feeds.first().map(|feed| cutters.of(feed.kind())).transpose()? else {
        return Ok(());
    };
    let owners = Owners::default();
    let (number, carry, before) = Default::default();
    let mut sequence =
        Sequence { cutter, session, known, ends, progress, stop, owners, number, carry, before };
    match sequence.feeds(feeds, cutters, is_over, start) {
        Ok(()) => Ok(()),
        Err(over) => sequence.end(over),
    }
}

impl<'s> Sequence<'s> {
    fn feeds(
        &mut self,
        feeds: Vec<Box<dyn Feed>>,
        cutters: &'s Cutters,
        is_over: &AtomicBool,
        start: Time,
    ) -> std::result::Result<(), Over> {
        // What the base has of them, asked for in map order.
        let mut found = BTreeMap::new();
        let stats: BTreeMap<&[u8], Stat> =
            feeds.iter().filter_map(|feed| Some((feed.path(), feed.stat()?))).collect();
        for (key, is_directory) in keys(&feeds)? {
            let looked = match stats.get(&key.path()[..]) {
                Some(stat) => self.known.look_at(&key, stat)?,
                None => Looked::Save(self.known.compare(&key)),
            };
            match looked {
                Looked::Save(versus) if is_directory => {
                    self.fed(key.clone(), Fed::directory(&key.path(), start), None, versus, start)?;
                }
                looked => drop(found.insert(key, looked)),
            }
        }
        self.rest()?;
        let stop = self.stop;
        let halt = move || stop.load(Ordering::Relaxed) || is_over.load(Ordering::Relaxed);
        for mut feed in feeds {
            self.cutter = cutters.of(feed.kind())?;
            if !feed.is_many() {
                self.one(&mut *feed, &mut found, &halt, start)?;
                continue;
            }
            while feed.advance(&halt)? {
                self.one(&mut *feed, &mut found, &halt, start)?;
            }
        }
        self.progress.walked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Reads one entry, unless it is unchanged.
    fn one(
        &mut self,
        feed: &mut dyn Feed,
        found: &mut BTreeMap<MapKey, Looked>,
        halt: &dyn Fn() -> bool,
        start: Time,
    ) -> std::result::Result<(), Over> {
        let key = MapKey::from_path(feed.path())?;
        let versus = match found.remove(&key) {
            Some(Looked::Save(versus)) => versus,
            Some(Looked::Kept(kept)) => return self.unchanged(*kept),
            Some(Looked::Held) | None => Versus::Unknown,
        };
        let (len, small) = self.parts(feed, halt)?;
        let mut fed = feed.finish(halt)?;
        fed.node.content = small.map(Content::Inline);
        let len = fed.node.has_content().then_some(len);
        self.fed(key, fed, len, versus, start)
    }

    /// Hands out content; returns its length, and the content where it is so small that it goes into the
    /// node.
    fn parts(
        &mut self,
        feed: &mut dyn Feed,
        halt: &dyn Fn() -> bool,
    ) -> std::result::Result<(u64, Option<Vec<u8>>), Over> {
        let mut piece = self.piece()?;
        let mut len: u64 = 0;
        loop {
            let part = feed.next(&mut piece.buffer[piece.used..], halt)?;
            let (item, more) = match part {
                Part::Data(more) => {
                    piece.used += more;
                    (None, more as u64)
                }
                Part::Hole(more) => (Some(Item::Hole(more)), more),
                Part::Zero(more) => (Some(Item::Zero(more)), more),
                Part::Lost(more) => (Some(Item::Lost(more)), more),
                Part::End => {
                    let is_small = len <= INLINE_MAX as u64 && piece.used as u64 == len;
                    let small = is_small.then(|| piece.buffer[..piece.used].to_vec());
                    let used = if small.is_some() { 0 } else { piece.used };
                    self.give(Piece { used, ..piece }, true)?;
                    return Ok((len, small.filter(|bytes| !bytes.is_empty())));
                }
            };
            len += more;
            self.progress.seen_bytes.fetch_add(more, Ordering::Relaxed);
            if let Some(item) = item {
                // What lies between two of these is cut by itself.
                self.give(piece, true)?;
                self.progress.done(0, more);
                self.tell(Output::Items(vec![item]))?;
                piece = self.piece()?;
            } else if piece.used == piece.buffer.len() {
                self.give(piece, false)?;
                piece = self.piece()?;
            }
        }
    }

    /// Memory for what comes next, with what was left of the piece before.
    fn piece(&mut self) -> std::result::Result<Piece, Over> {
        let mut buffer = self.ends.buffers.recv().map_err(|_| Over::Stopped)?;
        if buffer.is_empty() {
            buffer.resize(PIECE.max(self.cutter.profile().max as usize + (1 << 20)), 0);
        }
        let used = self.carry.len();
        buffer[..used].copy_from_slice(&self.carry);
        self.carry.clear();
        Ok(Piece { buffer, used })
    }

    /// Cuts a piece as far as it can be, and hands it out.
    fn give(&mut self, piece: Piece, is_last: bool) -> std::result::Result<(), Over> {
        let max = self.cutter.profile().max as usize;
        let Piece { buffer, used } = piece;
        let (mut at, mut chunks) = (0, Vec::new());
        while used - at >= max || (is_last && at < used) {
            let cut = self.cutter.cut(&buffer[at..used], is_last)?;
            chunks.push(cut);
            at += cut;
        }
        self.carry.extend_from_slice(&buffer[at..used]);
        self.begin(Work::Piece { buffer, chunks })
    }

    /// What is as it was the last time, and is not read.
    fn unchanged(&mut self, kept: Kept) -> std::result::Result<(), Over> {
        let len = kept.entry.node.len();
        self.progress.seen_bytes.fetch_add(len, Ordering::Relaxed);
        self.progress.done(1, len);
        self.tell(Output::LaterKept(Box::new(kept.into())))
    }

    /// The entry, now that its content is known.
    fn fed(
        &mut self,
        key: MapKey,
        fed: Fed,
        len: Option<u64>,
        versus: Versus,
        start: Time,
    ) -> std::result::Result<(), Over> {
        let Fed { mut node, mut xattrs, problem, stat, link } = fed;
        if let Some(first) = link {
            return self.tell(Output::Link(key, first));
        }
        node.size = len;
        if !xattrs.is_empty() && xattrs_size(&xattrs) <= XATTRS_INLINE_MAX {
            node.xattrs = Some(Xattrs::Inline(std::mem::take(&mut xattrs)));
        }
        self.progress.done(1, 0);
        let mark = stat.map(|stat| Mark::new(&stat, Volume::root(), start, problem.is_none()));
        let saved = Saved { node: Some(node), versus, mark, ..Saved::nothing(key, String::new()) };
        self.tell(Output::Later(Box::new(Saved { problem, ..saved }), xattrs))
    }
}

/// Bytes that were read and not cut.
struct Piece {
    buffer: Vec<u8>,
    used: usize,
}

/// Where feeds stand, and the directories that lead to them, in map order.
fn keys(feeds: &[Box<dyn Feed>]) -> esker_format::error::Result<BTreeMap<MapKey, bool>> {
    let mut keys = BTreeMap::new();
    for feed in feeds.iter().filter(|feed| !feed.is_many()) {
        let key = MapKey::from_path(feed.path())?;
        let mut parent = key.parent.clone();
        while !parent.is_empty() {
            let above = MapKey::from_parent(&parent);
            parent.clone_from(&above.parent);
            keys.insert(above, true);
        }
        keys.insert(key, false);
    }
    Ok(keys)
}
