//! What is saved: a few files, each of some chunks out of a small pool that all writers share.

use super::random::Random;
use std::collections::BTreeMap;

/// Chunks that there are.
pub const POOL: u64 = 12;
/// Files of a tree at most.
const FILES: u64 = 4;
/// Chunks of a file at most.
const CHUNKS: u64 = 3;

/// Files by name, with the numbers of their chunks.
pub type Tree = BTreeMap<String, Vec<u64>>;

/// The bytes of a chunk.
pub fn chunk(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 40 + (number % 7) as usize * 30];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// What becomes of a tree until it is saved again.
pub fn change(tree: &mut Tree, random: &mut Random) {
    for _ in 0..=random.below(2) {
        let name = format!("file-{}", random.below(FILES));
        if random.chance(1_500) {
            tree.remove(&name);
            continue;
        }
        let chunks = (0..=random.below(CHUNKS)).map(|_| random.below(POOL)).collect();
        tree.insert(name, chunks);
    }
}
