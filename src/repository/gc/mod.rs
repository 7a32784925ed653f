//! Collecting: giving back the space of what no snapshot needs, beside whoever else is at work.
//!
//! ```text
//! plan    list the store, read the log        what is left over, who is silent
//!         walk all live snapshots             which chunks of which packs are used (owner)
//!         decide                              narrow, mark, repack, give up
//! apply   fence silent sessions               one abort each, and what they left goes
//!         narrow, mark, repack                log entries, each judged by its exact predecessor
//!         give up                             a delete entry, and then the files go
//!         merge segments, write a checkpoint
//! ```
//! In a copy nothing is appended: only what its log gave up is removed.
//!
//! Nothing here relies on a clock for safety: an entry that others made wrong meanwhile is refused
//! by the rules of the log, and planned again. Killed anywhere, the next collection goes on.

mod apply;
mod compact;
mod decide;
mod inventory;
pub(in crate::repository) mod mark;
mod mirror;
mod plan;
mod probes;
mod remove;
mod repack;
#[cfg(test)]
mod tests;
mod turn;
pub(in crate::repository) mod usage;

pub use apply::{Report, apply};
pub use inventory::{Inventory, Listed};
pub(in crate::repository) use plan::expect_understood;
pub use plan::{Plan, Stays, plan};

use esker_format::ids::SnapshotId;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What to collect, and how boldly.
#[derive(Debug, Clone)]
pub struct Request {
    /// How long something stays that was given up first: time for people to change their mind.
    pub grace: Duration,
    /// How long a session may be silent before it is taken for dead.
    pub abort_after: Duration,
    /// Bytes of packs that are repacked at most.
    pub max_repack: Option<u64>,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// Plan only: nothing is remembered of it.
    pub is_dry: bool,
    /// Snapshots that a plan counts as forgotten, when it is all that is asked for.
    pub forgotten: Vec<SnapshotId>,
}

/// So many of something, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Their bytes in the store.
    pub bytes: u64,
}

impl Amount {
    /// One more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    /// Those of another count too.
    pub fn join(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

impl FromIterator<u64> for Amount {
    fn from_iter<I: IntoIterator<Item = u64>>(sizes: I) -> Self {
        let mut amount = Self::default();
        sizes.into_iter().for_each(|bytes| amount.add(bytes));
        amount
    }
}

/// How far a collection is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Snapshots walked.
    pub snapshots: AtomicU64,
    /// Snapshots to be walked.
    pub of_snapshots: AtomicU64,
    /// Bytes of packs read to be repacked.
    pub repacked: AtomicU64,
    /// Bytes of packs to be repacked.
    pub of_repacked: AtomicU64,
}
