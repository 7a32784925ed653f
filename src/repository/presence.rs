//! Which packs the store really has: asked once for each, and for all when there are many.

use crate::repository::error::{Error, Result};
use crate::repository::packer::lock;
use crate::repository::state::State;
use crate::store::Store;
use esker_format::ids::PackId;
use esker_format::names;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Packs that are asked for one by one in a local store, where a listing reads every folder.
const ONE_BY_ONE: usize = 64;
/// The same in a store that is far away, where one request lists a thousand of them.
const ONE_BY_ONE_FAR: usize = 2;

/// What is known of packs in the store, shared by all threads.
pub struct Presence {
    store: Arc<dyn Store>,
    seen: Mutex<Seen>,
    /// Packs, by ordinal, that are marked, given up or damaged: nothing new may rely on them.
    unfit: RwLock<Vec<bool>>,
}

#[derive(Default)]
struct Seen {
    /// Lengths in the store.
    packs: HashMap<PackId, Option<u64>>,
    /// Lengths of all packs that a listing found, by name.
    listed: Option<HashMap<String, u64>>,
}

impl Presence {
    /// Nothing known yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, seen: Mutex::default(), unfit: RwLock::default() }
    }

    /// Says which packs new snapshots may rely on.
    pub fn learn(&self, state: &State) {
        let unfit = state.packs.iter().map(|pack| !pack.is_good()).collect();
        *self.unfit.write().unwrap_or_else(PoisonError::into_inner) = unfit;
    }

    /// Whether the log lets new snapshots rely on a pack.
    pub fn is_fit(&self, ordinal: u32) -> bool {
        let unfit = self.unfit.read().unwrap_or_else(PoisonError::into_inner);
        // What another run with the same cache has added since is as fresh as can be.
        !unfit.get(ordinal as usize).copied().unwrap_or(false)
    }

    /// Whether the store has this pack, as long as the log says.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has(&self, id: PackId, len: u64) -> Result<bool> {
        // Nobody else asks meanwhile, so that a pack is asked for once.
        let mut seen = lock(&self.seen);
        if let Some(found) = seen.packs.get(&id) {
            return Ok(*found == Some(len));
        }
        let one_by_one = match self.store.local_identity() {
            Some(_) => ONE_BY_ONE,
            None => ONE_BY_ONE_FAR,
        };
        if seen.listed.is_none() && seen.packs.len() >= one_by_one {
            let mut all = HashMap::new();
            self.store.list(names::PACKS, &mut |found| {
                all.insert(found.name, found.size);
            })?;
            seen.listed = Some(all);
        }
        let name = names::pack(id);
        let listed = seen.listed.as_ref().and_then(|all| all.get(&name).copied());
        // What is not in the listing may have been put since.
        let found = if listed.is_some() { listed } else { self.size(&name)? };
        seen.packs.insert(id, found);
        Ok(found == Some(len))
    }

    /// The length of a pack; none when it is not there, or is there and cannot be had.
    fn size(&self, name: &str) -> Result<Option<u64>> {
        self.store.size(name).or_else(|error| match Error::from_part(error) {
            error if error.is_damage() => Ok(None),
            error => Err(error),
        })
    }

    /// Asks anew from here on.
    pub fn forget(&self) {
        *lock(&self.seen) = Seen::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, MemoryStore, Operation, RecordingStore};
    use esker_format::ids::Named;

    #[test]
    fn a_pack_is_asked_for_once_and_many_with_one_listing() {
        let store = Arc::new(RecordingStore::new(MemoryStore::new()));
        let ids: Vec<PackId> = (0..200u8).map(|n| PackId::of(&[n])).collect();
        for id in &ids {
            let _ = store.put_new(&names::pack(*id), &[b"abc"], Durability::Now).unwrap();
        }
        let presence = Presence::new(store.clone());
        for id in ids.iter().chain(&ids) {
            assert!(presence.has(*id, 3).unwrap() && !presence.has(*id, 4).unwrap());
        }
        let late = PackId::of(b"late");
        let _ = store.put_new(&names::pack(late), &[b"abc"], Durability::Now).unwrap();
        assert!(presence.has(late, 3).unwrap());
        let asked = (store.count(Operation::Size), store.count(Operation::List));
        assert_eq!(asked, (ONE_BY_ONE_FAR + 1, 1));
        assert!(!presence.has(PackId::of(b"never"), 3).unwrap());
    }

    #[test]
    fn what_was_forgotten_is_asked_anew() {
        let store = Arc::new(MemoryStore::new());
        let id = PackId::of(b"x");
        let presence = Presence::new(store.clone());
        assert!(!presence.has(id, 3).unwrap());
        let _ = store.put_new(&names::pack(id), &[b"abc"], Durability::Now).unwrap();
        assert!(!presence.has(id, 3).unwrap());
        presence.forget();
        assert!(presence.has(id, 3).unwrap());
    }
}
