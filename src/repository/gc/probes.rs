//! What machines left that tried out the store and had no right, or no time, to tidy up.

use super::inventory::Stray;
use crate::repository::Repository;
use crate::repository::error::Result;
use crate::store::probe::time_of;
use esker_format::names;

/// Seconds after which no probe goes on, whatever the clocks of the two machines say.
const OVER: u64 = 86_400;

/// Objects of probes that are over; `now` is in seconds since 1970.
///
/// # Errors
/// When the listing fails.
pub fn old_probes(repository: &Repository, now: i64) -> Result<Vec<Stray>> {
    let mut old = Vec::new();
    let is_over = |time: u64| u64::try_from(now).unwrap_or(0).abs_diff(time) > OVER;
    repository.store().list(names::PROBES, &mut |listed| {
        if time_of(&listed.name).is_some_and(is_over) {
            old.push(Stray { name: listed.name, size: listed.size });
        }
    })?;
    Ok(old)
}
