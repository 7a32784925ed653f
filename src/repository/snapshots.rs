//! Snapshots: listing them from the log, finding one, reading its manifest.

use crate::repository::Repository;
use crate::repository::choice::{self, Choice, Filter, Miss};
use crate::repository::error::{Error, Result};
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
    /// Its summary.
    pub summary: Summary,
}

/// The first sixteen digits of an id, enough to name a snapshot.
pub fn shorten(id: &SnapshotId) -> String {
    let mut text = id.to_string();
    text.truncate(16);
    text
}

impl Repository {
    /// All snapshots that this key lists, oldest first: those of its scope, and the owner's all. One
    /// whose writer sealed something else than a summary in its commit is passed over.
    ///
    /// # Errors
    /// None yet.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        // What one writer made of his own commits must not keep others from theirs.
        Ok(self.listed().filter_map(|(_, listed)| listed.ok()).collect())
    }

    /// Snapshots whose summaries do not open, and why: a damaged log has none of them.
    pub fn without_summary(&self) -> Vec<(SnapshotId, Error)> {
        self.listed().filter_map(|(id, listed)| Some((id, listed.err()?))).collect()
    }

    fn listed(&self) -> impl Iterator<Item = (SnapshotId, Result<Snapshot>)> {
        let mine = self.state.snapshots.iter().filter(|s| self.access.has_scope(s.scope));
        mine.map(|s| {
            let of = SummaryOf { repository: self.access.repository, session: s.session };
            let listed = self.access.scope_keys_of(s.scope).and_then(|keys| {
                let summary = open_summary(&s.summary, of, &keys.summary).map_err(|e| {
                    Error::damaged(format!("summary in {}", names::entry(s.seq)), e)
                })?;
                let writer = self.state.sessions.get(&s.session).map(|session| session.writer);
                Ok(Snapshot { id: s.id, seq: s.seq, scope: s.scope, writer, summary })
            });
            (s.id, listed)
        })
    }

    /// The snapshots that a filter lets through, oldest first.
    ///
    /// # Errors
    /// When a summary is damaged.
    pub fn snapshots_with(&self, filter: &Filter) -> Result<Vec<Snapshot>> {
        let mut all = self.snapshots()?;
        all.retain(|snapshot| filter.lets(snapshot));
        Ok(all)
    }

    /// The snapshot that `what` names, among those that the filter lets through.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`], [`Error::NoSnapshotLeft`], [`Error::Filtered`],
    /// [`Error::AmbiguousSnapshot`] or [`Error::AmbiguousLabel`].
    pub fn choose(&self, what: &str, filter: &Filter) -> Result<Choice> {
        choice::choose(&self.snapshots()?, filter, what).map_err(|miss| match miss {
            Miss::None(selector) if self.warnings.iter().any(Error::is_damage) => {
                Error::NoSnapshotLeft { selector }
            }
            Miss::None(selector) => Error::NoSnapshot { selector },
            Miss::Filtered(selector) => Error::Filtered { selector },
            Miss::Several(selector, candidates) => {
                Error::AmbiguousSnapshot { selector, candidates }
            }
            Miss::Labels(labels) => Error::AmbiguousLabel { what: what.to_owned(), labels },
        })
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
