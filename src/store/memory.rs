//! A store in memory: for tests and simulations.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, PoisonError, RwLock};

use super::{
    Durability, Listed, Nature, Operation, Put, Store, StoreError, StoreErrorKind, is_valid_name,
    is_valid_prefix,
};

/// Objects in an ordered map behind a lock. What is put is at once as durable as it will ever be.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: RwLock<BTreeMap<String, Arc<[u8]>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn error(&self, kind: StoreErrorKind, operation: Operation, name: &str) -> StoreError {
        StoreError::new(kind, operation.verb(), self.location(), name)
    }

    fn check(&self, operation: Operation, name: &str) -> Result<(), StoreError> {
        match is_valid_name(name) {
            true => Ok(()),
            false => Err(self.error(StoreErrorKind::BadName, operation, name)),
        }
    }

    fn find(&self, operation: Operation, name: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.check(operation, name)?;
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        Ok(objects.get(name).cloned())
    }

    fn object(&self, operation: Operation, name: &str) -> Result<Arc<[u8]>, StoreError> {
        self.find(operation, name)?
            .ok_or_else(|| self.error(StoreErrorKind::NotFound, operation, name))
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn put_new(&self, name: &str, parts: &[&[u8]], _: Durability) -> Result<Put, StoreError> {
        self.check(Operation::PutNew, name)?;
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match objects.entry(name.to_owned()) {
            Entry::Occupied(_) => Ok(Put::Exists),
            Entry::Vacant(place) => {
                place.insert(parts.concat().into());
                Ok(Put::Stored)
            }
        }
    }

    fn barrier(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.clear();
        let object = self.object(Operation::Get, name)?;
        if object.len() as u64 > limit {
            return Err(self.error(StoreErrorKind::TooLarge, Operation::Get, name));
        }
        out.extend_from_slice(&object);
        Ok(())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        out.clear();
        let object = self.object(Operation::GetRange, name)?;
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| object.get(start..start.checked_add(len)?))
            .ok_or_else(|| self.error(StoreErrorKind::Truncated, Operation::GetRange, name))?;
        out.extend_from_slice(range);
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let object = self.find(Operation::Size, name)?;
        Ok(object.map(|bytes| bytes.len() as u64))
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        if !is_valid_prefix(prefix) {
            return Err(self.error(StoreErrorKind::BadName, Operation::List, prefix));
        }
        // Collected first: `found` may call the store, and the lock must be free by then.
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let listed: Vec<Listed> = objects
            .range(prefix.to_owned()..)
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(name, bytes)| Listed { name: name.clone(), size: bytes.len() as u64 })
            .collect();
        drop(objects);
        listed.into_iter().for_each(found);
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.check(Operation::Delete, name)?;
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        objects.remove(name);
        Ok(())
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }

    fn nature(&self) -> Nature {
        Nature::for_several_writers()
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::conformance;
    use super::*;

    #[test]
    fn memory_keeps_the_contract() {
        conformance(&|| Box::new(MemoryStore::new()));
    }
}
