//! What an entry may do: who may sign which kind, and the rules of each kind. Section 12.2 of
//! `docs/format.md`, and lines i and j of section 12.1. Pure.

use crate::repository::state::State;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::SessionId;
use esker_format::log_entry::{
    Body, Genesis, PackAdd, Place, ROLE_ADMIN, ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, WriterEntry,
};
use esker_format::ordinals::Ordinals;
use std::collections::HashSet;

/// A rule that an entry breaks.
pub type Rule = &'static str;

/// Whether this version carries out entries of this kind.
pub const fn is_carried_out(body: &Body) -> bool {
    matches!(body, Body::Genesis(_) | Body::Writer(_) | Body::Add(_) | Body::Commit(_))
}

/// Roles of which one is enough; none where the owner's key signs.
const fn roles(body: &Body) -> Option<u32> {
    Some(match body {
        Body::Genesis(_) | Body::Writer(_) | Body::Revoke(_) | Body::Rekey(_) => return None,
        Body::Setting(_) | Body::Takeover(_) => ROLE_ADMIN,
        Body::Add(_) | Body::Commit(_) => ROLE_APPEND,
        Body::Abort(_) => ROLE_APPEND | ROLE_COLLECT,
        Body::Forget(_) | Body::Unforget(_) | Body::Hold(_) | Body::Unhold(_) | Body::Note(_) => {
            ROLE_FORGET
        }
        Body::Damaged(_) => ROLE_FORGET | ROLE_COLLECT,
        Body::Mark(_)
        | Body::Delete(_)
        | Body::Narrow(_)
        | Body::Compact(_)
        | Body::Checkpoint(_) => ROLE_COLLECT,
        // Nobody knows who may sign an unknown kind, so no role is enough.
        Body::Unknown(..) => 0,
    })
}

impl State {
    /// Whether the signer may append this kind of entry, in this scope.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn permits(&self, place: &Place, body: &Body) -> Result<(), Rule> {
        let by_owner = place.writer == self.owner.writer();
        let scope = match (roles(body), self.writers.get(&place.writer)) {
            (None, _) if by_owner => 0,
            (Some(roles), Some(writer)) if !by_owner => {
                if writer.entry.roles & roles == 0 {
                    return Err("its writer has no right to this kind of entry");
                }
                writer.entry.scope
            }
            _ => return Err("not of a kind that this key may sign"),
        };
        if place.scope == scope { Ok(()) } else { Err("its writer belongs to another scope") }
    }

    /// The rules of each kind that is carried out.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn allows(&self, place: &Place, body: &Body) -> Result<(), Rule> {
        if matches!(body, Body::Genesis(_)) != (place.seq.0 == 0) {
            return Err("the first entry, and no other, begins a log");
        }
        match body {
            Body::Genesis(genesis) => self.allows_genesis(place, genesis),
            Body::Writer(writer) => self.allows_writer(writer),
            Body::Add(add) => {
                self.allows_session(place, add.session)?;
                self.allows_packs(&add.packs, add.session)?;
                self.has(&add.hold, 0)
            }
            Body::Commit(commit) => {
                self.allows_session(place, commit.session)?;
                self.allows_packs(&commit.packs, commit.session)?;
                if self.snapshots.iter().any(|s| s.id == commit.manifest) {
                    return Err("the snapshot exists already");
                }
                if commit.set_object.is_some() {
                    return Err("its pack set lies outside the entry");
                }
                // Before the members are looked at: a few bytes can name 2^32 of them.
                self.has(&commit.set, commit.packs.len())?;
                self.has_not_given_up(&commit.set)
            }
            _ => Err("this version does not carry out this kind of entry"),
        }
    }

    fn allows_genesis(&self, place: &Place, genesis: &Genesis) -> Result<(), Rule> {
        if genesis.owner != self.owner {
            return Err("it names another owner");
        }
        if is_none(place.session) { Ok(()) } else { Err("it names a session") }
    }

    fn allows_writer(&self, writer: &WriterEntry) -> Result<(), Rule> {
        let id = writer.key.writer();
        if writer.key == self.owner {
            return Err("the owner's key cannot be a writer's");
        }
        if self.writers.contains_key(&id) { Err("the writer is enrolled already") } else { Ok(()) }
    }

    fn allows_session(&self, place: &Place, id: SessionId) -> Result<(), Rule> {
        if place.session != id {
            return Err("header and body name different sessions");
        }
        if is_none(id) {
            return Err("it names no session");
        }
        let Some(session) = self.sessions.get(&id) else { return Ok(()) };
        match session.state {
            SessionState::Committed => Err("its session has ended"),
            SessionState::Aborted => Err("its session was aborted"),
            SessionState::Open if session.writer != place.writer => {
                Err("its session belongs to another writer")
            }
            SessionState::Open => Ok(()),
        }
    }

    fn allows_packs(&self, packs: &[PackAdd], session: SessionId) -> Result<(), Rule> {
        let mut seen = HashSet::new();
        for pack in packs {
            if self.ordinal(pack.id).is_some() || !seen.insert(pack.id) {
                return Err("a pack is added twice");
            }
            let from = self.sessions.get(&pack.session.unwrap_or(session));
            if from.is_some_and(|s| s.state == SessionState::Aborted) {
                return Err("a pack belongs to an aborted session");
            }
        }
        match u32::try_from(self.packs.len() + packs.len()) {
            Ok(_) => Ok(()),
            Err(_) => Err("more packs than 32 bits count"),
        }
    }

    /// Whether all members of a set exist once `added` packs were added.
    fn has(&self, set: &Ordinals, added: usize) -> Result<(), Rule> {
        match set.last() {
            Some(last) if last as usize >= self.packs.len() + added => {
                Err("its pack set names packs that are not there")
            }
            _ => Ok(()),
        }
    }

    fn has_not_given_up(&self, set: &Ordinals) -> Result<(), Rule> {
        let gone =
            |o: u32| self.packs.get(o as usize).is_some_and(|p| p.state == PackState::Deleting);
        if set.iter().any(gone) {
            return Err("its pack set names packs that are given up");
        }
        Ok(())
    }
}

fn is_none(session: SessionId) -> bool {
    session.as_bytes() == &[0; 16]
}
