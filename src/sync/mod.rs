//! A copy of a repository in another store, made by name: no keys are needed.
//!
//! ```text
//! plan    list the copy, compare the histories     is it a copy of this repository, and how far
//!         find the end n of the log, list          what the copy lacks
//! apply   the marker, config and key slots
//!         packs, segments, manifests               each is checked before it is put
//!         find the end m of the log                did an entry behind n let objects go? then n is m, list again
//!         log entries, from n downwards            the copy's log jumps from its old end to n at once
//!         checkpoints                              which are never ahead of the log
//! ```
//! At every moment the copy restores all that its log says. A sync that is killed anywhere leaves a
//! gap in the copy's log at most, behind which nobody reads, and the next one goes on. Nothing is
//! ever deleted in the copy, and nothing that is there is replaced.

mod check;
mod compare;
mod error;
mod list;
mod log;
pub mod mend;
mod mirror;
mod object;
mod plan;
#[cfg(test)]
mod tests;
mod transfer;

pub use error::Error;
pub use mirror::{Promoted, is_marked, promote};
pub use plan::{Plan, plan};

use crate::store::{Durability, Put, Store};
use esker_format::names;
use log::Entries;
use std::sync::atomic::{AtomicBool, AtomicU64};
use transfer::Transfer;

/// Times that a source is listed again, because objects went away while they were copied.
const PASSES: u32 = 20;

/// How a copy is made.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Objects that are copied at the same time.
    pub threads: usize,
}

/// How far a sync is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects that are done.
    pub objects: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Bytes in all.
    pub of_bytes: AtomicU64,
}

/// Something of the source that could not be copied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bad {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a sync has done.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects that were copied, log entries aside.
    pub objects: u64,
    /// Log entries that were copied.
    pub entries: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// The number behind the last entry that the copy has now.
    pub end: u64,
    /// Times that the source was listed.
    pub listings: u32,
    /// What of the source is damaged: it was passed over.
    pub bad: Vec<Bad>,
}

/// Carries a plan out.
///
/// # Errors
/// When a store fails, or the source changes faster than it can be copied. What was copied stays, and
/// the next sync goes on.
pub fn apply(
    source: &dyn Store,
    destination: &dyn Store,
    mut plan: Plan,
    request: Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Report, Error> {
    if !plan.there.is_marked {
        // Before anything else: whoever comes upon half a copy must not append to it.
        let _: Put = destination.put_new(names::MIRROR, &[mirror::TEXT], Durability::Now)?;
    }
    let repository = plan.repository;
    let transfer = Transfer { source, destination, repository, request, progress, stop };
    let mut report = Report { listings: 1, end: plan.from, ..Report::default() };
    loop {
        let undone = transfer.all(&plan, &mut report)?;
        if plan.to == plan.from {
            // No entry is put, so none can lack what it needs.
            break;
        }
        let end = log::find_end(source, plan.to)?;
        if !undone.is_gone && !log::lets_go(source, plan.to..end)? {
            break;
        }
        // What the old end needs may be gone: from here on it is about the new one.
        if report.listings > PASSES {
            return Err(Error::Restless { times: report.listings });
        }
        plan.go_on_to(source, end, &undone.objects)?;
        report.listings += 1;
    }
    if plan.to > plan.from {
        // All that the entries need is durable before the first of them is there.
        destination.barrier()?;
        Entries::new(&transfer, plan.from..plan.to).copy(&mut report)?;
    }
    transfer.checkpoints(&plan, &mut report)?;
    if report.objects > 0 {
        destination.barrier()?;
    }
    report.bad.extend(plan.differing.iter().cloned());
    report.bad.sort();
    report.bad.dedup();
    Ok(report)
}
