//! Forgets snapshots, and brings some of them back.

use super::Part;
use super::reader::wanted;
use crate::repository::simulation::host::Host;
use crate::repository::{Error, Repository, Result};
use esker_format::cbor::Extra;
use esker_format::ids::{SessionId, SnapshotId};
use esker_format::log_entry::{Body, Snapshots};

/// A host that keeps order.
pub struct Forgetter;

impl Part for Forgetter {
    fn run(&mut self, host: &mut Host) -> Result<()> {
        let mut repository = host.open()?;
        for _ in 0..=host.random.below(3) {
            match host.random.below(4) {
                0 => bring_back(&mut repository, host)?,
                _ => forget(&mut repository, host)?,
            }
        }
        Ok(())
    }
}

fn forget(repository: &mut Repository, host: &mut Host) -> Result<()> {
    let wanted = wanted(host);
    // The reader wants something to read.
    if wanted.len() < 2 {
        return Ok(());
    }
    let snapshot = wanted[host.random.below(wanted.len() as u64) as usize];
    // From here on nobody may rely on it, whatever the answer.
    if let Some(saved) = host.world.look().oracle.saved.get_mut(&snapshot) {
        saved.is_wanted = false;
    }
    append(repository, snapshot, Body::Forget)?;
    host.world.look().counters.count("forgotten");
    Ok(())
}

fn bring_back(repository: &mut Repository, host: &mut Host) -> Result<()> {
    let state = repository.state();
    let forgotten: Vec<SnapshotId> =
        state.snapshots.iter().filter(|s| s.forgotten).map(|s| s.id).collect();
    if forgotten.is_empty() {
        return Ok(());
    }
    let snapshot = host.random.pick(&forgotten);
    match append(repository, snapshot, Body::Unforget) {
        Ok(()) => {}
        Err(Error::Refused { .. }) => {
            host.world.look().counters.count("unforget too late");
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let mut world = host.world.look();
    world.counters.count("brought back");
    if let Some(saved) = world.oracle.saved.get_mut(&snapshot) {
        saved.is_wanted = true;
    }
    Ok(())
}

fn append(
    repository: &mut Repository,
    snapshot: SnapshotId,
    body: fn(Snapshots) -> Body,
) -> Result<()> {
    let snapshots = vec![snapshot];
    let list = Snapshots { snapshots, reason: None, extra: Extra::default() };
    repository.append(SessionId::new([0; 16]), &mut |_| Ok(body(list.clone()))).map(drop)
}
