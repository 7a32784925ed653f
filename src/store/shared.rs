//! A shared, boxed or borrowed store is a store, so wrappers and callers take any of them.

use std::sync::Arc;

use super::{Bytes, Durability, Listed, Nature, Put, Store, StoreError};

macro_rules! a_pointer_is_a_store {
    ($pointer:ty) => {
        impl<S: Store + ?Sized> Store for $pointer {
            fn location(&self) -> String {
                (**self).location()
            }

            fn put_new(
                &self,
                name: &str,
                parts: &[&[u8]],
                durability: Durability,
            ) -> Result<Put, StoreError> {
                (**self).put_new(name, parts, durability)
            }

            fn put_new_shared(
                &self,
                name: &str,
                parts: &[Bytes],
                durability: Durability,
            ) -> Result<Put, StoreError> {
                (**self).put_new_shared(name, parts, durability)
            }

            fn barrier(&self) -> Result<(), StoreError> {
                (**self).barrier()
            }

            fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
                (**self).get(name, limit, out)
            }

            fn get_range(
                &self,
                name: &str,
                offset: u64,
                len: usize,
                out: &mut Vec<u8>,
            ) -> Result<(), StoreError> {
                (**self).get_range(name, offset, len, out)
            }

            fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
                (**self).size(name)
            }

            fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
                (**self).list(prefix, found)
            }

            fn delete(&self, name: &str) -> Result<(), StoreError> {
                (**self).delete(name)
            }

            fn local_identity(&self) -> Option<(u64, u64)> {
                (**self).local_identity()
            }

            fn nature(&self) -> Nature {
                (**self).nature()
            }
        }
    };
}

a_pointer_is_a_store!(Arc<S>);
a_pointer_is_a_store!(Box<S>);
a_pointer_is_a_store!(&S);
