//! When this machine saw something for the first time: what a grace is counted from. Nobody else's
//! clock is asked, and a cache that was lost begins to count anew.

use super::Index;
use crate::repository::error::Result;
use crate::repository::state::State;
use esker_format::ids::{PackId, SessionId, SnapshotId};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// When something was looked at last is kept under this key.
const CLOCK: &[u8] = b"clock";
/// Seconds that a clock may be set back by.
const DAY: i64 = 86_400;

/// Something that is looked at by every collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What it is.
    pub key: Vec<u8>,
    /// What it looks like: time begins anew when that changes.
    pub sign: i64,
}

impl Sighting {
    /// A pack that is marked. That it was revived meanwhile is told by the log.
    pub fn pack(id: PackId) -> Self {
        Self { key: [b"p", &id.as_bytes()[..]].concat(), sign: 0 }
    }

    /// A snapshot that is forgotten.
    pub fn snapshot(id: SnapshotId) -> Self {
        Self { key: [b"f", &id.as_bytes()[..]].concat(), sign: 0 }
    }

    /// A session that has not ended, with a sign of its life.
    pub fn session(id: SessionId, sign: i64) -> Self {
        Self { key: [b"s", &id.as_bytes()[..]].concat(), sign }
    }
}

/// Forgets the sightings of packs and snapshots of which the log has said something since: their
/// time begins anew.
pub(super) fn begin_anew(connection: &Connection, state: &State) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM seen WHERE key = ?1")?;
    let packs = state.changes.packs.iter().filter_map(|no| state.packs.get(*no as usize));
    for pack in packs {
        forget.execute([Sighting::pack(pack.id).key])?;
    }
    for seq in &state.changes.snapshots {
        if let Ok(at) = state.snapshots.binary_search_by_key(seq, |s| s.seq) {
            forget.execute([Sighting::snapshot(state.snapshots[at].id).key])?;
        }
    }
    Ok(())
}

impl Index {
    /// For each sighting, since when it has looked like this, in seconds of this machine's clock.
    /// With `keep` they are remembered, and all others forgotten; unless the clock is more than a day
    /// behind what it was the last time: then only the clock is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn since(&mut self, sightings: &[Sighting], now: i64, keep: bool) -> Result<Vec<i64>> {
        let run = || -> rusqlite::Result<Vec<i64>> {
            let writing = self.connection.unchecked_transaction()?;
            let mut known: HashMap<Vec<u8>, (i64, i64)> = HashMap::new();
            {
                let mut query = writing.prepare("SELECT key, sign, time FROM seen")?;
                let mut rows = query.query([])?;
                while let Some(row) = rows.next()? {
                    known.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
                }
            }
            // A clock that was behind for once must not make everything look old to the next one.
            let last = known.get(CLOCK).map_or(now, |(_, time)| *time);
            let is_behind = now.saturating_add(DAY) < last;
            let since = |sighting: &Sighting| match known.get(&sighting.key) {
                // A clock that was set back has seen nothing yet.
                Some((sign, time)) if *sign == sighting.sign && *time <= now => *time,
                _ => now,
            };
            let times: Vec<i64> = sightings.iter().map(since).collect();
            if keep {
                writing.execute_batch("DELETE FROM seen")?;
                let mut insert = writing
                    .prepare("INSERT OR REPLACE INTO seen(key, sign, time) VALUES(?1, ?2, ?3)")?;
                insert.execute(params![CLOCK, 0, now])?;
                for (sighting, time) in sightings.iter().zip(&times).filter(|_| !is_behind) {
                    insert.execute(params![sighting.key, sighting.sign, time])?;
                }
            }
            writing.commit()?;
            Ok(times)
        };
        run().map_err(|e| self.failed(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_000_000_000;

    fn since(index: &mut Index, now: i64) -> i64 {
        let snapshot = Sighting::snapshot(SnapshotId::new([1; 32]));
        index.since(&[snapshot], now, true).unwrap()[0]
    }

    #[test]
    fn a_clock_that_was_behind_once_makes_nothing_old() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Index::open(&folder.path().join("index.sqlite")).unwrap();
        index.since(&[], NOON, true).unwrap();
        let year = 365 * DAY;
        assert_eq!(since(&mut index, NOON + 5 - year), NOON + 5 - year);
        assert_eq!(since(&mut index, NOON + 10), NOON + 10);
        assert_eq!(since(&mut index, NOON + 20), NOON + 10);
        // Nor does one that was ahead keep anything from getting old.
        assert_eq!(since(&mut index, NOON + year), NOON + 10);
        since(&mut index, NOON + 30);
        assert_eq!(since(&mut index, NOON + 40), NOON + 40);
        assert_eq!(since(&mut index, NOON + 50), NOON + 40);
    }
}
