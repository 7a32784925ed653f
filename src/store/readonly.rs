//! A store that takes no writes.

use super::{Durability, Operation, Put, Store, StoreError, StoreErrorKind, pass_on};

/// Forbids writes to the store inside: for commands that only read, and for copies.
#[derive(Debug)]
pub struct ReadOnlyStore<S> {
    inner: S,
}

impl<S: Store> ReadOnlyStore<S> {
    /// `inner`, read-only from here on.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }

    fn refuse(&self, operation: Operation, name: &str) -> StoreError {
        let location = self.inner.location();
        StoreError::new(StoreErrorKind::ReadOnly, operation.verb(), location, name)
    }
}

impl<S: Store> Store for ReadOnlyStore<S> {
    pass_on!(inner: location, get, get_range, size, list, local_identity, nature);

    fn put_new(&self, name: &str, _: &[&[u8]], _: Durability) -> Result<Put, StoreError> {
        Err(self.refuse(Operation::PutNew, name))
    }

    /// Nothing was put through here, so everything that was is durable.
    fn barrier(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        Err(self.refuse(Operation::Delete, name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_read_only_store_reads_and_refuses_to_write() {
        let inner = Arc::new(MemoryStore::new());
        assert_eq!(inner.put_new("a", &[b"1"], Durability::Now).unwrap(), Put::Stored);
        let store = ReadOnlyStore::new(Arc::clone(&inner));
        let mut bytes = Vec::new();
        store.get("a", 9, &mut bytes).unwrap();
        assert_eq!(bytes, b"1");
        assert_eq!(store.size("a").unwrap(), Some(1));
        store.barrier().unwrap();
        for refused in [
            store.put_new("b", &[b"2"], Durability::Now).unwrap_err(),
            store.delete("a").unwrap_err(),
        ] {
            assert_eq!(refused.kind, StoreErrorKind::ReadOnly);
        }
        assert_eq!((inner.size("a").unwrap(), inner.size("b").unwrap()), (Some(1), None));
    }
}
