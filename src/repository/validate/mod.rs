//! What an entry may do: lines i to l of section 12.1 of `docs/format.md`, and the rules of each
//! kind in section 12.2. Pure; one function for whoever reads, appends, models or simulates.

mod collect;
mod session;
mod snapshots;

use crate::repository::state::State;
use esker_format::ids::SessionId;
use esker_format::log_entry::{
    Body, Genesis, Place, ROLE_ADMIN, ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, Revoke, WriterEntry,
};
use esker_format::ordinals::Ordinals;

/// A rule that an entry breaks.
pub type Rule = &'static str;

/// Whether an entry is valid in the state that its exact predecessor leaves.
///
/// # Errors
/// The rule that it breaks; then it is void and changes nothing.
pub fn validate(state: &State, place: &Place, body: &Body) -> Result<(), Rule> {
    may_append(state, place, body)?;
    let followed = follows_rules(state, place, body);
    #[cfg(test)]
    let followed = crate::repository::simulation::unless_off(followed);
    followed
}

/// Whether this version carries out entries of this kind.
pub const fn is_carried_out(body: &Body) -> bool {
    !matches!(body, Body::Rekey(_) | Body::Unknown(..))
}

/// Roles of which one is enough; none where the owner's key signs.
pub const fn roles(body: &Body) -> Option<u32> {
    Some(match body {
        Body::Genesis(_) | Body::Writer(_) | Body::Revoke(_) | Body::Rekey(_) => return None,
        Body::Setting(_) | Body::Takeover(_) => ROLE_ADMIN,
        Body::Add(_) | Body::Commit(_) => ROLE_APPEND,
        Body::Abort(_) => ROLE_APPEND | ROLE_COLLECT,
        Body::Forget(_) | Body::Unforget(_) | Body::Hold(_) | Body::Unhold(_) | Body::Note(_) => {
            ROLE_FORGET
        }
        Body::Damaged(damaged) if damaged.mended.is_empty() => ROLE_FORGET | ROLE_COLLECT,
        // It gives snapshots other sets.
        Body::Damaged(_)
        | Body::Mark(_)
        | Body::Delete(_)
        | Body::Narrow(_)
        | Body::Compact(_)
        | Body::Checkpoint(_) => ROLE_COLLECT,
        // Nobody knows who may sign an unknown kind, so no role is enough.
        Body::Unknown(..) => 0,
    })
}

/// Lines i to k, which hold for every kind.
///
/// # Errors
/// The rule that it breaks.
pub fn may_append(state: &State, place: &Place, body: &Body) -> Result<(), Rule> {
    may_sign(state, place, body)?;
    if state.tokens.contains(&place.token) { Err("its token was seen before") } else { Ok(()) }
}

/// Lines i and j: whether the signer may append this kind of entry, in this scope.
///
/// # Errors
/// The rule that it breaks.
pub fn may_sign(state: &State, place: &Place, body: &Body) -> Result<(), Rule> {
    let by_owner = place.writer == state.owner.writer();
    let scope = match (roles(body), state.writers.get(&place.writer)) {
        (None, _) if by_owner => 0,
        (Some(roles), Some(writer)) if !by_owner => {
            if writer.revoked {
                return Err("its writer was revoked");
            }
            if writer.entry.roles & roles == 0 {
                return Err("its writer has no right to this kind of entry");
            }
            writer.entry.scope
        }
        _ => return Err("not of a kind that this key may sign"),
    };
    if place.scope == scope { Ok(()) } else { Err("its writer belongs to another scope") }
}

/// Line l: the rules of each kind.
fn follows_rules(state: &State, place: &Place, body: &Body) -> Result<(), Rule> {
    if matches!(body, Body::Genesis(_)) != (place.seq.0 == 0) {
        return Err("the first entry, and no other, begins a log");
    }
    match body {
        Body::Genesis(genesis) => begins(state, place, genesis),
        Body::Writer(writer) => enrols(state, writer),
        Body::Revoke(revoke) => revokes(state, revoke),
        Body::Setting(_) | Body::Takeover(_) => Ok(()),
        Body::Add(add) => session::adds(state, place, add),
        Body::Commit(commit) => session::commits(state, place, commit),
        Body::Abort(abort) => session::aborts(state, place, abort),
        Body::Forget(list) => snapshots::forgets(state, list),
        Body::Unforget(list) => snapshots::unforgets(state, list),
        Body::Hold(list) => snapshots::holds(state, list),
        Body::Unhold(list) => snapshots::exist(state, &list.snapshots),
        Body::Note(note) => snapshots::notes(state, note),
        Body::Damaged(damaged) => snapshots::damages(state, damaged),
        Body::Mark(mark) => collect::marks(state, place, mark),
        Body::Delete(delete) => collect::deletes(state, delete),
        Body::Narrow(narrow) => collect::narrows(state, narrow),
        Body::Compact(compact) => collect::compacts(state, place, compact),
        Body::Checkpoint(checkpoint) if checkpoint.at < place.seq => Ok(()),
        Body::Checkpoint(_) => Err("its checkpoint is of an entry that is not before it"),
        Body::Rekey(_) | Body::Unknown(..) => Err("this version does not carry out this kind"),
    }
}

fn begins(state: &State, place: &Place, genesis: &Genesis) -> Result<(), Rule> {
    if genesis.owner != state.owner {
        return Err("it names another owner");
    }
    if is_none(place.session) { Ok(()) } else { Err("it names a session") }
}

fn enrols(state: &State, writer: &WriterEntry) -> Result<(), Rule> {
    if writer.key == state.owner {
        return Err("the owner's key cannot be a writer's");
    }
    if state.writers.contains_key(&writer.key.writer()) {
        return Err("the writer is enrolled already");
    }
    Ok(())
}

fn revokes(state: &State, revoke: &Revoke) -> Result<(), Rule> {
    if state.writers.contains_key(&revoke.writer) {
        Ok(())
    } else {
        Err("the writer is not enrolled")
    }
}

/// Whether all members of a set exist once `added` packs were added. Asked before the members are
/// looked at: a few bytes can name 2^32 of them.
fn has(state: &State, set: &Ordinals, added: usize) -> Result<(), Rule> {
    match set.last() {
        Some(last) if last as usize >= state.packs.len() + added => {
            Err("its pack set names packs that are not there")
        }
        _ => Ok(()),
    }
}

fn is_none(session: SessionId) -> bool {
    session.as_bytes() == &[0; 16]
}
