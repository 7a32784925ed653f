//! Snapshots: listing them from the log, choosing one, reading its manifest.

use crate::repository::Repository;
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

    /// The snapshot that `selector` names: an id or the beginning of one, `latest`, or `latest~N`
    /// for the Nth before it.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`], [`Error::NoSnapshotLeft`] or [`Error::AmbiguousSnapshot`].
    pub fn snapshot(&self, selector: &str) -> Result<Snapshot> {
        let mut all = self.snapshots()?;
        let missing = || {
            let selector = selector.to_owned();
            if self.warnings.iter().any(Error::is_damage) {
                return Error::NoSnapshotLeft { selector };
            }
            Error::NoSnapshot { selector }
        };
        if let Some(rest) = selector.strip_prefix("latest") {
            let back: usize = match rest.strip_prefix('~') {
                Some(n) => n.parse().map_err(|_| missing())?,
                None if rest.is_empty() => 0,
                None => return Err(missing()),
            };
            let at = all.len().checked_sub(1).and_then(|last| last.checked_sub(back));
            return at.map(|at| all.swap_remove(at)).ok_or_else(missing);
        }
        if selector.is_empty() {
            return Err(missing());
        }
        all.retain(|s| s.id.to_string().starts_with(selector));
        match all.len() {
            0 => Err(missing()),
            1 => Ok(all.swap_remove(0)),
            _ => Err(Error::AmbiguousSnapshot {
                selector: selector.to_owned(),
                candidates: all.iter().map(|s| s.id).collect(),
            }),
        }
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
