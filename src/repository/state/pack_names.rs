//! Packs by name: five bytes for each of what can be hundreds of thousands.

use super::Pack;
use esker_format::ids::PackId;
use hashbrown::HashTable;

/// Ordinals by the names of their packs, which lie in the list of packs.
#[derive(Debug, Clone, Default)]
pub struct PackNames(HashTable<u32>);

impl PackNames {
    /// Makes room for so many more.
    pub fn reserve(&mut self, packs: &[Pack], more: usize) {
        self.0.reserve(more, |ordinal| hash(packs[*ordinal as usize].id));
    }

    /// Adds the last pack of the list, in which all others are.
    pub fn add_last(&mut self, packs: &[Pack]) {
        let Some(last) = packs.last() else { return };
        let ordinal = (packs.len() - 1) as u32;
        let of = |ordinal: &u32| hash(packs[*ordinal as usize].id);
        self.0.insert_unique(hash(last.id), ordinal, of);
    }

    /// The ordinal of a pack.
    pub fn find(&self, packs: &[Pack], id: PackId) -> Option<u32> {
        self.0.find(hash(id), |ordinal| packs[*ordinal as usize].id == id).copied()
    }
}

/// It follows from the list of packs.
impl PartialEq for PackNames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for PackNames {}

/// A name is random already.
fn hash(id: PackId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_format::checkpoint::PackState;
    use esker_format::ids::SessionId;

    #[test]
    fn packs_whose_names_begin_alike_are_told_apart() {
        let (mut packs, mut names) = (Vec::new(), PackNames::default());
        let id = |n: u32| {
            let mut id = [7; 32];
            id[28..].copy_from_slice(&n.to_le_bytes());
            PackId::new(id)
        };
        for n in 0..200 {
            assert_eq!(names.find(&packs, id(n)), None);
            let (session, state) = (SessionId::new([1; 16]), PackState::Live);
            packs.push(Pack { id: id(n), len: 1, session, state, damaged: false });
            names.add_last(&packs);
        }
        assert!((0..200).all(|n| names.find(&packs, id(n)) == Some(n)));
        assert_eq!(names.find(&packs, id(200)), None);
    }
}
