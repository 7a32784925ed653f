//! Putting an object in the place of one whose bytes are not what they were.

use crate::store::{Durability, Put, Store, StoreError, StoreErrorKind};

/// Puts `bytes` under a name, in the place of whatever is there, and reads them back. An object is never
/// overwritten: what is there is deleted first, and a run that is killed between the two leaves a name without
/// an object. So this is for objects that are worth nothing as they are.
///
/// # Errors
/// When the store fails, or does not delete.
pub fn replace(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    // Where nothing is in the way, nothing is deleted, and nobody needs the right to.
    let mut put = store.put_new(name, &[bytes], Durability::Now)?;
    if put == Put::Exists {
        store.delete(name)?;
        put = store.put_new(name, &[bytes], Durability::Now)?;
    }
    let mut found = Vec::new();
    store.get(name, bytes.len() as u64, &mut found).or_else(|e| match e.kind() {
        StoreErrorKind::TooLarge => Ok(()),
        _ => Err(e),
    })?;
    if found == bytes {
        return Ok(());
    }
    let (kind, why) = match put {
        // It keeps what is there, as versions or locks make it.
        Put::Exists => (
            StoreErrorKind::Permission,
            "the store said that the old one is deleted, and it is still there",
        ),
        Put::Stored => {
            (StoreErrorKind::Other, "the store gives back other bytes than it was given")
        }
    };
    Err(StoreError::new(kind, "replace", store.location(), name).because(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FaultyStore, MemoryStore, ReadOnlyStore};

    #[test]
    fn a_damaged_object_gives_way_and_a_missing_one_comes_back() {
        let store = MemoryStore::new();
        let _ = store.put_new("log/0/1", &[b"rot"], Durability::Now).unwrap();
        for name in ["log/0/1", "log/0/2"] {
            replace(&store, name, b"sound").unwrap();
            let mut found = Vec::new();
            store.get(name, 10, &mut found).unwrap();
            assert_eq!(found, b"sound");
        }
    }

    #[test]
    fn where_nothing_can_be_deleted_the_old_one_stays() {
        let store = MemoryStore::new();
        let _ = store.put_new("config", &[b"old"], Durability::Now).unwrap();
        let refusing = ReadOnlyStore::new(store);
        assert_eq!(
            replace(&refusing, "config", b"new").unwrap_err().kind(),
            StoreErrorKind::ReadOnly
        );
        let mut found = Vec::new();
        refusing.get("config", 10, &mut found).unwrap();
        assert_eq!(found, b"old");
    }

    #[test]
    fn bytes_that_do_not_come_back_are_told() {
        let store = FaultyStore::new(MemoryStore::new());
        store.flip_bit("config", 3);
        let error = replace(&store, "config", b"new").unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Other);
        assert!(format!("{error:?}").contains("other bytes"), "{error:?}");
    }
}
