//! Snapshots: listing them from the log, finding one, reading its manifest.

use crate::repository::Repository;
use crate::repository::choice::{self, Choice, Filter, Miss};
use crate::repository::error::{Error, Result};
use esker_format::ids::{Named, Seq, SnapshotId};
use esker_format::names;
use esker_format::snapshot::{Manifest, Summary, SummaryOf, open_summary};

/// A snapshot as lists show it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its place in the log: the order that counts.
    pub seq: Seq,
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
    /// All snapshots of this key's scope, oldest first.
    ///
    /// # Errors
    /// When a summary is damaged.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let key = &self.access.scope_keys.summary;
        let scope = self.access.scope;
        let mine = self.state.snapshots.iter().filter(|s| s.scope == scope);
        mine.map(|s| {
            let of = SummaryOf { repository: self.access.repository, session: s.session };
            let summary = open_summary(&s.summary, of, key)
                .map_err(|e| Error::damaged(format!("summary in {}", names::entry(s.seq)), e))?;
            Ok(Snapshot { id: s.id, seq: s.seq, summary })
        })
        .collect()
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
        let name = names::manifest(id);
        let mut object = Vec::new();
        let limit = (esker_format::limits::MANIFEST_MAX + (1 << 20)) as u64;
        self.store.get(&name, limit, &mut object).map_err(Error::from_part)?;
        let damaged = |e| Error::damaged(name.as_str(), e);
        id.check("manifest", &object).map_err(damaged)?;
        let manifest = Manifest::decode(&object, self.access.reading()?, &self.access.epoch_secret);
        manifest.map_err(damaged)
    }
}
