//! Where each block is: two bits for each.

use std::collections::BTreeSet;

/// Bytes that are written at once.
const PAGE: usize = 4096;

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Nothing was written: what is below shows.
    Below,
    /// In its place.
    Data,
    /// Nowhere: it is zero.
    Zero,
}

/// The map, as it will be in the file.
pub struct Map {
    bytes: Vec<u8>,
    /// Pages that differ from the file.
    dirty: BTreeSet<usize>,
}

impl Map {
    /// Bytes of a map of so many blocks: four of them to a byte.
    pub const fn bytes_for(blocks: u64) -> usize {
        blocks.div_ceil(4) as usize
    }

    /// As it was in a file; none when that makes no sense.
    pub fn new(bytes: Vec<u8>, blocks: u64) -> Option<Self> {
        let is_known = |byte: &u8| byte & (byte >> 1) & 0b0101_0101 == 0;
        let behind = (blocks % 4) as u32 * 2;
        let is_empty_behind = behind == 0 || bytes.last().is_none_or(|last| last >> behind == 0);
        let is_right = bytes.iter().all(is_known) && is_empty_behind;
        is_right.then_some(Self { bytes, dirty: BTreeSet::new() })
    }

    /// Where a block is.
    pub fn get(&self, block: u64) -> Block {
        match self.bytes[(block / 4) as usize] >> (block % 4 * 2) & 3 {
            0 => Block::Below,
            1 => Block::Data,
            _ => Block::Zero,
        }
    }

    /// Says where a block is from now on.
    pub fn set(&mut self, block: u64, kind: Block) {
        if self.get(block) == kind {
            return;
        }
        let bits = match kind {
            Block::Below => 0,
            Block::Data => 1,
            Block::Zero => 2,
        };
        let (at, shift) = ((block / 4) as usize, block % 4 * 2);
        self.bytes[at] = self.bytes[at] & !(3 << shift) | bits << shift;
        self.dirty.insert(at / PAGE);
    }

    /// The pages that differ from the file, and where each begins. They count as written from now on.
    pub fn take_dirty(&mut self) -> Vec<(u64, Vec<u8>)> {
        let dirty = std::mem::take(&mut self.dirty);
        let page = |number: usize| {
            let from = number * PAGE;
            (from as u64, self.bytes[from..self.bytes.len().min(from + PAGE)].to_vec())
        };
        dirty.into_iter().map(page).collect()
    }

    /// A page that was taken could not be written.
    pub fn dirty_again(&mut self, at: u64) {
        self.dirty.insert(at as usize / PAGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_found_and_only_its_page_is_written() {
        let blocks = 50_001;
        let mut map = Map::new(vec![0; Map::bytes_for(blocks)], blocks).unwrap();
        map.set(3, Block::Data);
        map.set(50_000, Block::Zero);
        map.set(7, Block::Below);
        assert_eq!((map.get(3), map.get(50_000)), (Block::Data, Block::Zero));
        assert_eq!((map.get(2), map.get(4)), (Block::Below, Block::Below));
        let dirty = map.take_dirty();
        let places: Vec<u64> = dirty.iter().map(|(at, _)| *at).collect();
        assert_eq!((places, dirty[1].1.len()), (vec![0, 12_288], 12_501 - 12_288));
        assert!(map.take_dirty().is_empty());
        map.dirty_again(12_288);
        assert_eq!(map.take_dirty(), dirty[1..]);
    }

    #[test]
    fn bits_that_nobody_writes_make_no_map() {
        assert!(Map::new(vec![0b1001_0110, 0b10], 5).is_some());
        assert!(Map::new(vec![0b0000_1100, 0], 5).is_none(), "a fourth kind");
        assert!(Map::new(vec![0, 0b0100], 5).is_none(), "behind the end");
    }
}
