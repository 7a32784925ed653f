//! What a collection says of itself, as JSON has it.

use crate::cli::choose::{describe, describe_unlisted};
use crate::repository::gc::{Amount, Plan, Report, Request, Stays};
use crate::repository::{Repository, Snapshot};
use esker_format::ids::SnapshotId;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// A plan, ready to be told.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "plan")]
pub struct Told {
    pub grace_seconds: u64,
    pub frees: u64,
    pub leftovers: Amount,
    pub silent_sessions: u64,
    pub silent: Amount,
    pub give_up: Amount,
    pub snapshots: u64,
    pub forgotten: u64,
    #[serde(rename = "snapshot_ids")]
    pub gone: Vec<String>,
    #[serde(skip)]
    pub lines: Vec<(SnapshotId, String)>,
    pub mark: Amount,
    pub repack: Amount,
    pub repacked: Amount,
    pub segments: i64,
    pub narrow: u64,
    pub stays: Stays,
    pub broken: Vec<Broken>,
    pub unreadable: Vec<String>,
    pub without_content: bool,
}

#[derive(Serialize)]
pub struct Broken {
    pub snapshot: String,
    pub message: String,
}

impl Told {
    /// Of a plan, or of what was done.
    pub fn new(plan: &Plan, request: &Request) -> Self {
        let broken = plan.broken.iter();
        Self {
            grace_seconds: request.grace.as_secs(),
            frees: plan.frees(),
            leftovers: plan.leftovers,
            silent_sessions: plan.fence.len() as u64,
            silent: plan.fenced,
            give_up: plan.give_up,
            snapshots: plan.manifests.count,
            forgotten: 0,
            gone: Vec::new(),
            lines: Vec::new(),
            mark: plan.mark,
            repack: plan.repack,
            repacked: plan.repacked,
            segments: plan.segments,
            narrow: plan.narrow,
            stays: plan.stays,
            broken: broken
                .map(|(id, message)| Broken { snapshot: id.to_string(), message: message.clone() })
                .collect(),
            unreadable: plan.unreadable.clone(),
            without_content: !plan.can_read,
        }
    }

    /// Learns what the snapshots are that go for good, and how many others are forgotten.
    pub fn look_at(&mut self, repository: &Repository, gone: &[SnapshotId]) {
        let ids: HashSet<&SnapshotId> = gone.iter().collect();
        let listed = repository.snapshots().unwrap_or_default();
        let of = |s: &&Snapshot| ids.contains(&s.id);
        let listed = listed.iter().filter(of).map(|s| (s.id, describe(repository, s)));
        let mut lines: HashMap<SnapshotId, String> = listed.collect();
        let line = |id: &SnapshotId| {
            let line = lines.remove(id).unwrap_or_else(|| describe_unlisted(repository, id));
            (*id, line)
        };
        self.lines = gone.iter().map(line).collect();
        self.gone = gone.iter().map(ToString::to_string).collect();
        let forgotten = repository.state().snapshots.iter().filter(|s| s.forgotten && !s.held);
        self.forgotten = (forgotten.count() - gone.len()) as u64;
    }
}

/// What was done, ready to be told.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "done")]
pub struct Done {
    pub freed: i64,
    pub removed: Amount,
    pub refused: Amount,
    pub sessions_ended: u64,
    pub marked: Amount,
    pub repacked: Amount,
    pub written: Amount,
    pub narrowed: u64,
    pub segments_merged: u64,
    pub overtaken: u64,
    pub failed: Vec<String>,
}

impl Done {
    /// Of a plan, or of what was done.
    pub fn new(report: &Report) -> Self {
        Self {
            freed: report.freed(),
            removed: report.removed,
            refused: report.refused,
            sessions_ended: report.fenced,
            marked: report.marked,
            repacked: report.repacked,
            written: report.written,
            narrowed: report.narrowed,
            segments_merged: report.merged,
            overtaken: report.overtaken,
            failed: report.failed.clone(),
        }
    }
}
