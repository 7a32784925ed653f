//! A new UUID for an XFS.

use super::attached::Attached;
use super::{Place, tools};
use crate::disk::geometry::Bytes;

/// Where the superblock says in which block its log begins.
const LOG_START: u64 = 48;

/// Gives it one.
pub fn renew(place: &Place<'_>) -> Result<(), String> {
    let mut log_start = [0; 8];
    let read = place.target.read_at(place.start + LOG_START, &mut log_start);
    read.map_err(|error| format!("its superblock cannot be read: {error}"))?;
    if log_start == [0; 8] {
        // That one may belong to the original, which is attached as well.
        return Err("its log is on another disk".to_owned());
    }
    let device = Attached::to_write(place.target.path(), place.start, place.len)?;
    let words = ["-U".as_ref(), "generate".as_ref(), device.path().as_os_str()];
    let said = tools::run("xfs_admin", &words, &[0])?;
    device.sync()?;
    // With a log that has to be played back it says so, and that all went well.
    match said.contains("ERROR") {
        true => Err(format!("xfs_admin: {}", tools::reason(&said, "it failed"))),
        false => Ok(()),
    }
}
