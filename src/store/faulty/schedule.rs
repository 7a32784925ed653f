//! Which call meets which fault.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;
use crate::store::{Durability, Operation, Put, StoreErrorKind};

/// The calls so far and the faults to come.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Calls of any operation so far.
    pub(super) calls: u64,
    /// Bytes that still fit; `None` for any number.
    pub(super) space: Option<u64>,
    /// Names put and not yet covered by a good barrier.
    pub(super) not_durable: BTreeSet<String>,
    calls_of: BTreeMap<Operation, u64>,
    /// Keyed by the operation and the number of its call, counted from the first ever.
    faults: BTreeMap<(Operation, u64), Fault>,
    last_call: Option<u64>,
}

impl Schedule {
    pub(super) fn on_call(&mut self, operation: Operation, nth: u64, fault: Fault) {
        let so_far = self.calls_of.get(&operation).copied().unwrap_or(0);
        self.faults.insert((operation, so_far + nth), fault);
    }

    pub(super) fn power_off_after(&mut self, calls: u64) {
        self.last_call = Some(self.calls + calls);
    }

    pub(super) fn heal(&mut self) {
        self.space = None;
        self.faults.clear();
        self.last_call = None;
    }

    /// Counts a call and tells its fault.
    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        self.calls += 1;
        let nth = self.calls_of.entry(operation).or_default();
        *nth += 1;
        let fault = self.faults.remove(&(operation, *nth));
        match self.last_call {
            Some(last) if self.calls > last => Some(Fault::Fail(StoreErrorKind::Unreachable)),
            _ => fault,
        }
    }

    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.space.is_none_or(|space| bytes <= space)
    }

    pub(super) fn was_put(&mut self, name: &str, bytes: u64, put: Put, durability: Durability) {
        if put == Put::Stored {
            self.space = self.space.map(|space| space.saturating_sub(bytes));
        }
        match (put, durability) {
            (Put::Stored, Durability::AtBarrier) => {
                self.not_durable.insert(name.to_owned());
            }
            (Put::Exists, Durability::AtBarrier) => {} // as it was
            (_, Durability::Now) => {
                self.not_durable.remove(name);
            }
        }
    }
}
