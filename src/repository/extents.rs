//! Parts of packs from a store that is far away, where every request costs a journey.
//!
//! Whoever reads one frame soon reads its neighbours: pages of a map in order, chunks of a file. So a
//! request brings some of them, and more each time when they were wanted; what came is kept for a
//! while, and shared by all who read. A local store is read frame by frame instead.

use crate::repository::error::{Error, Result};
use crate::repository::fetch::no_frame;
use crate::repository::index::KnownPack;
use crate::repository::packer::lock;
use crate::repository::spill::Spill;
use crate::store::Store;
use crossbeam_channel::Sender;
use esker_format::limits::PACK_MAX;
use esker_format::names;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

#[cfg(test)]
mod tests;

/// Bytes of the first request to a pack.
const FIRST: u64 = 256 << 10;
/// Bytes of the largest one, when frame follows on frame.
const MOST: u64 = 4 << 20;
/// Bytes between two frames that are read rather than asked for anew.
const GAP: u64 = 64 << 10;
/// Bytes kept.
const KEPT: usize = 8 << 20;
/// Bytes kept when all of a snapshot is read: a whole pack of pages.
const KEPT_OF_ALL: usize = 16 << 20;

/// Bytes of a pack that lie together.
pub struct Extent {
    pack: u32,
    offset: u64,
    bytes: Vec<u8>,
    /// Where its memory goes when nobody needs it any more.
    home: Option<Sender<Vec<u8>>>,
}

impl Extent {
    /// The bytes of the pack from `offset` on; none when they are not all here.
    pub fn part(&self, offset: u64, len: u32) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(start..start.checked_add(len as usize)?)
    }

    fn holds(&self, pack: u32, range: &Range<u64>) -> bool {
        self.pack == pack && self.offset <= range.start && range.end <= self.end()
    }

    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // Nobody may be there any more to take it.
            let _ = home.try_send(std::mem::take(&mut self.bytes));
        }
    }
}

/// What was read of packs last.
pub struct Extents {
    store: Arc<dyn Store>,
    is_far: bool,
    state: Mutex<State>,
    arrived: Condvar,
    /// More of what was read, where much is going to be.
    spill: OnceLock<Option<Spill>>,
}

#[derive(Default)]
struct State {
    /// Used last comes first.
    kept: VecDeque<Arc<Extent>>,
    /// What is on its way.
    coming: Vec<(u32, Range<u64>)>,
    /// Where the last request to a pack ended, and how long it was.
    last: HashMap<u32, (u64, u64)>,
    /// Whether all of a snapshot is being read.
    is_all: bool,
}

impl Extents {
    /// Nothing read yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let (state, arrived, spill) = (Mutex::default(), Condvar::new(), OnceLock::new());
        Self { is_far: store.local_identity().is_none(), store, state, arrived, spill }
    }

    /// The same for a store that is taken for a local one.
    #[cfg(test)]
    pub fn near(store: Arc<dyn Store>) -> Self {
        Self { is_far: false, ..Self::new(store) }
    }

    /// Whether requests to this store cost a journey.
    pub const fn is_far(&self) -> bool {
        self.is_far
    }

    /// Much is going to be read: what was, is kept in a file in `folder`. When it is all of a snapshot,
    /// the pages of a pack come with one request.
    pub fn expect_much(&self, is_all: bool, folder: &Path) {
        lock(&self.state).is_all |= is_all;
        self.spill.get_or_init(|| Spill::new(folder));
    }

    /// Reads anew from here on.
    pub fn forget(&self) {
        let mut state = lock(&self.state);
        state.kept.clear();
        state.last.clear();
    }

    /// The bytes around a frame, which are kept for who comes next.
    ///
    /// # Errors
    /// When the store fails, or the pack is missing or shorter than it should be.
    pub fn around(&self, known: &KnownPack, frame: u32) -> Result<Arc<Extent>> {
        let mut state = lock(&self.state);
        let range = loop {
            let wanted = known.span(frame).ok_or_else(|| no_frame(known))?;
            if let Some(extent) = state.find(known.ordinal, &wanted) {
                return Ok(extent);
            }
            let is_coming = |(pack, range): &(u32, Range<u64>)| {
                *pack == known.ordinal && range.start <= wanted.start && wanted.end <= range.end
            };
            if !state.coming.iter().any(is_coming) {
                break state.choose(known, frame);
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        let this = (known.ordinal, range.clone());
        state.coming.push(this.clone());
        let memory = state.make_room(range.end - range.start);
        drop(state);
        let loaded = self.fetch(known, &range, memory, None);
        let mut state = lock(&self.state);
        state.coming.retain(|other| *other != this);
        if let Ok(extent) = &loaded {
            state.kept.push_front(Arc::clone(extent));
            state.last.insert(known.ordinal, (range.end, range.end - range.start));
        }
        drop(state);
        self.arrived.notify_all();
        loaded
    }

    /// What is kept of a range of a pack; none when it is not all there.
    pub fn kept(&self, known: &KnownPack, range: &Range<u64>) -> Option<Arc<Extent>> {
        lock(&self.state).find(known.ordinal, range)
    }

    /// Reads a range of a pack into `memory`, which goes `home` in the end. What was read before need not
    /// come from the store, and what is on its way is waited for.
    ///
    /// # Errors
    /// As [`around`](Self::around); then the memory has gone home.
    pub fn load(
        &self,
        known: &KnownPack,
        range: &Range<u64>,
        memory: Vec<u8>,
        home: Option<Sender<Vec<u8>>>,
    ) -> Result<Arc<Extent>> {
        let this = (known.ordinal, range.clone());
        let meets = |(pack, coming): &(u32, Range<u64>)| {
            *pack == this.0 && coming.start < range.end && range.start < coming.end
        };
        let mut state = lock(&self.state);
        while state.coming.iter().any(meets) {
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.coming.push(this.clone());
        drop(state);
        let loaded = self.fetch(known, range, memory, home);
        lock(&self.state).coming.retain(|other| *other != this);
        self.arrived.notify_all();
        loaded
    }

    fn fetch(
        &self,
        known: &KnownPack,
        range: &Range<u64>,
        memory: Vec<u8>,
        home: Option<Sender<Vec<u8>>>,
    ) -> Result<Arc<Extent>> {
        let (pack, offset) = (known.ordinal, range.start);
        let mut extent = Extent { pack, offset, bytes: memory, home };
        let spill = self.spill.get().and_then(Option::as_ref);
        if spill.is_some_and(|spill| spill.read(pack, range, &mut extent.bytes)) {
            return Ok(Arc::new(extent));
        }
        let len = usize::try_from(range.end - range.start).unwrap_or(PACK_MAX);
        let name = names::pack(known.pack.id);
        let read = self.store.get_range(&name, range.start, len, &mut extent.bytes);
        read.map_err(Error::from_part)?;
        if let Some(spill) = spill {
            spill.keep(pack, range, &extent.bytes);
        }
        Ok(Arc::new(extent))
    }
}

impl State {
    fn find(&mut self, pack: u32, range: &Range<u64>) -> Option<Arc<Extent>> {
        let at = self.kept.iter().position(|extent| extent.holds(pack, range))?;
        let extent = self.kept.remove(at)?;
        self.kept.push_front(Arc::clone(&extent));
        Some(extent)
    }

    /// What to ask for when a frame is wanted: it and its neighbours of the same type.
    fn choose(&self, known: &KnownPack, frame: u32) -> Range<u64> {
        let all = known.frames_span();
        let Some(wanted) = known.span(frame) else { return all };
        let last = self.last.get(&known.ordinal);
        let most = match last {
            None if all.end <= FIRST => return all,
            None if self.is_all => KEPT_OF_ALL as u64,
            Some((end, len)) if wanted.start >= *end && wanted.start - end <= GAP => {
                (len * 2).clamp(FIRST, MOST)
            }
            _ => FIRST,
        };
        let fits = |span: &Range<u64>| span.end - span.start <= most;
        let of_type = known.neighbours(frame);
        let mut span = wanted;
        for next in frame + 1..of_type.end {
            let Some(longer) = known.span(next).map(|next| span.start..next.end).filter(fits)
            else {
                return span;
            };
            span = longer;
        }
        // The root of a map comes last, and what is above its leaves lies before it.
        if last.is_none() {
            for before in (of_type.start..frame).rev() {
                let Some(longer) = known.span(before).map(|b| b.start..span.end).filter(fits)
                else {
                    return span;
                };
                span = longer;
            }
        }
        span
    }

    /// Lets go of what was not used for longest, so that `coming` bytes more fit. Returns memory.
    fn make_room(&mut self, coming: u64) -> Vec<u8> {
        let budget = if self.is_all { KEPT_OF_ALL } else { KEPT };
        let mut total: usize = self.kept.iter().map(|extent| extent.bytes.capacity()).sum();
        total += usize::try_from(coming).unwrap_or(PACK_MAX);
        let mut memory = Vec::new();
        while total > budget
            && let Some(old) = self.kept.pop_back()
        {
            total = total.saturating_sub(old.bytes.capacity());
            if let Ok(mut old) = Arc::try_unwrap(old) {
                memory = std::mem::take(&mut old.bytes);
            }
        }
        memory
    }
}
