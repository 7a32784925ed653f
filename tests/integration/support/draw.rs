//! Choices drawn from a seed: the same seed, the same choices.

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// Choices to come.
pub struct Draw(TestRng);

impl Draw {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// One of several things.
    pub fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }

    /// Bytes without any order.
    pub fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.0.fill_bytes(&mut out);
        out
    }

    /// Bytes that say the same again and again.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        let words: Vec<String> = (0..40).map(|_| format!("{:x} ", self.below(1 << 20))).collect();
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            out.extend_from_slice(words[self.below(40) as usize].as_bytes());
        }
        out.truncate(len);
        out
    }
}
