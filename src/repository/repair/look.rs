//! Which packs, segments and manifests that the log names are missing or damaged.

use super::{Described, Request};
use crate::repository::check::{Finding, Progress, Report, message, objects, packs};
use crate::repository::error::{Error, Result};
use crate::repository::{Repository, state};
use esker_format::checkpoint::PackState;
use esker_format::envelope::Header;
use esker_format::ids::{Named, SnapshotId};
use esker_format::limits::{MANIFEST_MAX, SEGMENT_MAX};
use esker_format::names;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// A segment, and its scope.
    Segment(state::Segment),
    /// The manifest of a snapshot.
    Manifest(SnapshotId),
    /// A pack, by its ordinal.
    Pack(u32),
}

/// An object that is not as the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
    /// Its length, when the log tells.
    pub len: Option<u64>,
    /// What it is.
    pub lost: Lost,
}

/// Looks at all packs, segments and manifests that the log names and has not given up. What the segments say is noted.
///
/// # Errors
/// When store or index fail, or the run is stopped.
pub fn look(
    repository: &Repository,
    request: Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<(Vec<Wrong>, Described)> {
    let mut described = Described::default();
    let mut wrong = segments(repository, &mut described)?;
    wrong.extend(manifests(repository)?);
    wrong.extend(all_packs(repository, request, progress, stop)?);
    Ok((wrong, described))
}

fn segments(repository: &Repository, described: &mut Described) -> Result<Vec<Wrong>> {
    let mut wrong = Vec::new();
    for segment in &repository.state().segments {
        let (name, limit) = (names::segment(segment.id), SEGMENT_MAX + (1 << 20));
        let sound = |bytes: &[u8]| described.take(repository, *segment, bytes);
        if let Some(why) = why_bad(repository, &name, limit, sound)? {
            wrong.push(Wrong { name, why, len: None, lost: Lost::Segment(*segment) });
        }
    }
    Ok(wrong)
}

fn manifests(repository: &Repository) -> Result<Vec<Wrong>> {
    let mut wrong = Vec::new();
    for snapshot in &repository.state().snapshots {
        let (name, limit) = (names::manifest(snapshot.id), MANIFEST_MAX + (1 << 20));
        let sound = |bytes: &[u8]| {
            snapshot.id.check("manifest", bytes).map_err(|e| Error::damaged(name.as_str(), e))
        };
        if let Some(why) = why_bad(repository, &name, limit, sound)? {
            wrong.push(Wrong { name, why, len: None, lost: Lost::Manifest(snapshot.id) });
        }
    }
    Ok(wrong)
}

/// What is wrong with an object that its name says everything about; none when it is sound. One that cannot be
/// read is not lost: that ends a repair.
fn why_bad(
    repository: &Repository,
    name: &str,
    limit: usize,
    is_it: impl FnOnce(&[u8]) -> Result<()>,
) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let got = repository.store().get(name, limit as u64, &mut bytes).map_err(Error::from_read);
    let sound = got.and_then(|()| {
        is_it(&bytes)?;
        let (header, _) = Header::decode(&bytes).map_err(|e| Error::damaged(name, e))?;
        header
            .expect(header.kind, repository.access().repository)
            .map_err(|e| Error::damaged(name, e))
    });
    match sound {
        Ok(()) => Ok(None),
        // It is as it was put, and this version does not know it.
        Err(Error::Newer { .. }) => Ok(None),
        Err(error) if error.is_damage() => Ok(Some(message(&error))),
        Err(error) => Err(error),
    }
}

fn all_packs(
    repository: &Repository,
    request: Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Vec<Wrong>> {
    let state = repository.state();
    let mut report = Report::default();
    let mut bad = objects::packs(repository, &mut report)?;
    if request.read_data && repository.access().reading().is_ok() {
        packs::read(repository, request.threads, &mut report, &mut bad, progress, stop)?;
    }
    // The first thing that is wrong with each of them.
    let mut why: HashMap<String, String> = HashMap::new();
    for finding in report.findings {
        if let Finding::Object { name, message } | Finding::Leftover { name, message } = finding {
            why.entry(name).or_insert(message);
        }
    }
    let there = state.packs.iter().zip(0u32..).filter(|(p, _)| p.state != PackState::Deleting);
    let wrong = there.filter_map(|(pack, ordinal)| {
        let name = names::pack(pack.id);
        let why = why.remove(&name)?;
        Some(Wrong { name, why, len: Some(pack.len), lost: Lost::Pack(ordinal) })
    });
    Ok(wrong.collect())
}
