//! Stores around another store: which calls they pass on as they are.

/// In an `impl Store`: `pass_on!(inner: get, size);` passes these calls on to `self.inner`.
macro_rules! pass_on {
    (@ $inner:ident location) => {
        fn location(&self) -> String {
            self.$inner.location()
        }
    };
    (@ $inner:ident put_new) => {
        fn put_new(
            &self,
            name: &str,
            parts: &[&[u8]],
            durability: $crate::store::Durability,
        ) -> Result<$crate::store::Put, $crate::store::StoreError> {
            self.$inner.put_new(name, parts, durability)
        }
    };
    (@ $inner:ident barrier) => {
        fn barrier(&self) -> Result<(), $crate::store::StoreError> {
            self.$inner.barrier()
        }
    };
    (@ $inner:ident get) => {
        fn get(
            &self,
            name: &str,
            limit: u64,
            out: &mut Vec<u8>,
        ) -> Result<(), $crate::store::StoreError> {
            self.$inner.get(name, limit, out)
        }
    };
    (@ $inner:ident get_range) => {
        fn get_range(
            &self,
            name: &str,
            offset: u64,
            len: usize,
            out: &mut Vec<u8>,
        ) -> Result<(), $crate::store::StoreError> {
            self.$inner.get_range(name, offset, len, out)
        }
    };
    (@ $inner:ident size) => {
        fn size(&self, name: &str) -> Result<Option<u64>, $crate::store::StoreError> {
            self.$inner.size(name)
        }
    };
    (@ $inner:ident list) => {
        fn list(
            &self,
            prefix: &str,
            found: &mut dyn FnMut($crate::store::Listed),
        ) -> Result<(), $crate::store::StoreError> {
            self.$inner.list(prefix, found)
        }
    };
    (@ $inner:ident delete) => {
        fn delete(&self, name: &str) -> Result<(), $crate::store::StoreError> {
            self.$inner.delete(name)
        }
    };
    (@ $inner:ident local_identity) => {
        fn local_identity(&self) -> Option<(u64, u64)> {
            self.$inner.local_identity()
        }
    };
    (@ $inner:ident nature) => {
        fn nature(&self) -> $crate::store::Nature {
            self.$inner.nature()
        }
    };
    ($inner:ident: $($call:ident),+) => {
        $( $crate::store::pass_on!(@ $inner $call); )+
    };
}
pub(crate) use pass_on;
