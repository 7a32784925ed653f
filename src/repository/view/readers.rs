//! Readers of chunks, each used by one thread at a time: a connection to the index and memory are too
//! dear for one of each file.

use crate::repository::chunks::Chunks;
use crate::repository::error::Result;
use crate::repository::packer::lock;
use std::sync::{Condvar, Mutex, PoisonError};

/// The readers of a view.
pub struct Readers {
    most: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Chunks>,
    /// How many there are, idle or not.
    count: usize,
    /// Goes up when the log said something new; older readers end then.
    age: u64,
}

impl Readers {
    /// Up to `most` of them.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), state: Mutex::default(), returned: Condvar::new() }
    }

    /// From now on chunks are looked up as the index knows them now.
    pub fn renew(&self) {
        let mut state = lock(&self.state);
        state.age += 1;
        state.count -= state.idle.len();
        state.idle.clear();
    }

    /// A reader, made by `make` when none is idle; waits while there are as many as may be.
    ///
    /// # Errors
    /// What `make` says.
    pub fn take(&self, make: impl FnOnce() -> Result<Chunks>) -> Result<Reader<'_>> {
        let mut state = lock(&self.state);
        loop {
            let age = state.age;
            if let Some(chunks) = state.idle.pop() {
                return Ok(Reader { readers: self, chunks: Some(chunks), age });
            }
            if state.count < self.most {
                state.count += 1;
                drop(state);
                // Given back even when it cannot be made.
                let mut reader = Reader { readers: self, chunks: None, age };
                reader.chunks = Some(make()?);
                return Ok(reader);
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A reader that is in use.
pub struct Reader<'r> {
    readers: &'r Readers,
    /// Always there but in between.
    chunks: Option<Chunks>,
    age: u64,
}

impl Reader<'_> {
    /// What it reads with.
    ///
    /// # Panics
    /// Never: there is none only before it is given out and after it came back.
    pub fn chunks(&mut self) -> &mut Chunks {
        self.chunks.as_mut().unwrap_or_else(|| unreachable!("a reader that was given back"))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.readers.state);
        match self.chunks.take() {
            Some(mut chunks) if self.age == state.age => {
                chunks.rest();
                state.idle.push(chunks);
            }
            _ => state.count -= 1,
        }
        drop(state);
        self.readers.returned.notify_one();
    }
}
