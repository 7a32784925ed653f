//! A store that breaks on purpose.

mod damage;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::damage::{Damage, Damages};
use self::schedule::Schedule;
use super::{Durability, Listed, Operation, Put, Store, StoreError, StoreErrorKind, pass_on};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call has no effect and fails.
    Fail(StoreErrorKind),
    /// The store lies: the call has no effect, and success is reported. A read gives nothing: an empty
    /// object, zeros for a range, no size, an empty listing.
    LoseEffect,
    /// The call has its effect, but the answer is lost: the caller sees [`StoreErrorKind::Unreachable`].
    LoseResponse,
}

/// Wraps a store and breaks it as told. Nothing is random: the same faults and the same calls give the
/// same answers. Without faults it is the store inside.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    schedule: Mutex<Schedule>,
    damages: Mutex<Damages>,
}

impl<S: Store> FaultyStore<S> {
    /// `inner`, without any fault so far.
    pub fn new(inner: S) -> Self {
        Self { inner, schedule: Mutex::default(), damages: Mutex::default() }
    }

    /// The store inside, which has no faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Breaks the `nth` call of `operation` from now on; the next one is number 1.
    pub fn on_call(&self, operation: Operation, nth: u64, fault: Fault) {
        self.schedule().on_call(operation, nth, fault);
    }

    /// Lets `calls` more calls of any operation through; everything after them fails without effect as
    /// [`StoreErrorKind::Unreachable`].
    pub fn power_off_after(&self, calls: u64) {
        self.schedule().power_off_after(calls);
    }

    /// Leaves room for `bytes` more bytes; an object that does not fit is [`StoreErrorKind::NoSpace`].
    pub fn space(&self, bytes: u64) {
        self.schedule().space = Some(bytes);
    }

    /// Flips one bit in what is read of an object; bit 0 is the lowest of its first byte.
    pub fn flip_bit(&self, name: &str, bit: u64) {
        self.damages().add(name, Damage::Flip(bit));
    }

    /// Lets an object look as if it were cut off after `len` bytes.
    pub fn truncate(&self, name: &str, len: u64) {
        self.damages().add(name, Damage::Truncate(len));
    }

    /// Lets an object look as if it were absent to reads, sizes and listings; its name stays taken.
    pub fn hide(&self, name: &str) {
        self.damages().add(name, Damage::Hide);
    }

    /// Takes all faults away: power, space and answers come back, damaged objects look whole again.
    pub fn heal(&self) {
        self.schedule().heal();
        *self.damages() = Damages::default();
    }

    /// How many calls there were so far, of any operation, failed ones too.
    pub fn calls(&self) -> u64 {
        self.schedule().calls
    }

    /// The objects that a power cut now might take or tear: put at [`Durability::AtBarrier`] with no
    /// good barrier since. A crash test deletes any of them from [`inner`](Self::inner), and goes on.
    pub fn not_durable(&self) -> Vec<String> {
        self.schedule().not_durable.iter().cloned().collect()
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damages(&self) -> MutexGuard<'_, Damages> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: StoreErrorKind, operation: Operation, name: &str) -> StoreError {
        StoreError::new(kind, operation.verb(), self.inner.location(), name)
    }

    /// One call: its fault if it has one, else `act`. `nothing` is the answer of a lie.
    fn call<T>(
        &self,
        operation: Operation,
        name: &str,
        nothing: T,
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fault = self.schedule().next(operation);
        match fault {
            None => act(),
            Some(Fault::Fail(kind)) => Err(self.error(kind, operation, name)),
            Some(Fault::LoseEffect) => Ok(nothing),
            Some(Fault::LoseResponse) => {
                act()?;
                Err(self.error(StoreErrorKind::Unreachable, operation, name))
            }
        }
    }

    /// A reading call: what a store gives and then fails to confirm must not be seen.
    fn read(
        &self,
        operation: Operation,
        name: &str,
        out: &mut Vec<u8>,
        act: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        out.clear();
        self.call(operation, name, (), || act(out)).inspect_err(|_| out.clear())
    }

    fn find_visible(&self, operation: Operation, name: &str) -> Result<(), StoreError> {
        match self.damages().is_hidden(name) {
            true => Err(self.error(StoreErrorKind::NotFound, operation, name)),
            false => Ok(()),
        }
    }
}

impl<S: Store> Store for FaultyStore<S> {
    pass_on!(inner: location, local_identity, nature);

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.call(Operation::PutNew, name, Put::Stored, || {
            let bytes: usize = parts.iter().map(|part| part.len()).sum();
            let bytes = bytes as u64;
            if !self.schedule().has_room_for(bytes) {
                return Err(self.error(StoreErrorKind::NoSpace, Operation::PutNew, name));
            }
            let put = self.inner.put_new(name, parts, durability)?;
            self.schedule().was_put(name, bytes, put, durability);
            Ok(put)
        })
    }

    fn barrier(&self) -> Result<(), StoreError> {
        self.call(Operation::Barrier, "", (), || {
            let waiting = self.schedule().not_durable.clone();
            self.inner.barrier()?;
            // What was put while the barrier ran waits for the next one.
            let mut schedule = self.schedule();
            schedule.not_durable.retain(|name| !waiting.contains(name));
            Ok(())
        })
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.read(Operation::Get, name, out, |out| {
            self.find_visible(Operation::Get, name)?;
            self.inner.get(name, limit, out)?;
            self.damages().apply(name, 0, out);
            Ok(())
        })
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        self.read(Operation::GetRange, name, out, |out| {
            self.find_visible(Operation::GetRange, name)?;
            self.inner.get_range(name, offset, len, out)?;
            self.damages().apply(name, offset, out);
            match out.len() == len {
                true => Ok(()),
                false => Err(self.error(StoreErrorKind::Truncated, Operation::GetRange, name)),
            }
        })?;
        out.resize(len, 0); // only a lie leaves anything to fill
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.call(Operation::Size, name, None, || {
            let size = self.inner.size(name)?;
            Ok(size.and_then(|size| self.damages().size(name, size)))
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.call(Operation::List, prefix, (), || {
            self.inner.list(prefix, &mut |Listed { name, size }| {
                let size = self.damages().size(&name, size);
                if let Some(size) = size {
                    found(Listed { name, size });
                }
            })
        })
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.call(Operation::Delete, name, (), || {
            self.inner.delete(name)?;
            self.schedule().not_durable.remove(name);
            Ok(())
        })
    }
}
