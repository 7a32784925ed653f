//! A store that remembers what it was asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Bytes, Durability, Listed, Operation, Put, Store, StoreError, pass_on};

/// One call: what was asked, of which object. A listing's name is its prefix, a barrier has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// Of which object.
    pub name: String,
}

/// Records the calls to the store inside, failed ones too, and counts bytes: so that tests can say
/// what work costs in calls, which are the same on every machine.
#[derive(Debug)]
pub struct RecordingStore<S> {
    inner: S,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    calls: Vec<Call>,
    bytes_written: u64,
    bytes_read: u64,
}

impl<S: Store> RecordingStore<S> {
    /// A record of `inner`, empty so far.
    pub fn new(inner: S) -> Self {
        Self { inner, record: Mutex::default() }
    }

    /// All calls so far, in the order in which they began.
    pub fn calls(&self) -> Vec<Call> {
        self.record().calls.clone()
    }

    /// How many calls of one operation there were.
    pub fn count(&self, operation: Operation) -> usize {
        let record = self.record();
        let of_this_kind = |call: &&Call| call.operation == operation;
        record.calls.iter().filter(of_this_kind).count()
    }

    /// The bytes of all objects stored; those that existed do not count.
    pub fn bytes_written(&self) -> u64 {
        self.record().bytes_written
    }

    /// The bytes of all objects and ranges read.
    pub fn bytes_read(&self) -> u64 {
        self.record().bytes_read
    }

    /// Begins again with an empty record.
    pub fn forget(&self) {
        *self.record() = Record::default();
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: Put, bytes: usize) {
        if put == Put::Stored {
            self.record().bytes_written += bytes as u64;
        }
    }

    fn called(&self, operation: Operation, name: &str) {
        let name = name.to_owned();
        self.record().calls.push(Call { operation, name });
    }
}

impl<S: Store> Store for RecordingStore<S> {
    pass_on!(inner: location, local_identity, nature);

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.called(Operation::PutNew, name);
        let put = self.inner.put_new(name, parts, durability)?;
        self.put(put, parts.iter().map(|part| part.len()).sum());
        Ok(put)
    }

    fn put_new_shared(
        &self,
        name: &str,
        parts: &[Bytes],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.called(Operation::PutNew, name);
        let put = self.inner.put_new_shared(name, parts, durability)?;
        self.put(put, parts.iter().map(Bytes::len).sum());
        Ok(put)
    }

    fn barrier(&self) -> Result<(), StoreError> {
        self.called(Operation::Barrier, "");
        self.inner.barrier()
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.called(Operation::Get, name);
        self.inner.get(name, limit, out)?;
        self.record().bytes_read += out.len() as u64;
        Ok(())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        self.called(Operation::GetRange, name);
        self.inner.get_range(name, offset, len, out)?;
        self.record().bytes_read += out.len() as u64;
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.called(Operation::Size, name);
        self.inner.size(name)
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.called(Operation::List, prefix);
        self.inner.list(prefix, found)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.called(Operation::Delete, name);
        self.inner.delete(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::super::conformance::conformance;
    use super::*;

    #[test]
    fn a_recording_keeps_the_contract() {
        conformance(&|| Box::new(RecordingStore::new(MemoryStore::new())));
    }

    #[test]
    fn calls_are_recorded_in_order_and_bytes_are_counted() {
        let store = RecordingStore::new(MemoryStore::new());
        let mut out = Vec::new();
        for put in [Put::Stored, Put::Exists] {
            let answer = store.put_new("a/b", &[b"12", b"345"], Durability::Now);
            assert_eq!(answer.unwrap(), put);
        }
        store.get("a/b", 9, &mut out).unwrap();
        store.get_range("a/b", 1, 2, &mut out).unwrap();
        store.get("none", 9, &mut out).unwrap_err();
        store.list("a/", &mut |_| ()).unwrap();

        let calls = store.calls();
        let told: Vec<_> = calls.iter().map(|c| (c.operation, &*c.name)).collect();
        let expected = [
            (Operation::PutNew, "a/b"),
            (Operation::PutNew, "a/b"),
            (Operation::Get, "a/b"),
            (Operation::GetRange, "a/b"),
            (Operation::Get, "none"),
            (Operation::List, "a/"),
        ];
        assert_eq!(told, expected);
        assert_eq!(store.count(Operation::Get), 2);
        assert_eq!((store.bytes_written(), store.bytes_read()), (5, 7));
        store.forget();
        assert_eq!(store.calls(), []);
    }
}
