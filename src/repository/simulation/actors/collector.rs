//! Collects what nobody needs, by the rules of the log.

use super::Part;
use crate::repository::simulation::host::Host;
use crate::repository::simulation::oracle::id;
use crate::repository::{Error, Repository, Result};
use esker_format::cbor::Extra;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::envelope::Header;
use esker_format::ids::{PackId, SessionId, SnapshotId};
use esker_format::log_entry::{Abort, Body, Delete, Mark};
use esker_format::names;
use esker_format::ordinals::Ordinals;

const NONE: SessionId = SessionId::new([0; 16]);

/// A host that collects.
pub struct Collector;

impl Part for Collector {
    fn run(&mut self, host: &mut Host) -> Result<()> {
        let mut repository = host.open()?;
        remove_files(&repository)?;
        if host.random.chance(6_000) {
            fence_open(&mut repository, host)?;
            remove_orphans(&mut repository, host)?;
        }
        if host.random.chance(9_000) {
            mark(&mut repository)?;
        }
        let seconds = host.random.below(12 * 3600);
        host.world.pause(host.number, seconds);
        delete(&mut repository)?;
        remove_files(&repository)
    }
}

/// Appends an entry; false when a rule forbids it by now.
fn append(repository: &mut Repository, body: &Body) -> Result<bool> {
    match repository.append(NONE, &mut |_| Ok(body.clone())) {
        Ok(_) => Ok(true),
        Err(Error::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Ends sessions that have not ended, dead or not.
fn fence_open(repository: &mut Repository, host: &mut Host) -> Result<()> {
    let sessions = &repository.state().sessions;
    let open = sessions.iter().filter(|(_, session)| session.state == SessionState::Open);
    let mut open: Vec<SessionId> = open.map(|(id, _)| *id).collect();
    open.sort_unstable();
    for session in open {
        if host.random.chance(5_000) {
            append(repository, &Body::Abort(Abort { session, extra: Extra::default() }))?;
        }
    }
    Ok(())
}

/// Removes packs and manifests that no entry names, once their sessions can name them no more.
fn remove_orphans(repository: &mut Repository, host: &mut Host) -> Result<()> {
    let mut found = Vec::new();
    for prefix in [names::PACKS, names::SNAPSHOTS] {
        repository.store().list(prefix, &mut |listed| found.push(listed.name))?;
    }
    for name in found {
        if is_named(repository, &name) {
            continue;
        }
        let mut object = Vec::new();
        match repository.store().get(&name, 1 << 20, &mut object).map_err(Error::from_read) {
            Err(Error::Missing { .. }) => continue,
            other => other?,
        }
        // Without a header it is nobody's: a power cut has torn it.
        if let Ok((header, _)) = Header::decode(&object) {
            let session = header.session;
            let state = repository.state().session_state(session);
            let is_open = !matches!(state, Some(SessionState::Aborted | SessionState::Committed));
            if is_open {
                if host.random.chance(5_000) {
                    continue;
                }
                append(repository, &Body::Abort(Abort { session, extra: Extra::default() }))?;
            }
            if repository.state().session_state(session) == Some(SessionState::Open) {
                continue;
            }
        }
        if !is_named(repository, &name) {
            repository.store().delete(&name)?;
        }
    }
    Ok(())
}

/// Whether the log has a pack or manifest.
fn is_named(repository: &Repository, name: &str) -> bool {
    let state = repository.state();
    match name.starts_with(names::PACKS) {
        true => id::<PackId>(name).is_some_and(|pack| state.ordinal(pack).is_some()),
        false => id::<SnapshotId>(name).is_some_and(|id| state.has_snapshot(&id)),
    }
}

/// Takes out of use what no snapshot needs.
fn mark(repository: &mut Repository) -> Result<()> {
    let state = repository.state();
    let needed = state.needed();
    let is_free = |ordinal: &u32| {
        let pack = &state.packs[*ordinal as usize];
        let is_open = state.session_state(pack.session) == Some(SessionState::Open);
        pack.state == PackState::Live && !is_open && !needed[*ordinal as usize]
    };
    let packs: Ordinals = (0..state.packs.len() as u32).filter(is_free).collect();
    if packs.runs().is_empty() {
        return Ok(());
    }
    let mark = Mark {
        packs,
        replacements: Vec::new(),
        walked: Vec::new(),
        segments: Vec::new(),
        added: Vec::new(),
        session: None,
        scope: None,
        extra: Extra::default(),
    };
    append(repository, &Body::Mark(mark)).map(drop)
}

/// Gives up what is marked, and forgotten snapshots.
fn delete(repository: &mut Repository) -> Result<()> {
    let state = repository.state();
    let is_marked = |o: &u32| state.packs[*o as usize].state == PackState::Marked;
    let packs: Ordinals = (0..state.packs.len() as u32).filter(is_marked).collect();
    let gone = state.snapshots.iter().filter(|s| s.forgotten && !s.held);
    let manifests: Vec<SnapshotId> = gone.map(|s| s.id).collect();
    if packs.runs().is_empty() && manifests.is_empty() {
        return Ok(());
    }
    let (segments, sets) = (Vec::new(), Vec::new());
    let delete = Delete { packs, manifests, segments, sets, extra: Extra::default() };
    append(repository, &Body::Delete(delete)).map(drop)
}

/// Removes the files of what the log gave up.
fn remove_files(repository: &Repository) -> Result<()> {
    let (store, state) = (repository.store(), repository.state());
    let mut gone = Vec::new();
    store.list(names::PACKS, &mut |listed| {
        let ordinal = id(&listed.name).and_then(|id| state.ordinal(id));
        if ordinal.is_some_and(|o| state.packs[o as usize].state == PackState::Deleting) {
            gone.push(listed.name);
        }
    })?;
    for name in gone {
        store.delete(&name)?;
    }
    Ok(())
}
