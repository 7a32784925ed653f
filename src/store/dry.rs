//! A store that forgets what is written: for runs that only say what they would do.

use super::{Durability, Put, Store, StoreError, pass_on};

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
    pass_on!(inner: location, get, get_range, size, list, local_identity, nature);

    fn put_new(&self, _: &str, _: &[&[u8]], _: Durability) -> Result<Put, StoreError> {
        Ok(Put::Stored)
    }

    fn barrier(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}
