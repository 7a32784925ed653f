//! Ways in which an object can be damaged.

use crate::support::Draw;
use esker::store::{Durability, FaultyStore, MemoryStore, Store};
use std::collections::BTreeMap;

/// All objects of a store, by name.
pub type Objects = BTreeMap<String, Vec<u8>>;

/// One damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// One bit is another.
    Flip { bit: u64 },
    /// Only so many bytes are left.
    Truncate { len: u64 },
    /// It is not there.
    Delete,
    /// It has the bytes of this other object.
    Swap { with: String },
}

/// What an object is, by its name.
pub fn kind(name: &str) -> &str {
    name.split('/').next().unwrap()
}

/// Damages of one object: flips at its begin, in its header, its middle and its end, and in `more`
/// other places.
pub fn changes(objects: &Objects, name: &str, more: u64) -> Vec<Change> {
    let len = objects[name].len() as u64;
    let mut draw = Draw::new(len ^ u64::from(name.as_bytes()[name.len() - 1]));
    // Magic, kind, version, suite, flags, length, repository, scope, epoch, writer, session,
    // number, what follows the header; the middle; checksum, trailer or tag.
    let places = [0, 8, 9, 10, 11, 13, 20, 33, 37, 45, 60, 73, 81, 90];
    let mut bytes: Vec<u64> = places.into_iter().filter(|at| *at < len).collect();
    bytes.extend([len / 2, len - 100, len - 70, len - 40, len - 9, len - 1]);
    bytes.extend((0..more).map(|_| draw.below(len)));
    let flips = bytes.into_iter().map(|at| Change::Flip { bit: at * 8 + draw.below(8) });
    let mut out: Vec<Change> = flips.collect();
    out.extend([0, 1, 79, len / 2, len - 1].map(|len| Change::Truncate { len }));
    out.push(Change::Delete);
    let others = objects.keys().filter(|other| kind(other) == kind(name) && *other != name);
    out.extend(others.map(|with| Change::Swap { with: with.clone() }));
    out
}

/// A store of these objects.
pub fn store_of(objects: &Objects) -> FaultyStore<MemoryStore> {
    let store = MemoryStore::new();
    for (name, bytes) in objects {
        let _ = store.put_new(name, &[bytes], Durability::Now).unwrap();
    }
    FaultyStore::new(store)
}

impl Change {
    /// Damages an object of a store.
    pub fn apply(&self, store: &FaultyStore<MemoryStore>, objects: &Objects, name: &str) {
        match self {
            Self::Flip { bit } => store.flip_bit(name, *bit),
            Self::Truncate { len } => store.truncate(name, *len),
            Self::Delete => store.hide(name),
            Self::Swap { with } => {
                store.inner().delete(name).unwrap();
                let _ = store.put_new(name, &[&objects[with]], Durability::Now).unwrap();
            }
        }
    }

    /// Takes the damage back.
    pub fn undo(&self, store: &FaultyStore<MemoryStore>, objects: &Objects, name: &str) {
        store.heal();
        if matches!(self, Self::Swap { .. }) {
            store.inner().delete(name).unwrap();
            let _ = store.put_new(name, &[&objects[name]], Durability::Now).unwrap();
        }
    }

    /// Damages bytes.
    pub fn bytes(&self, objects: &Objects, name: &str) -> Option<Vec<u8>> {
        let mut bytes = objects[name].clone();
        match self {
            Self::Flip { bit } => bytes[(bit / 8) as usize] ^= 1 << (bit % 8),
            Self::Truncate { len } => bytes.truncate(*len as usize),
            Self::Delete => return None,
            Self::Swap { with } => bytes.clone_from(&objects[with]),
        }
        Some(bytes)
    }
}
