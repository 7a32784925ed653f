//! The log, read from its start, and the checkpoints beside it.

use crate::repository::check::objects::{message, note};
use crate::repository::check::{Finding, Report};
use crate::repository::checkpoint::{Candidate, candidates, of_state, open};
use crate::repository::error::{Error, Result};
use crate::repository::state::State;
use crate::repository::{Repository, log};
use esker_format::ids::WriterId;
use esker_format::names;

/// So many checkpoints are looked at. Three are kept; what is more was left over or put there.
const COMPARED: usize = 8;

/// Reads the log from its start: what the index database knows of it is not asked of the store
/// again, and an entry that was lost since is missed by whoever has no such database. On the way
/// the newest checkpoints are compared with what the log says.
pub fn read(repository: &Repository, report: &mut Report) -> Result<State> {
    let mut state = State::new(repository.access().owner_key);
    let read = follow(repository, &mut state, report);
    read.or_else(|error| note(report, names::entry(state.next()), error))?;
    let name = |id: &WriterId| match state.writers.get(id) {
        Some(writer) => writer.entry.name.clone(),
        None => "the owner".to_owned(),
    };
    let void = state.void.iter();
    let void = void.map(|r| Finding::Void {
        sequence: r.seq.0,
        writer: r.writer.as_ref().map(name),
        rule: r.why.clone(),
    });
    let newer = state.not_understood.iter();
    let newer = newer.map(|r| Finding::NotUnderstood { sequence: r.seq.0, why: r.why.clone() });
    report.findings.extend(void.chain(newer));
    Ok(state)
}

fn follow(repository: &Repository, state: &mut State, report: &mut Report) -> Result<()> {
    let (store, access) = (repository.store(), repository.access());
    let found = candidates(store)?;
    for candidate in found.iter().take(COMPARED).rev() {
        let more = (candidate.seq.0 + 1).saturating_sub(state.next().0);
        if log::replay_some(store, access, state, more)? < more {
            // An entry before it was lost: then it is what leads past that.
            log::expect_end(store, state.next(), None)?;
        }
        compare(repository, candidate, state, report)?;
    }
    log::replay(store, access, state)?;
    log::expect_end(store, state.next(), None)
}

/// Compares a checkpoint with the state at its entry, which is there unless the log ends before.
fn compare(
    repository: &Repository,
    candidate: &Candidate,
    state: &State,
    report: &mut Report,
) -> Result<()> {
    let message = if state.head.map(|head| head.seq) != Some(candidate.seq) {
        "is a checkpoint of an entry that the log does not have".to_owned()
    } else {
        match open(repository.store(), repository.access(), candidate) {
            Ok(checkpoint) => match of_state(state) {
                Some(right) if right != checkpoint => "is not what the log says".to_owned(),
                _ => return Ok(()),
            },
            // Whoever writes a newer one removes old ones; the log is enough.
            Err(Error::Missing { .. }) => return Ok(()),
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => message(&error),
        }
    };
    report.findings.push(Finding::Object { name: candidate.name.clone(), message });
    Ok(())
}

/// Compares what the index stands for with the state of the log: a false checkpoint could have been
/// believed.
pub fn compare_index(replayed: &State, indexed: &State, report: &mut Report) {
    if replayed.head == indexed.head && of_state(replayed) != of_state(indexed) {
        let message = "its state is not what the log says".to_owned();
        report.findings.push(Finding::Index { pack: "the log".to_owned(), message });
    }
}
