//! Carrying a plan out, step by step; each is whole in itself.

use super::marks;
use super::plan::{Cure, PastHoles, Plan};
use super::salvage::salvage;
use super::segments::rebuild;
use crate::repository::Repository;
use crate::repository::error::Result;
use crate::store::StoreErrorKind;
use esker_format::ids::SnapshotId;
use esker_format::names;
use std::sync::atomic::AtomicBool;

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// Segments that were made anew.
    pub segments: u64,
    /// Packs that were taken out of use.
    pub packs: u64,
    /// Chunks of them that were saved.
    pub chunks: u64,
    /// Snapshots that were marked as damaged.
    pub marked: Vec<SnapshotId>,
    /// Those of them that were saved while this repair ran: what they lost was not told yet.
    pub late: Vec<SnapshotId>,
    /// Snapshots whose marks were taken back.
    pub mended: Vec<SnapshotId>,
    /// Whether a checkpoint was written.
    pub checkpoint: bool,
    /// Packs that unfinished runs have in use.
    pub in_use: Vec<String>,
    /// Damaged objects that the store does not delete.
    pub refused: Vec<String>,
}

/// Does what was planned. In a copy, and where this key may not, that is nothing.
///
/// # Errors
/// When store or index fail, or the run is stopped. What was done stays done, and the next repair goes on.
pub fn apply(repository: &mut Repository, mut plan: Plan, stop: &AtomicBool) -> Result<Report> {
    let mut report = Report::default();
    if !plan.may_append || plan.is_empty() {
        return Ok(report);
    }
    let session = plan.session;
    if !(plan.segments.is_empty() && plan.undescribed.is_empty()) {
        let undescribed = std::mem::take(&mut plan.undescribed);
        report.segments = rebuild(repository, &plan.segments, undescribed, session)?;
        let replaced = plan.segments.iter().filter(|s| !repository.state().has_segment(&s.id));
        let replaced: Vec<String> = replaced.map(|s| names::segment(s.id)).collect();
        remove(repository, &replaced, &mut report)?;
    }
    let owned = plan.has_walked;
    if owned && !(plan.marked.is_empty() && plan.packs.is_empty()) {
        report.marked = marks::set(repository, session, &plan.marked, &plan.packs)?;
    }
    if owned && !(plan.packs.is_empty() && plan.known.is_empty()) {
        let done = salvage(repository, &plan.packs, &plan.known, session, stop)?;
        (report.packs, report.chunks) = (done.packs, done.chunks);
        let name = |ordinal: &u32| names::pack(repository.state().packs[*ordinal as usize].id);
        report.in_use = done.in_use.iter().map(name).collect();
    }
    let may_have_moved = !(plan.packs.is_empty() && plan.known.is_empty()) || plan.refits;
    if owned && (may_have_moved || !plan.mended.is_empty()) {
        let found = marks::take_back(repository, session, &plan.mended)?;
        report.mended = found.mended;
        report.marked.extend(&found.marked);
        report.late = found.marked;
    }
    let is_renewed = plan.objects.iter().any(|object| object.cure == Cure::Renewed);
    if is_renewed || plan.past_holes == PastHoles::New {
        repository.checkpoint()?;
        report.checkpoint = true;
        remove(repository, &plan.checkpoints, &mut report)?;
    }
    repository.store().barrier()?;
    Ok(report)
}

/// Removes damaged objects in whose place there are others by now.
fn remove(repository: &Repository, names: &[String], report: &mut Report) -> Result<()> {
    for name in names {
        match repository.store().delete(name) {
            Ok(()) => {}
            Err(e) if e.kind() == StoreErrorKind::Permission => {
                report
                    .refused
                    .push(format!("{name} is damaged and replaced, and cannot be deleted: {e}"));
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
