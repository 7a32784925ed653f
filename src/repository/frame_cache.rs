//! Opened frames that several threads read from, bounded in bytes. A frame that several want at once
//! is opened by one of them, and the others wait for it.

use crate::repository::error::Result;
use crate::repository::packer::lock;
use esker_format::frame::FrameType;
use esker_format::ids::ChunkId;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Memory of frames that were let go, kept for the next ones: a page that was never touched is dear.
const SPARE: usize = 4;

/// Which frame: the ordinal of its pack, and its number there.
pub type Place = (u32, u32);

/// The plaintext of a frame.
#[derive(Default)]
pub struct Opened {
    plain: Vec<u8>,
    /// Chunks that were found right, by where they begin.
    right: Mutex<HashMap<u32, (FrameType, ChunkId)>>,
}

impl Opened {
    /// The bytes.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Whether the chunk at `offset` was compared with this id, as data or as a page, before.
    pub fn is_right(&self, offset: u32, of: FrameType, id: &ChunkId) -> bool {
        lock(&self.right).get(&offset) == Some(&(of, *id))
    }

    /// Remembers that it was.
    pub fn found_right(&self, offset: u32, of: FrameType, id: ChunkId) {
        lock(&self.right).insert(offset, (of, id));
    }
}

/// The frames.
pub struct FrameCache {
    /// Bytes of plaintext at most, unless all of them are being read from.
    budget: usize,
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    frames: HashMap<Place, Slot>,
    /// Bytes of those that are open or are being opened.
    bytes: usize,
    /// Goes up with each use.
    time: u64,
    spare: Vec<Vec<u8>>,
}

enum Slot {
    /// Somebody is at it.
    Opening,
    /// Open, and when it was used last.
    Open(Arc<Opened>, u64),
}

impl FrameCache {
    /// Keeps up to `budget` bytes of plaintext.
    pub fn new(budget: usize) -> Self {
        Self { budget, state: Mutex::default(), opened: Condvar::new() }
    }

    /// Bytes of plaintext at most.
    pub const fn budget(&self) -> usize {
        self.budget
    }

    /// A frame with `len` bytes of plaintext, which `open` puts into its argument (replaced) when it is
    /// not here.
    ///
    /// # Errors
    /// What `open` says.
    pub fn get(
        &self,
        place: Place,
        len: usize,
        open: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<Arc<Opened>> {
        let mut state = lock(&self.state);
        loop {
            let State { frames, time, .. } = &mut *state;
            match frames.get_mut(&place) {
                Some(Slot::Open(opened, used)) => {
                    *time += 1;
                    *used = *time;
                    return Ok(Arc::clone(opened));
                }
                Some(Slot::Opening) => {
                    state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        state.frames.insert(place, Slot::Opening);
        let mut plain = state.make_room(len, self.budget);
        drop(state);
        let mut coming = Coming { cache: self, place, len, opened: None };
        open(&mut plain)?;
        let opened = Arc::new(Opened { plain, right: Mutex::default() });
        coming.opened = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Whether a frame is here, or will be.
    pub fn has(&self, place: Place) -> bool {
        lock(&self.state).frames.contains_key(&place)
    }
}

/// A frame that somebody opens. Whatever becomes of it, those who wait are told.
struct Coming<'c> {
    cache: &'c FrameCache,
    place: Place,
    len: usize,
    opened: Option<Arc<Opened>>,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.cache.state);
        match self.opened.take() {
            Some(opened) => {
                state.time += 1;
                // What memory it takes counts, and that may be more.
                state.bytes = state.bytes - self.len + opened.plain.capacity();
                let slot = Slot::Open(opened, state.time);
                state.frames.insert(self.place, slot);
            }
            None => {
                state.frames.remove(&self.place);
                state.bytes -= self.len;
            }
        }
        drop(state);
        self.cache.opened.notify_all();
    }
}

impl State {
    /// Lets go of what was not used for longest, so that `len` bytes more fit. Returns memory.
    fn make_room(&mut self, len: usize, budget: usize) -> Vec<u8> {
        self.bytes += len;
        while self.bytes > budget
            && let Some(place) = self.oldest()
        {
            let Some(Slot::Open(opened, _)) = self.frames.remove(&place) else { break };
            self.bytes -= opened.plain.capacity();
            // Whoever reads from it at this moment keeps it until then.
            if let Ok(opened) = Arc::try_unwrap(opened)
                && self.spare.len() < SPARE
            {
                self.spare.push(opened.plain);
            }
        }
        self.spare.pop().unwrap_or_default()
    }

    fn oldest(&self) -> Option<Place> {
        let open = self.frames.iter().filter_map(|(place, slot)| match slot {
            Slot::Open(_, used) => Some((*used, *place)),
            Slot::Opening => None,
        });
        open.min().map(|(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn filled(cache: &FrameCache, frame: u32, len: usize) -> Arc<Opened> {
        let fill = |plain: &mut Vec<u8>| {
            plain.clear();
            plain.resize(len, frame as u8);
            Ok(())
        };
        cache.get((0, frame), len, fill).unwrap()
    }

    #[test]
    fn no_more_frames_are_kept_than_there_is_room_for_and_the_latest_stay() {
        let cache = FrameCache::new(1000);
        for frame in 0..10 {
            filled(&cache, frame, 300);
            filled(&cache, 0, 300);
        }
        let kept: Vec<_> = (0..10).filter(|frame| cache.has((0, *frame))).collect();
        assert_eq!(kept, [0, 8, 9]);
        assert!((900..=1000).contains(&lock(&cache.state).bytes));
    }

    #[test]
    fn a_frame_that_many_want_at_once_is_opened_once() {
        let (cache, times) = (FrameCache::new(1000), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let open = |plain: &mut Vec<u8>| {
                        times.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        plain.resize(10, 7);
                        Ok(())
                    };
                    assert_eq!(cache.get((1, 2), 10, open).unwrap().plain(), [7; 10]);
                });
            }
        });
        assert_eq!(times.into_inner(), 1);
    }

    #[test]
    fn a_frame_that_cannot_be_opened_takes_no_room_and_is_tried_again() {
        let cache = FrameCache::new(1000);
        let missing = |_: &mut Vec<u8>| Err(Error::Missing { object: "a pack".to_owned() });
        assert!(cache.get((0, 1), 600, missing).is_err());
        assert_eq!(lock(&cache.state).bytes, 0);
        assert_eq!(filled(&cache, 1, 600).plain(), [1; 600]);
    }

    #[test]
    fn a_frame_that_is_read_from_stays_while_it_is() {
        let cache = FrameCache::new(100);
        let held = filled(&cache, 1, 100);
        filled(&cache, 2, 100);
        assert!(!cache.has((0, 1)));
        assert_eq!(held.plain(), [1; 100]);
    }
}
