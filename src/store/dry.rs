//! A store that forgets what is written: for runs that only say what they would do.

use super::{Durability, Listed, Nature, Put, Store, StoreError};

/// Reads from the store inside, and lets writes succeed without making them.
#[derive(Debug)]
pub struct DryStore<S> {
    inner: S,
}

impl<S: Store> DryStore<S> {
    /// `inner`, unchanged from here on.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

/// Reads as the store inside; of what is written nothing can be read back.
impl<S: Store> Store for DryStore<S> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn put_new(&self, _: &str, _: &[&[u8]], _: Durability) -> Result<Put, StoreError> {
        Ok(Put::Stored)
    }

    fn barrier(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.inner.get(name, limit, out)
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        self.inner.get_range(name, offset, len, out)
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.inner.size(name)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.inner.list(prefix, found)
    }

    fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        self.inner.local_identity()
    }

    fn nature(&self) -> Nature {
        self.inner.nature()
    }
}
