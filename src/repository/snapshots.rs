//! Snapshots: listing them from the log, finding one, reading its manifest.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::choice::{self, Choice, Filter, Miss};
use crate::repository::error::{Error, Result};
use crate::repository::keep::Refusal;
use crate::repository::retention::Series;
use crate::repository::state::{self, State};
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{Named, Seq, SnapshotId, WriterId};
use esker_format::snapshot::{Manifest, Summary, SummaryOf, open_summary};
use esker_format::{FormatError, names};

/// A snapshot as lists show it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its place in the log: the order that counts.
    pub seq: Seq,
    /// The scope that it belongs to.
    pub scope: u32,
    /// Who saved it, as far as the log says.
    pub writer: Option<WriterId>,
    /// Its summary, with the tags that it has now.
    pub summary: Summary,
    /// Whether it need not be kept: lists and `latest` pass over it.
    pub is_forgotten: bool,
    /// Whether no forget may take it.
    pub is_held: bool,
    /// Whether something of it was found lost.
    pub is_damaged: bool,
}

/// A snapshot whose summary cannot be read, so that no list has it.
#[derive(Debug)]
pub struct Unlisted {
    /// Its id.
    pub id: SnapshotId,
    /// Whether it need not be kept.
    pub is_forgotten: bool,
    /// Whether no forget may take it.
    pub is_held: bool,
    /// Why its summary does not open.
    pub error: Error,
}

/// The first sixteen digits of an id, enough to name a snapshot.
pub fn shorten(id: &SnapshotId) -> String {
    let mut text = id.to_string();
    text.truncate(16);
    text
}

/// The snapshots of a state that a key lists, oldest first: the owner's those of all scopes. One whose
/// writer sealed something else than a summary in its commit is passed over, because what one writer
/// made of his own commits must not keep others from theirs.
pub(super) fn list(access: &Access, state: &State) -> Result<Vec<Snapshot>> {
    Ok(listed(access, state).filter_map(|(_, listed)| listed.ok()).collect())
}

fn listed<'s>(
    access: &'s Access,
    state: &'s State,
) -> impl Iterator<Item = (&'s state::Snapshot, Result<Snapshot>)> + use<'s> {
    let mine = state.snapshots.iter().filter(|s| access.has_scope(s.scope));
    mine.map(|s| (s, unseal(access, state, s)))
}

/// A snapshot of the log, as lists show it.
///
/// # Errors
/// When its summary is damaged, or of a scope that the key has nothing to do with.
pub(super) fn unseal(access: &Access, state: &State, of: &state::Snapshot) -> Result<Snapshot> {
    let place = SummaryOf { repository: access.repository, session: of.session };
    let keys = access.scope_keys_of(of.scope)?;
    let mut summary = open_summary(&of.summary, place, &keys.summary)
        .map_err(|e| Error::damaged(format!("summary in {}", names::entry(of.seq)), e))?;
    if !of.tags.is_empty() {
        summary.tags.retain(|tag| !of.tags.contains_key(tag));
        let added = of.tags.iter().filter(|(_, is_added)| **is_added);
        summary.tags.extend(added.map(|(tag, _)| tag.clone()));
        summary.tags.sort();
    }
    Ok(Snapshot {
        id: of.id,
        seq: of.seq,
        scope: of.scope,
        writer: state.sessions.get(&of.session).map(|session| session.writer),
        summary,
        is_forgotten: of.forgotten,
        is_held: of.held,
        is_damaged: of.damaged,
    })
}

impl Snapshot {
    /// The series that it belongs to.
    pub const fn series(&self) -> Series {
        Series { id: self.summary.series, writer: self.writer }
    }
}

impl Repository {
    /// All snapshots that this key lists, oldest first, with those that are forgotten and were not
    /// collected yet: the owner those of all scopes. One whose writer sealed something else than a
    /// summary in its commit is passed over.
    ///
    /// # Errors
    /// None yet.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        list(&self.access, &self.state)
    }

    /// The snapshots of this key whose summaries do not open, oldest first.
    pub fn unlisted(&self) -> Vec<Unlisted> {
        let unlisted = |(of, listed): (&state::Snapshot, Result<Snapshot>)| {
            let error = listed.err()?;
            Some(Unlisted { id: of.id, is_forgotten: of.forgotten, is_held: of.held, error })
        };
        listed(&self.access, &self.state).filter_map(unlisted).collect()
    }

    /// The one snapshot that this key does not list whose id begins with these words, of eight digits
    /// at least: all that it can be named by. Its summary does not open, or is of another scope.
    pub fn choose_unlisted(&self, words: &str) -> Option<SnapshotId> {
        let fits = |id: &SnapshotId| words.len() >= 8 && id.to_string().starts_with(words);
        let elsewhere = self.state.snapshots.iter().filter(|s| !self.access.has_scope(s.scope));
        let all = self.unlisted().into_iter().map(|one| one.id).chain(elsewhere.map(|s| s.id));
        let mut fitting = all.filter(fits);
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// How many snapshots are of scopes that this key does not list, forgotten ones left out.
    pub fn count_elsewhere(&self) -> u64 {
        let live = self.state.live_snapshots();
        live.filter(|snapshot| !self.access.has_scope(snapshot.scope)).count() as u64
    }

    /// The snapshots that a filter lets through, oldest first; forgotten ones only if it asks for them.
    ///
    /// # Errors
    /// When a summary is damaged.
    pub fn snapshots_with(&self, filter: &Filter) -> Result<Vec<Snapshot>> {
        let mut all = self.snapshots()?;
        all.retain(|snapshot| filter.lists(snapshot));
        Ok(all)
    }

    /// The snapshot that `what` names, among those that the filter lets through.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`], [`Error::NoSnapshotLeft`], [`Error::Filtered`], [`Error::Refusal`],
    /// [`Error::AmbiguousSnapshot`] or [`Error::AmbiguousLabel`].
    pub fn choose(&self, what: &str, filter: &Filter) -> Result<Choice> {
        choice::choose(&self.snapshots()?, filter, what).map_err(|miss| match miss {
            Miss::None(selector) if self.is_elsewhere(&selector) => {
                Refusal::OtherScope { snapshot: selector }.into()
            }
            Miss::Forgotten(selector) => Refusal::Forgotten { snapshot: selector }.into(),
            Miss::None(selector) if self.warnings.iter().any(Error::is_damage) => {
                Error::NoSnapshotLeft { selector }
            }
            Miss::None(selector) if selector.is_empty() => {
                Error::NoSnapshot { selector: "\"\"".to_owned() }
            }
            Miss::None(selector) => Error::NoSnapshot { selector },
            Miss::Filtered(selector) => Error::Filtered { selector },
            Miss::Several(selector, candidates) => {
                Error::AmbiguousSnapshot { selector, candidates }
            }
            Miss::Labels(labels) => Error::AmbiguousLabel { what: what.to_owned(), labels },
        })
    }

    /// Whether words begin the id of a snapshot that this key does not list.
    fn is_elsewhere(&self, words: &str) -> bool {
        // Shorter ones say little.
        words.len() >= 8 && self.state.snapshots.iter().any(|s| s.id.to_string().starts_with(words))
    }

    /// The manifest of a snapshot.
    ///
    /// # Errors
    /// When it is missing or damaged, or the key cannot read content.
    pub fn manifest(&self, id: SnapshotId) -> Result<Manifest> {
        let reading = self.access.reading()?;
        let name = names::manifest(id);
        let mut object = Vec::new();
        let limit = (esker_format::limits::MANIFEST_MAX + (1 << 20)) as u64;
        self.store.get(&name, limit, &mut object).map_err(Error::from_part)?;
        let damaged = |e| Error::damaged(name.as_str(), e);
        id.check("manifest", &object).map_err(damaged)?;
        let (header, _) = Header::decode(&object).map_err(damaged)?;
        header.expect(Kind::Manifest, self.access.repository).map_err(damaged)?;
        // The manifest of another scope would lead to what others saved.
        if self.state.snapshots.iter().any(|s| s.id == id && s.scope != header.scope) {
            return Err(damaged(FormatError::Misplaced { what: "scope" }));
        }
        Manifest::decode(&object, reading, &self.access.epoch_secret).map_err(damaged)
    }
}
