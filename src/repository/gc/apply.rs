//! Carrying a plan out, step by step; each is whole in itself.

use super::compact::compact;
use super::inventory::Stray;
use super::mark::{mark, mark_seen, narrow};
use super::plan::{Plan, remember};
use super::remove::{Removed, fence, give_up, remove};
use super::repack::repack;
use super::turn::Turn;
use super::{Amount, Progress, Request};
use crate::repository::error::{Error, Result};
use crate::repository::{Occasion, Repository};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a collection has done.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects that were removed.
    pub removed: Amount,
    /// Objects that the store would not remove: the next collection tries again.
    pub refused: Amount,
    /// Sessions that were ended.
    pub fenced: u64,
    /// Packs that were marked as a whole.
    pub marked: Amount,
    /// Packs that were written anew.
    pub repacked: Amount,
    /// Packs that stand in for them.
    pub written: Amount,
    /// Bytes of segments that were put.
    pub segments: u64,
    /// Pack sets that were made smaller.
    pub narrowed: u64,
    /// Segments that were merged.
    pub merged: u64,
    /// Packs that could not be read, and why: they stay as they are.
    pub failed: Vec<String>,
    /// Packs that others needed again or took meanwhile.
    pub overtaken: u64,
}

impl Report {
    /// Bytes that became free in all.
    pub fn freed(&self) -> i64 {
        self.removed.bytes as i64 - (self.written.bytes + self.segments) as i64
    }

    pub(super) fn take(&mut self, removed: Removed) {
        for (sum, more) in [(&mut self.removed, removed.gone), (&mut self.refused, removed.refused)]
        {
            sum.count += more.count;
            sum.bytes += more.bytes;
        }
    }
}

/// Carries a plan out.
///
/// # Errors
/// When store or index fail, or the run is stopped. What was done stays done, and the next
/// collection goes on.
pub fn apply(
    repository: &mut Repository,
    mut plan: Plan,
    request: &Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    if plan.is_copy {
        return super::mirror::apply(repository, plan);
    }
    // What another history gave up is no reason to remove anything from this one.
    repository.expect_appendable()?;
    let mut report = Report::default();
    let turn = Turn::begin(&repository.folder, plan.session);
    fence_silent(repository, &mut plan, &mut report)?;
    let given_up = std::mem::take(&mut plan.inventory.given_up);
    report.take(remove(repository, &given_up)?);
    report.narrowed = narrow(repository, &plan)?;
    mark_whole(repository, &mut plan, &mut report)?;
    let mut marked_now = plan.choice.whole.clone();
    let mut unused = Vec::new();
    if let Some(usage) = &mut plan.usage {
        let (session, wanted) = (plan.session, &plan.choice.repack);
        let present = &plan.inventory.packs;
        let done = repack(repository, session, usage, present, wanted, progress, stop)?;
        report.overtaken += (wanted.len() - done.marked.len() - done.failed.len()) as u64;
        (report.repacked, report.written, report.failed) = (done.old, done.new, done.failed);
        report.segments = done.segments;
        marked_now.extend(done.marked);
        unused = done.unused;
    }
    let mut packs = plan.aged.clone();
    if request.grace.is_zero() {
        packs.extend(marked_now);
    }
    let session = plan.session;
    let gone = give_up(repository, session, &packs, &plan)?;
    repository.settle(&[], &[]);
    report.take(remove(repository, &gone)?);
    let merged = compact(repository, &plan)?;
    report.merged = merged.gone.len() as u64;
    report.segments += merged.written;
    report.take(remove(repository, &merged.gone)?);
    drop_unused(repository, &plan, unused, &mut report)?;
    repository.checkpoint_if_due(Occasion::Collection);
    repository.store().barrier()?;
    // A cache: without it a grace is counted anew.
    let _ = remember(repository, request, &plan);
    turn.end();
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    Ok(report)
}

/// Ends silent sessions; what they have put and no entry names goes.
fn fence_silent(repository: &mut Repository, plan: &mut Plan, report: &mut Report) -> Result<()> {
    for session in std::mem::take(&mut plan.fence) {
        let done = fence(repository, plan.session, session)?;
        report.fenced += u64::from(done);
        let mut strays = plan.inventory.pending.remove(&session).unwrap_or_default();
        // Whatever ended it: an entry before that may have named some of them.
        strays.retain(|stray| !is_named(repository, stray));
        report.take(remove(repository, &strays)?);
    }
    std::mem::take(&mut plan.killed).into_iter().for_each(Turn::end);
    repository.settle(&[], &[]);
    Ok(())
}

/// Whether the log names an object.
fn is_named(repository: &Repository, stray: &Stray) -> bool {
    let state = repository.state();
    let last = stray.name.rsplit('/').next().unwrap_or_default();
    last.parse().is_ok_and(|id| state.ordinal(id).is_some())
        || last.parse().is_ok_and(|id| state.has_snapshot(&id))
        || last.parse().is_ok_and(|id| state.has_segment(&id))
}

fn mark_whole(repository: &mut Repository, plan: &mut Plan, report: &mut Report) -> Result<()> {
    let wanted = std::mem::take(&mut plan.choice.whole);
    let (session, added) = (plan.session, Default::default());
    let marked = match &mut plan.usage {
        Some(usage) if !wanted.is_empty() => {
            let unused: Vec<(u32, u64)> = wanted.iter().map(|ordinal| (*ordinal, 0)).collect();
            let present = &plan.inventory.packs;
            mark_seen(repository, session, usage, present, &unused, &added)?
        }
        usage => mark(repository, session, usage.as_ref(), &wanted, &added)?,
    };
    repository.settle(&[], &[]);
    report.overtaken += (wanted.len() - marked.len()) as u64;
    let len = |ordinal: &u32| repository.state().packs[*ordinal as usize].len;
    report.marked = marked.iter().map(len).collect();
    plan.choice.whole = marked;
    Ok(())
}

/// Removes what was written and never named: after the end of this collection's own session nobody
/// can name it.
fn drop_unused(
    repository: &mut Repository,
    plan: &Plan,
    unused: Vec<Stray>,
    report: &mut Report,
) -> Result<()> {
    if unused.is_empty() {
        return Ok(());
    }
    fence(repository, plan.session, plan.session)?;
    repository.settle(&[], &[]);
    remove(repository, &unused).map(|removed| report.refused.count += removed.refused.count)
}
