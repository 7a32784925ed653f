//! The rules of sessions: add, commit, abort.

use super::{Rule, has, is_none};
use crate::repository::state::State;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::SessionId;
use esker_format::limits::PACK_MAX;
use esker_format::log_entry::{Abort, Add, Commit, PackAdd, Place, ROLE_COLLECT};
use esker_format::ordinals::Ordinals;
use std::collections::HashSet;

pub fn adds(state: &State, place: &Place, add: &Add) -> Result<(), Rule> {
    is_open(state, place, add.session)?;
    new_packs(state, &add.packs, add.session)?;
    has(state, &add.hold, 0)?;
    not_given_up(state, &add.hold)
}

pub fn commits(state: &State, place: &Place, commit: &Commit) -> Result<(), Rule> {
    is_open(state, place, commit.session)?;
    new_packs(state, &commit.packs, commit.session)?;
    if state.has_snapshot(&commit.manifest) {
        return Err("the snapshot exists already");
    }
    if commit.set_object.is_some() {
        return Err("its pack set lies outside the entry");
    }
    has(state, &commit.set, commit.packs.len())?;
    not_given_up(state, &commit.set)
}

pub fn aborts(state: &State, place: &Place, abort: &Abort) -> Result<(), Rule> {
    let session = state.sessions.get(&abort.session);
    let may_collect =
        state.writers.get(&place.writer).is_some_and(|w| w.entry.roles & ROLE_COLLECT != 0);
    match session.map(|s| s.state) {
        Some(SessionState::Committed) => Err("its session has ended"),
        _ if may_collect => Ok(()),
        Some(SessionState::Open) if session.is_some_and(|s| s.writer == place.writer) => Ok(()),
        _ => Err("it ends a session that is not its writer's own"),
    }
}

/// Whether the session may go on, or begin.
fn is_open(state: &State, place: &Place, id: SessionId) -> Result<(), Rule> {
    if place.session != id {
        return Err("header and body name different sessions");
    }
    if is_none(id) {
        return Err("it names no session");
    }
    let Some(session) = state.sessions.get(&id) else { return Ok(()) };
    match session.state {
        SessionState::Committed => Err("its session has ended"),
        SessionState::Aborted => Err("its session was aborted"),
        SessionState::Open if session.writer != place.writer => {
            Err("its session belongs to another writer")
        }
        SessionState::Open => Ok(()),
    }
}

/// Whether packs can be added by an entry of this session. What a session that has ended did not
/// name is not to come back: whoever collects removes it without asking.
pub fn new_packs(state: &State, packs: &[PackAdd], session: SessionId) -> Result<(), Rule> {
    let mut seen = HashSet::new();
    for pack in packs {
        if state.ordinal(pack.id).is_some() || !seen.insert(pack.id) {
            return Err("a pack is added twice");
        }
        if pack.len > PACK_MAX as u64 {
            return Err("a pack is longer than any can be");
        }
        match state.session_state(pack.session.unwrap_or(session)) {
            Some(SessionState::Aborted) => return Err("a pack belongs to an aborted session"),
            Some(SessionState::Committed) => return Err("a pack belongs to a session that ended"),
            Some(SessionState::Open) | None => {}
        }
    }
    match u32::try_from(state.packs.len() + packs.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err("more packs than 32 bits count"),
    }
}

/// Whether all packs of a set stay.
pub fn not_given_up(state: &State, set: &Ordinals) -> Result<(), Rule> {
    let gone = |o: u32| state.packs.get(o as usize).is_some_and(|p| p.state == PackState::Deleting);
    if set.iter().any(gone) {
        return Err("its pack set names packs that are given up");
    }
    Ok(())
}
