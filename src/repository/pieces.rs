//! Memory for packs, in pieces that are used again and again.
//!
//! A pack that is being filled holds as many pieces as it has bytes, and gives them all back once
//! it is written. So two packs, one filling while the other is written, take hardly more memory
//! than one: a page of memory that was never touched costs nothing, and touching one is dear.

use crate::repository::packer::lock;
use crate::store::Bytes;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes of a piece: room for two frames that did not compress.
const PIECE: usize = (4 << 20) + (64 << 10);

/// The pieces of one packer.
pub struct Pieces {
    limit: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    /// Given back last, taken first.
    free: Vec<Vec<u8>>,
    /// Pieces that somebody holds.
    taken: usize,
    /// Packs that are being written, whose pieces will come back.
    writing: usize,
}

impl Pieces {
    /// Memory for packs of together `bytes`. More is given only when waiting would be for ever.
    pub fn new(bytes: usize) -> Self {
        Self { limit: bytes.div_ceil(PIECE), state: Mutex::default(), returned: Condvar::new() }
    }

    fn take(&self, len: usize) -> Vec<u8> {
        let mut state = lock(&self.state);
        while state.taken >= self.limit && state.writing > 0 {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.taken += 1;
        let mut piece = state.free.pop().unwrap_or_default();
        drop(state);
        piece.reserve_exact(len.max(PIECE));
        piece
    }

    fn give_back(&self, pieces: impl Iterator<Item = Vec<u8>>) {
        let mut state = lock(&self.state);
        for mut piece in pieces {
            state.taken -= 1;
            piece.clear();
            state.free.push(piece);
        }
        drop(state);
        self.returned.notify_all();
    }
}

/// Bytes that grow at their end, in pieces.
pub struct Assembly {
    pieces: Arc<Pieces>,
    held: Vec<Vec<u8>>,
    len: usize,
}

impl Assembly {
    /// Nothing yet.
    pub const fn new(pieces: Arc<Pieces>) -> Self {
        Self { pieces, held: Vec::new(), len: 0 }
    }

    /// Bytes so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Appends what `write` appends to its argument, at most `len` bytes, which stay together.
    /// Returns them.
    pub fn append(&mut self, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let fits = |piece: &Vec<u8>| piece.capacity() - piece.len() >= len;
        if !self.held.last().is_some_and(fits) {
            self.held.push(self.pieces.take(len));
        }
        let last = self.held.len() - 1;
        let piece = &mut self.held[last];
        let start = piece.len();
        write(piece);
        self.len += piece.len() - start;
        &self.held[last][start..]
    }

    /// All of it, to be written. Until the guard is dropped, others wait for its memory rather than
    /// take more; it comes back when whoever writes has let go of the parts.
    pub fn into_parts(mut self) -> (Vec<Bytes>, Writing) {
        lock(&self.pieces.state).writing += 1;
        let writing = Writing { pieces: Arc::clone(&self.pieces) };
        let held = std::mem::take(&mut self.held).into_iter();
        let part = |bytes| Part { bytes, pieces: Arc::clone(&self.pieces) };
        (held.map(|bytes| Bytes::from_owner(part(bytes))).collect(), writing)
    }
}

impl Drop for Assembly {
    fn drop(&mut self) {
        self.pieces.give_back(self.held.drain(..));
    }
}

/// Says that a pack is being written.
pub struct Writing {
    pieces: Arc<Pieces>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        lock(&self.pieces.state).writing -= 1;
        self.pieces.returned.notify_all();
    }
}

/// A piece of a pack that is being written.
struct Part {
    bytes: Vec<u8>,
    pieces: Arc<Pieces>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.pieces.give_back(std::iter::once(std::mem::take(&mut self.bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_stays_together_and_in_order() {
        let pieces = Arc::new(Pieces::new(1));
        let mut assembly = Assembly::new(Arc::clone(&pieces));
        let parts: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; 300_000 + usize::from(n)]).collect();
        for part in &parts {
            assert_eq!(assembly.append(part.len(), |out| out.extend_from_slice(part)), &part[..]);
        }
        assert_eq!(assembly.len(), parts.concat().len());
        assert_eq!(assembly.into_parts().0.concat(), parts.concat());
    }

    #[test]
    fn memory_that_comes_back_is_used_again() {
        let pieces = Arc::new(Pieces::new(1));
        for _ in 0..10 {
            let mut assembly = Assembly::new(Arc::clone(&pieces));
            for _ in 0..3 {
                assembly.append(PIECE, |out| out.resize(PIECE, 1));
            }
        }
        assert_eq!(lock(&pieces.state).free.len(), 3);
    }

    #[test]
    fn over_the_limit_the_next_piece_waits_for_a_pack_that_is_being_written() {
        let pieces = Arc::new(Pieces::new(1));
        let mut written = Assembly::new(Arc::clone(&pieces));
        written.append(1, |out| out.push(1));
        let parts = written.into_parts();
        assert_eq!(parts.0, [&[1][..]]);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| {
                Assembly::new(Arc::clone(&pieces)).append(1, |out| out.push(2));
            });
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!next.is_finished(), "it waits");
            drop(parts);
        });
        assert_eq!(lock(&pieces.state).free.len(), 1, "and takes the same");
    }
}
