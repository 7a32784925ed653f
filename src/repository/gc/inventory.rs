//! What the store has, beside what the log says of it.

use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::envelope::Header;
use esker_format::ids::{PackId, SegmentId, SessionId, SnapshotId};
use esker_format::names;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

/// Bytes of an object that hold its header, with room.
const HEAD: u64 = 4096;

/// Objects by name, with their sizes, as a listing found them.
pub struct Listed {
    packs: BTreeMap<PackId, u64>,
    manifests: BTreeMap<SnapshotId, u64>,
    segments: BTreeMap<SegmentId, u64>,
}

impl Listed {
    /// Lists packs, manifests and segments. Whoever compares with the log reads it afterwards: what
    /// was put later is then not taken for something that nobody named.
    ///
    /// # Errors
    /// When a listing fails.
    pub fn read(repository: &Repository) -> Result<Self> {
        Ok(Self {
            packs: list(repository, names::PACKS)?,
            manifests: list(repository, names::SNAPSHOTS)?,
            segments: list(repository, names::INDEX)?,
        })
    }
}

/// All objects of a folder whose names end with an id. What has another name is not ours to touch.
fn list<I: FromStr + Ord>(repository: &Repository, folder: &str) -> Result<BTreeMap<I, u64>> {
    let mut found = BTreeMap::new();
    repository.store().list(folder, &mut |listed| {
        let last = listed.name.rsplit('/').next().unwrap_or_default();
        found.extend(last.parse().ok().map(|id: I| (id, listed.size)));
    })?;
    Ok(found)
}

/// The length of a pack; none when it is not there, or is there and cannot be had.
fn size_of(repository: &Repository, id: PackId) -> Result<Option<u64>> {
    repository.store().size(&names::pack(id)).or_else(|error| match Error::from_part(error) {
        error if error.is_damage() => Ok(None),
        error => Err(error),
    })
}

/// An object that the log does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: u64,
}

/// What is in the store, sorted by what the log says of it.
#[derive(Debug, Default)]
pub struct Inventory {
    /// For each pack of the log its length in the store; none when it is not there.
    pub packs: Vec<Option<u64>>,
    /// Objects that the log has given up, and that are still there.
    pub given_up: Vec<Stray>,
    /// Objects of sessions that have not ended, by session.
    pub pending: BTreeMap<SessionId, Vec<Stray>>,
    /// Sizes of the manifests that the log names.
    pub manifests: HashMap<SnapshotId, u64>,
    /// Sizes of live segments.
    pub segments: HashMap<SegmentId, u64>,
    /// Objects whose header cannot be read, or is of a newer version: they stay.
    pub unreadable: Vec<String>,
}

impl Inventory {
    /// Compares a listing with the log, which was read after it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of(repository: &Repository, listed: Listed) -> Result<Self> {
        let state = repository.state();
        let mut found = Self { packs: vec![None; state.packs.len()], ..Self::default() };
        for (id, size) in listed.packs {
            match state.ordinal(id) {
                Some(ordinal) => {
                    found.packs[ordinal as usize] = Some(size);
                    if state.packs[ordinal as usize].state == PackState::Deleting {
                        found.given_up.push(Stray { name: names::pack(id), size });
                    }
                }
                None => found.stray(repository, names::pack(id), size)?,
            }
        }
        for (pack, found) in state.packs.iter().zip(&mut found.packs) {
            // What is not in the listing may have been put since.
            if found.is_none() && pack.state != PackState::Deleting {
                *found = size_of(repository, pack.id)?;
            }
        }
        for (id, size) in listed.manifests {
            if state.has_snapshot(&id) {
                found.manifests.insert(id, size);
            } else {
                found.stray(repository, names::manifest(id), size)?;
            }
        }
        for (id, size) in listed.segments {
            if state.has_segment(&id) {
                found.segments.insert(id, size);
            } else {
                found.stray(repository, names::segment(id), size)?;
            }
        }
        found.given_up.sort_by(|a, b| a.name.cmp(&b.name));
        found.pending.values_mut().for_each(|strays| strays.sort_by(|a, b| a.name.cmp(&b.name)));
        Ok(found)
    }

    /// An object that the log does not name belongs to the session in its header. When that has
    /// ended, nothing can name it any more.
    fn stray(&mut self, repository: &Repository, name: String, size: u64) -> Result<()> {
        let mut head = Vec::new();
        let len = size.min(HEAD) as usize;
        match repository.store().get_range(&name, 0, len, &mut head) {
            Ok(()) => {}
            Err(e) => match Error::from_part(e) {
                // Somebody else has just removed it.
                Error::Missing { .. } => return Ok(()),
                e if e.is_damage() => {
                    self.unreadable.push(name);
                    return Ok(());
                }
                e => return Err(e),
            },
        }
        let session = match Header::decode(&head) {
            Ok((header, _)) if header.repository == repository.access().repository => {
                header.session
            }
            _ => {
                self.unreadable.push(name);
                return Ok(());
            }
        };
        let stray = Stray { name, size };
        match repository.state().session_state(session) {
            Some(SessionState::Committed | SessionState::Aborted) => self.given_up.push(stray),
            Some(SessionState::Open) | None => {
                self.pending.entry(session).or_default().push(stray);
            }
        }
        Ok(())
    }
}
