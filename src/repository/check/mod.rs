//! Checking a repository: log, segments, packs, path maps, and on demand every byte.
//!
//! Findings name objects first, and then what is lost with them: snapshots and paths.

mod leftovers;
mod log;
mod meanwhile;
pub(in crate::repository) mod objects;
pub(in crate::repository) mod packs;
pub(in crate::repository) mod reach;

pub(in crate::repository) use objects::message;
pub use packs::Scanned;

use crate::repository::Repository;
use crate::repository::error::Result;
use crate::repository::gc::Listed;
use esker_format::ids::SnapshotId;
use esker_format::names;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// How far a check goes.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Read all packs and check every chunk against its id.
    pub read_data: bool,
    /// Threads that read.
    pub threads: usize,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The log is not the one that this machine has seen before: rolled back, or changed.
    History {
        /// How it differs.
        message: String,
    },
    /// An object of the store.
    Object {
        /// Its name.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// A path of a snapshot that cannot be restored whole.
    Path {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The path.
        path: Vec<u8>,
        /// What is lost.
        message: String,
    },
    /// A whole snapshot that cannot be restored.
    Snapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Why.
        message: String,
    },
    /// A snapshot that is marked as damaged, and has all that it needs by now.
    Whole {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// An entry of the log that broke a rule and changes nothing.
    Void {
        /// Its number.
        sequence: u64,
        /// The name of the writer that signed it, when one did that the log knows.
        writer: Option<String>,
        /// The rule.
        rule: String,
    },
    /// An object that no snapshot needs: it takes space, and nothing is lost.
    Leftover {
        /// Its name.
        name: String,
        /// What it is.
        message: String,
    },
    /// The index database of this machine says something else than the repository.
    Index {
        /// The pack that it is about.
        pack: String,
        /// How they differ.
        message: String,
    },
    /// An entry of the log that only a later version understands.
    NotUnderstood {
        /// Its number.
        sequence: u64,
        /// What is not known.
        why: String,
    },
}

impl Finding {
    /// Whether something of the repository is lost or changed.
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::History { .. } | Self::Object { .. } | Self::Path { .. } | Self::Snapshot { .. }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::History { .. } => {
                "was it put back from a copy on purpose? Then `--accept-history` goes on with it as it is; \
                 else let nothing write there, and compare it with another copy of the repository"
            }
            Self::Object { name, .. } if name.starts_with(names::LOG) => {
                "whoever reads the log anew gets no further, unless a checkpoint leads past it: `esker repair \
                 --from COPY` brings the entry back from another copy. Where there is none, \
                 `esker repair` says what else can be done. Where it is missing, `esker gc` on a machine that \
                 has read it before writes such a checkpoint"
            }
            Self::Object { name, .. } if name.starts_with(names::CHECKPOINTS) => {
                "where the log is whole, a checkpoint only spares time: remove it, or let `esker repair` write another \
                 one in the place of one that is damaged. Where entries of the log are missing, bring them back first \
                 with `esker repair --from COPY`, because it may lead past them"
            }
            Self::Object { .. } | Self::Path { .. } | Self::Snapshot { .. } => {
                "`esker repair --from COPY` brings back what another copy of the repository has. Without one, \
                 `esker repair` saves what is sound and marks what is lost; then `esker snapshot` stores anew \
                 what is still on disk"
            }
            Self::Whole { .. } => "`esker repair` takes the mark back",
            Self::Void { .. } => {
                "if you do not know why that key wrote it, withdraw the key with `esker revoke`"
            }
            Self::NotUnderstood { .. } => "use the version of esker that wrote it, or a later one",
            Self::Leftover { .. } => {
                "`esker gc` removes it when its time has come; what it leaves, remove it yourself where \
                 you know that it is nobody's"
            }
            Self::Index { .. } => {
                "the index is a cache: delete its folder, and the next run makes it again"
            }
        }
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Entries of the log.
    pub entries: u64,
    /// Segments.
    pub segments: u64,
    /// Packs that are not given up.
    pub packs: u64,
    /// Snapshots that are not forgotten.
    pub snapshots: u64,
    /// Chunks that were read and checked.
    pub chunks: u64,
    /// Bytes that were read from packs.
    pub bytes: u64,
    /// Set when content could not be looked at, for want of the owner's key.
    pub without_content: bool,
}

/// How far a check is.
#[derive(Default)]
pub struct Progress {
    /// Bytes of packs read.
    pub bytes: AtomicU64,
    /// Bytes of packs in all.
    pub of_bytes: AtomicU64,
    /// Entries of path maps seen.
    pub entries: AtomicU64,
}

/// Packs of which something is missing or damaged.
#[derive(Default)]
pub(crate) struct Bad {
    /// Packs that are not there or cannot be opened at all, by ordinal.
    packs: HashSet<u32>,
    /// Frames that do not open, or have a wrong chunk in them.
    frames: HashSet<(u32, u32)>,
}

impl Bad {
    /// Notes that nothing of a pack can be had.
    pub(in crate::repository) fn add_pack(&mut self, pack: u32) {
        self.packs.insert(pack);
    }

    /// Notes that a frame of a pack is not sound.
    pub(in crate::repository) fn add_frame(&mut self, pack: u32, frame: u32) {
        self.frames.insert((pack, frame));
    }

    /// Whether a frame of a pack is not sound, as far as is known.
    pub(in crate::repository) fn has(&self, pack: u32, frame: u32) -> bool {
        self.packs.contains(&pack) || self.frames.contains(&(pack, frame))
    }
}

/// Walks at most, when others give up packs again and again while the snapshots are walked.
const WALKS: u32 = 4;

/// Checks a repository, beside whoever else is at work: it is read on to the end of its log.
///
/// # Errors
/// When the store cannot be reached; damage is a finding.
pub fn check(
    repository: &mut Repository,
    request: Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    if request.read_data {
        repository.access().reading()?;
    }
    let mut report = Report::default();
    let state = repository.state();
    report.snapshots = state.live_snapshots().count() as u64;
    let replayed = log::read(repository, &mut report)?;
    report.entries = replayed.next().max(state.next()).0;
    log::compare_index(&replayed, state, &mut report);
    drop(replayed);
    objects::segments(repository, &mut report)?;
    objects::slots(repository, &mut report)?;
    let mut bad = objects::packs(repository, &mut report)?;
    let can_read = repository.access().reading().is_ok();
    report.without_content = !can_read;
    if request.read_data && can_read {
        packs::read(repository, request.threads, &mut report, &mut bad, progress, stop)?;
    } else {
        // What is left of those was saved elsewhere when they were marked.
        let damaged = repository.state().packs.iter().zip(0..).filter(|(pack, _)| pack.damaged);
        damaged.for_each(|(_, ordinal)| bad.add_pack(ordinal));
    }
    meanwhile::read_on(repository)?;
    if can_read {
        walk(repository, &mut report, &bad, progress, stop)?;
        find_whole(repository, &mut report);
    }
    // Listed before the log is read to its end: what was put since is in no entry, and no leftover.
    let listed = Listed::read(repository)?;
    meanwhile::read_on(repository)?;
    meanwhile::drop_given_up(repository.state(), &mut report.findings);
    let is_log = |finding: &Finding| matches!(finding, Finding::Object { name, .. } if name.starts_with(names::LOG));
    // What a log does not name that cannot be read to its end may well be needed.
    if !report.findings.iter().any(is_log) {
        leftovers::find(repository, listed, &mut report)?;
    }
    if let Some(doubt) = repository.doubt {
        report.findings.insert(0, Finding::History { message: doubt.to_string() });
    }
    Ok(report)
}

/// Finds snapshots that are marked as damaged, and of which nothing was found lost.
fn find_whole(repository: &Repository, report: &mut Report) {
    let of = |finding: &Finding| match finding {
        Finding::Path { snapshot, .. } | Finding::Snapshot { snapshot, .. } => Some(*snapshot),
        _ => None,
    };
    let lossy: HashSet<SnapshotId> = report.findings.iter().filter_map(of).collect();
    let marked = repository.state().live_snapshots().filter(|snapshot| snapshot.damaged);
    let whole = marked.map(|snapshot| snapshot.id).filter(|id| !lossy.contains(id));
    report.findings.extend(whole.map(|snapshot| Finding::Whole { snapshot }));
}

/// Walks all snapshots, again when something is lost and the log has gone on: a pack that is not
/// there any more may have given way to another.
pub(in crate::repository) fn walk(
    repository: &mut Repository,
    report: &mut Report,
    bad: &Bad,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let before = report.findings.len();
    for walk in 1..=WALKS {
        reach::walk(repository, report, bad, progress, stop)?;
        let is_sound = report.findings.len() == before;
        if is_sound || walk == WALKS || !meanwhile::read_on(repository)? {
            break;
        }
        report.findings.truncate(before);
    }
    Ok(())
}
