//! When this machine saw something for the first time: what a grace is counted from. Nobody else's
//! clock is asked, and a cache that was lost begins to count anew.

use super::Index;
use crate::repository::error::Result;
use rusqlite::params;
use std::collections::HashMap;

/// Something that is looked at by every collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What it is.
    pub key: Vec<u8>,
    /// What it looks like: time begins anew when that changes.
    pub sign: i64,
}

impl Index {
    /// For each sighting, since when it has looked like this, in seconds of this machine's clock.
    /// With `keep` they are remembered, and all others forgotten.
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
                for (sighting, time) in sightings.iter().zip(&times) {
                    insert.execute(params![sighting.key, sighting.sign, time])?;
                }
            }
            writing.commit()?;
            Ok(times)
        };
        run().map_err(|e| self.failed(e))
    }
}
