//! Taking packs out of use: entries that say so, made for the state that they follow. What others
//! have made wrong meanwhile is left out of them, and stays for now.

use super::plan::Plan;
use super::usage::Usage;
use crate::repository::Repository;
use crate::repository::error::{Error, Result};
use crate::repository::state::{Snapshot, State};
use esker_format::cbor::Extra;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{SegmentId, SessionId};
use esker_format::limits::{NARROWED_MAX, REPLACEMENTS_MAX};
use esker_format::log_entry::{Body, Mark, Narrow, Narrowed, PackAdd, Replacement};
use esker_format::ordinals::Ordinals;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a mark adds: packs that stand in for others.
#[derive(Default)]
pub struct Added {
    /// Whose keys seal them.
    pub scope: Option<u32>,
    /// The packs.
    pub packs: Vec<PackAdd>,
    /// Segments that describe them.
    pub segments: Vec<SegmentId>,
    /// For each pack that goes, which of them have its chunks in use.
    pub stand_ins: HashMap<u32, BTreeSet<usize>>,
}

/// Fails when another collection has ended this one's session: what it put may be gone.
///
/// # Errors
/// [`Error::Fenced`].
pub fn expect_open(state: &State, session: SessionId) -> Result<()> {
    match state.session_state(session) {
        Some(SessionState::Aborted) => Err(Error::Fenced { session }),
        _ => Ok(()),
    }
}

/// Says that there is nothing to be said.
pub fn nothing<T>() -> Result<T> {
    Err(Error::Refused { rule: NOTHING.to_owned() })
}

const NOTHING: &str = "there is nothing to be said any more";

/// The result of an append, where one that had nothing to say is none.
pub fn unless_nothing<T>(appended: Result<T>) -> Result<Option<T>> {
    match appended {
        Ok(done) => Ok(Some(done)),
        Err(Error::Refused { rule }) if rule == NOTHING => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets that are larger than what their snapshots need.
pub fn narrowed(state: &State, plan: &Plan) -> Vec<Narrowed> {
    let Some(usage) = &plan.usage else { return Vec::new() };
    let smaller = state.live_snapshots().filter_map(|snapshot| {
        let set = usage.sets.get(&snapshot.id)?;
        let shrinks = set.is_within(&snapshot.set) && *set != snapshot.set;
        let (snapshot, set) = (snapshot.id, set.clone());
        shrinks.then(|| Narrowed { snapshot, set, extra: Extra::default() })
    });
    smaller.take(NARROWED_MAX).collect()
}

/// Shrinks the sets of snapshots to what they need.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn narrow(repository: &mut Repository, plan: &Plan) -> Result<u64> {
    let mut count = 0;
    let appended = repository.append(plan.session, &mut |state| {
        let body = |sets| Body::Narrow(Narrow { sets, extra: Extra::default() });
        let mut sets = narrowed(state, plan);
        while !sets.is_empty() {
            let whole = body(sets.clone());
            if whole.check().is_ok() {
                count = sets.len() as u64;
                return Ok(whole);
            }
            // More than an entry holds: the rest is for the next time.
            sets.truncate(sets.len() / 2);
        }
        nothing()
    });
    unless_nothing(appended)?;
    Ok(count)
}

/// So often others may save something between a look at what they have saved and the entry.
const LOOKS: u32 = 8;

/// Marks packs of which so many bytes were in use, after a look at what others have saved meanwhile:
/// it may need the same packs, and more of them. Those of which it needs more are left out.
///
/// # Errors
/// When store or index fail, or the log refuses.
pub fn mark_seen(
    repository: &mut Repository,
    session: SessionId,
    usage: &mut Usage,
    present: &[Option<u64>],
    wanted: &[(u32, u64)],
    added: &Added,
) -> Result<Vec<u32>> {
    let mut left = LOOKS;
    loop {
        left -= 1;
        repository.refresh()?;
        usage.walk(repository, present, &mut || Ok(()))?;
        let used = |ordinal: &u32| usage.packs.get(ordinal).map_or(0, |used| used.bytes);
        let same = wanted.iter().filter(|(ordinal, bytes)| used(ordinal) == *bytes);
        let same: Vec<u32> = same.map(|(ordinal, _)| *ordinal).collect();
        let packs = same.iter().copied().collect();
        let how = if left == 0 { How::AsFarAs } else { How::WalkedOnly(&packs) };
        if let Some(marked) = mark_how(repository, session, Some(usage), &same, added, how)? {
            return Ok(marked);
        }
    }
}

/// What becomes of packs that a snapshot needs which nobody has walked.
enum How<'p> {
    /// They are left out.
    AsFarAs,
    /// Then nothing is marked: it is to be walked first.
    WalkedOnly(&'p Ordinals),
}

/// Marks packs; returns those that the log took, which may be fewer.
///
/// # Errors
/// When the store fails or the log refuses.
pub fn mark(
    repository: &mut Repository,
    session: SessionId,
    usage: Option<&Usage>,
    wanted: &[u32],
    added: &Added,
) -> Result<Vec<u32>> {
    let marked = mark_how(repository, session, usage, wanted, added, How::AsFarAs)?;
    Ok(marked.unwrap_or_default())
}

/// The same; none when a snapshot is to be walked first.
fn mark_how(
    repository: &mut Repository,
    session: SessionId,
    usage: Option<&Usage>,
    wanted: &[u32],
    added: &Added,
    how: How<'_>,
) -> Result<Option<Vec<u32>>> {
    let (mut marked, mut is_late) = (Vec::new(), false);
    let appended = repository.append(session, &mut |state| {
        expect_open(state, session)?;
        let is_seen = |s: &Snapshot| usage.is_some_and(|usage| usage.has_seen(s.id));
        is_late = match how {
            How::AsFarAs => false,
            How::WalkedOnly(packs) => {
                state.live_snapshots().any(|s| !is_seen(s) && s.set.meets(packs))
            }
        };
        if is_late {
            return nothing();
        }
        marked = free(state, usage, wanted);
        marked.truncate(REPLACEMENTS_MAX);
        while !marked.is_empty() {
            let body = body(state, session, usage, &marked, added);
            if body.check().is_ok() {
                return Ok(body);
            }
            // More than an entry holds: the rest is for the next time.
            marked.truncate(marked.len() / 2);
        }
        nothing()
    });
    match unless_nothing(appended)? {
        Some(_) => Ok(Some(marked)),
        None => Ok((!is_late).then(Vec::new)),
    }
}

fn body(
    state: &State,
    session: SessionId,
    usage: Option<&Usage>,
    marked: &[u32],
    added: &Added,
) -> Body {
    let packs: Ordinals = marked.iter().copied().collect();
    let first = state.packs.len() as u32;
    let fresh = |old: &u32| {
        added.stand_ins.get(old).into_iter().flatten().map(move |at| first + *at as u32)
    };
    let mut replacements: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut walked = Vec::new();
    for snapshot in state.live_snapshots().filter(|s| s.set.meets(&packs)) {
        walked.push(snapshot.id);
        // Its set gets what stands in for all of them: what is elsewhere need be said of one.
        let mut elsewhere = outside(usage, snapshot);
        for old in snapshot.set.common(&packs) {
            let new = replacements.entry(old).or_insert_with(|| fresh(&old).collect());
            for other in std::mem::take(&mut elsewhere) {
                // One that goes itself is stood in for as well.
                if packs.contains(other) { new.extend(fresh(&other)) } else { new.extend([other]) }
            }
        }
    }
    let replacement = |(old, new): (u32, BTreeSet<u32>)| Replacement {
        old,
        new: new.into_iter().collect(),
        extra: Extra::default(),
    };
    Body::Mark(Mark {
        packs,
        replacements: replacements.into_iter().map(replacement).collect(),
        walked,
        segments: added.segments.clone(),
        added: added.packs.clone(),
        session: (!added.packs.is_empty()).then_some(session),
        scope: added.scope,
        extra: Extra::default(),
    })
}

/// The packs in which the walk found chunks of a snapshot, and that its set does not have: the set
/// has other copies of them, which may be about to go.
fn outside(usage: Option<&Usage>, snapshot: &Snapshot) -> Vec<u32> {
    let Some(needed) = usage.and_then(|usage| usage.sets.get(&snapshot.id)) else {
        return Vec::new();
    };
    if needed.is_within(&snapshot.set) {
        return Vec::new();
    }
    needed.iter().filter(|o| !snapshot.set.contains(*o)).collect()
}

/// Those of some packs that can be marked in this state, after what the walk found.
fn free(state: &State, usage: Option<&Usage>, wanted: &[u32]) -> Vec<u32> {
    let is_closed = |session: SessionId| state.session_state(session) != Some(SessionState::Open);
    let may_go = |ordinal: &u32| {
        let pack = state.packs.get(*ordinal as usize);
        pack.is_some_and(|pack| pack.state == PackState::Live && is_closed(pack.session))
    };
    let free: Ordinals = wanted.iter().copied().filter(may_go).collect();
    // What the simulation must notice.
    #[cfg(test)]
    if crate::repository::simulation::off().marks {
        return free.iter().collect();
    }
    let is_walked = |s: &Snapshot| usage.is_some_and(|usage| usage.sets.contains_key(&s.id));
    let stays = |s: &Snapshot| outside(usage, s).iter().all(|o| state.packs[*o as usize].is_good());
    let fixed = state.live_snapshots().filter(|s| s.set.meets(&free));
    let fixed = fixed.filter(|s| !is_walked(s) || !stays(s)).map(|s| &s.set);
    let kept: HashSet<u32> =
        fixed.chain(state.holds.values()).flat_map(|set| set.common(&free)).collect();
    free.iter().filter(|ordinal| !kept.contains(ordinal)).collect()
}
