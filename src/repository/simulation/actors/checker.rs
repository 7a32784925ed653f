//! Checks the repository while others use it.

use super::Part;
use super::reader::wanted;
use crate::repository::check::{Finding, Progress, Request, check};
use crate::repository::simulation::host::Host;
use crate::repository::{Repository, Result};
use esker_format::ids::SnapshotId;
use std::sync::atomic::AtomicBool;

/// A check that finds something gone is made again, as others may have collected it meanwhile.
const TRIES: usize = 4;

/// A host that checks.
pub struct Checker;

impl Part for Checker {
    fn run(&mut self, host: &mut Host) -> Result<()> {
        let mut repository = host.open()?;
        let mut found = Vec::new();
        for _ in 0..TRIES {
            let before = wanted(host);
            found = lost(&mut repository)?;
            let after = wanted(host);
            found.retain(|(id, _)| before.contains(id) && after.contains(id));
            host.world.look().counters.count("checks");
            if found.is_empty() {
                return Ok(());
            }
            repository.refresh()?;
        }
        host.world.stop(format!("a check finds lost what was not forgotten: {found:?}"))
    }
}

/// Snapshots that a check finds something lost of.
///
/// # Errors
/// When the store cannot be reached.
pub fn lost(repository: &mut Repository) -> Result<Vec<(SnapshotId, String)>> {
    let request = Request { read_data: false, threads: 1 };
    let report = check(repository, request, &Progress::default(), &AtomicBool::new(false))?;
    let of = |finding: Finding| match finding {
        Finding::Path { snapshot, message, .. } | Finding::Snapshot { snapshot, message } => {
            Some((snapshot, message))
        }
        _ => None,
    };
    Ok(report.findings.into_iter().filter_map(of).collect())
}
