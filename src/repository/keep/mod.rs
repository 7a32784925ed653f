//! Which snapshots are kept: forget and take it back, hold and release, change tags. Each is an
//! entry of the log; an entry that would change nothing is not appended. What an entry would break
//! is looked at again in the state that it follows, whoever was faster.

mod refusal;
mod tag;

pub use refusal::Refusal;
pub use tag::Tags;

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::choice::Filter;
use crate::repository::error::{Error, Result};
use crate::repository::retention::{Calendar, Candidate, Outcome, Policy, Series, plan};
use crate::repository::snapshots::{Snapshot, list};
use crate::repository::state::{self, State};
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::ids::{SessionId, SnapshotId};
use esker_format::log_entry::{Body, ROLE_FORGET, Snapshots};
use esker_format::node::Time;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Snapshots that one entry names: with a reason they fill half of the room that it has.
const IDS_MAX: usize = 50_000;

/// Entries of this kind belong to no session.
const NO_SESSION: SessionId = SessionId::new([0; 16]);

/// How snapshots are forgotten.
#[derive(Debug, Clone, Default)]
pub struct Forget {
    /// Why, for people.
    pub reason: Option<String>,
    /// Whether nothing needs to be left of a series.
    pub whole_series: bool,
    /// Whether rules say what goes. They leave no partial snapshot without a complete one beside it;
    /// who names a snapshot knows what it is.
    pub by_rules: bool,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Forget,
    Unforget,
    Hold,
    Unhold,
}

impl Change {
    /// Whether it changes anything of a snapshot.
    const fn changes(self, snapshot: &state::Snapshot) -> bool {
        match self {
            Self::Forget => !snapshot.forgotten,
            Self::Unforget => snapshot.forgotten,
            Self::Hold => !snapshot.held,
            Self::Unhold => snapshot.held,
        }
    }

    fn body(self, snapshots: Vec<SnapshotId>, reason: Option<&str>) -> Body {
        let reason = reason.map(str::to_owned);
        let named = Snapshots { snapshots, reason, extra: Extra::default() };
        match self {
            Self::Forget => Body::Forget(named),
            Self::Unforget => Body::Unforget(named),
            Self::Hold => Body::Hold(named),
            Self::Unhold => Body::Unhold(named),
        }
    }
}

impl Repository {
    /// What a policy says of each snapshot that the filter lets through and that is not forgotten,
    /// in the order of the log.
    ///
    /// # Errors
    /// When a summary is damaged.
    pub fn plan_forget(
        &self,
        chosen: &Filter,
        policy: &Policy,
        now: Time,
        calendar: &Calendar,
    ) -> Result<Vec<(Snapshot, Outcome)>> {
        let mut live = self.snapshots()?;
        live.retain(|snapshot| !snapshot.is_forgotten);
        let all: Vec<Candidate> = live.iter().map(|s| candidate(s, chosen.lets(s))).collect();
        let outcomes = plan(&all, policy, now, calendar);
        live.retain(|snapshot| chosen.lets(snapshot));
        Ok(live.into_iter().zip(outcomes).collect())
    }

    /// Forgets snapshots, and returns those that were not forgotten before. They can be brought back
    /// until they are collected.
    ///
    /// # Errors
    /// As [`Self::check_forget`]; or when the store fails.
    pub fn forget(&mut self, ids: &[SnapshotId], how: &Forget) -> Result<Vec<SnapshotId>> {
        let named: HashSet<SnapshotId> = ids.iter().copied().collect();
        let access = Arc::clone(&self.access);
        self.change(Change::Forget, ids, how.reason.as_deref(), &|all, state| {
            may_forget_unlisted(&access, state, &named, how)?;
            may_forget(all, &named, how)
        })
    }

    /// Takes snapshots for forgotten in memory, for a plan: no log and no cache learns of it, as long
    /// as this repository is not brought up to date again.
    pub(super) fn pretend_forgotten(&mut self, ids: &[SnapshotId]) {
        let ids: HashSet<&SnapshotId> = ids.iter().collect();
        for snapshot in self.state.snapshots.iter_mut().filter(|s| ids.contains(&s.id)) {
            snapshot.forgotten = true;
        }
    }

    /// Fails unless [`Self::forget`] would forget them.
    ///
    /// # Errors
    /// [`Refusal`] says which one stays, and why.
    pub fn check_forget(&self, ids: &[SnapshotId], how: &Forget) -> Result<()> {
        self.expect_role(ROLE_FORGET, "forget snapshots")?;
        expect_all(&self.state, ids)?;
        let (all, named) = (self.snapshots()?, ids.iter().copied().collect());
        may_forget_unlisted(&self.access, &self.state, &named, how)?;
        may_forget(&all, &named, how)
    }

    /// Brings forgotten snapshots back, and those that they need; returns all that were forgotten.
    ///
    /// # Errors
    /// [`Refusal::Collected`] when something of one is given up already; or when the store fails.
    pub fn unforget(
        &mut self,
        ids: &[SnapshotId],
        reason: Option<&str>,
    ) -> Result<Vec<SnapshotId>> {
        expect_all(&self.state, ids)?;
        let ids = with_required(&self.snapshots()?, ids);
        let named: HashSet<&SnapshotId> = ids.iter().collect();
        self.change(Change::Unforget, &ids, reason, &|_, state| {
            let mut named = state.snapshots.iter().filter(|s| named.contains(&s.id));
            match named.find(|s| is_given_up(state, s)) {
                Some(gone) => Err(Refusal::Collected { snapshot: gone.id }.into()),
                None => Ok(()),
            }
        })
    }

    /// Holds snapshots: no forget takes them. Returns those that were not held before.
    ///
    /// # Errors
    /// [`Refusal::Forgotten`]; or when the store fails.
    pub fn hold(&mut self, ids: &[SnapshotId], reason: Option<&str>) -> Result<Vec<SnapshotId>> {
        let named: HashSet<&SnapshotId> = ids.iter().collect();
        self.change(Change::Hold, ids, reason, &|_, state| {
            let mut named = state.snapshots.iter().filter(|s| named.contains(&s.id));
            match named.find(|s| s.forgotten) {
                Some(s) => Err(Refusal::Forgotten { snapshot: s.id.to_string() }.into()),
                None => Ok(()),
            }
        })
    }

    /// Releases snapshots that were held, and returns them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unhold(&mut self, ids: &[SnapshotId], reason: Option<&str>) -> Result<Vec<SnapshotId>> {
        self.change(Change::Unhold, ids, reason, &|_, _| Ok(()))
    }

    /// Appends what is to be changed, in as many entries as it needs. `check` says of each state
    /// that an entry would follow, with its snapshots, whether the change is right there.
    fn change(
        &mut self,
        change: Change,
        ids: &[SnapshotId],
        reason: Option<&str>,
        check: &dyn Fn(&[Snapshot], &State) -> Result<()>,
    ) -> Result<Vec<SnapshotId>> {
        let what = match change {
            Change::Forget => "forget snapshots",
            Change::Unforget => "bring snapshots back",
            Change::Hold | Change::Unhold => "hold snapshots",
        };
        self.expect_role(ROLE_FORGET, what)?;
        let mut changed = Vec::new();
        for part in ids.chunks(IDS_MAX) {
            changed.extend(self.change_part(change, ids, part, reason, check)?);
        }
        self.settle(&[], &[]);
        Ok(changed)
    }

    fn change_part(
        &mut self,
        change: Change,
        ids: &[SnapshotId],
        part: &[SnapshotId],
        reason: Option<&str>,
        check: &dyn Fn(&[Snapshot], &State) -> Result<()>,
    ) -> Result<Vec<SnapshotId>> {
        let access = Arc::clone(&self.access);
        let part: HashSet<&SnapshotId> = part.iter().collect();
        let mut named = Vec::new();
        self.append_if(&mut |state| {
            expect_all(state, ids)?;
            check(&list(&access, state)?, state)?;
            let of = state.snapshots.iter().filter(|s| part.contains(&s.id) && change.changes(s));
            named = of.map(|s| s.id).collect();
            Ok((!named.is_empty()).then(|| change.body(named.clone(), reason)))
        })?;
        Ok(named)
    }

    /// Appends an entry, unless there is nothing to append in the state that it would follow.
    fn append_if(&mut self, make: &mut dyn FnMut(&State) -> Result<Option<Body>>) -> Result<bool> {
        let mut is_done = false;
        let appended = self.append(NO_SESSION, &mut |state| {
            make(state)?.ok_or_else(|| {
                is_done = true;
                Error::Refused { rule: "nothing would change".to_owned() }
            })
        });
        if is_done { Ok(false) } else { appended.map(|_| true) }
    }
}

/// What rules need to know of a snapshot.
fn candidate(snapshot: &Snapshot, is_chosen: bool) -> Candidate {
    let s = &snapshot.summary;
    Candidate {
        id: snapshot.id,
        series: snapshot.series(),
        time: s.start,
        is_complete: is_complete(snapshot),
        is_held: snapshot.is_held,
        tags: s.tags.clone(),
        requires: s.requires.clone(),
        is_chosen,
    }
}

/// Whether all could be saved, and nothing of it was found lost.
const fn is_complete(snapshot: &Snapshot) -> bool {
    snapshot.summary.problems == 0 && !snapshot.is_damaged
}

/// Fails unless all of them are snapshots, also those that no list has: because their summaries do not
/// open, or are of scopes that are not this key's. Roles are about all scopes.
fn expect_all(state: &State, ids: &[SnapshotId]) -> Result<()> {
    match ids.iter().find(|id| !state.has_snapshot(id)) {
        Some(id) => Err(Error::NoSnapshot { selector: id.to_string() }),
        None => Ok(()),
    }
}

/// Fails unless those of these can be forgotten that no list has. Of another scope nobody can tell
/// here what is the last of its series.
fn may_forget_unlisted(
    access: &Access,
    state: &State,
    ids: &HashSet<SnapshotId>,
    how: &Forget,
) -> Result<()> {
    let mut going = state.live_snapshots().filter(|s| ids.contains(&s.id));
    match going.find(|s| s.held || (!how.whole_series && !access.has_scope(s.scope))) {
        Some(s) if s.held => Err(Refusal::Held { snapshot: s.id }.into()),
        Some(s) => Err(Refusal::Unseen { snapshot: s.id, scope: s.scope }.into()),
        None => Ok(()),
    }
}

/// Fails unless these can be forgotten together.
fn may_forget(all: &[Snapshot], ids: &HashSet<SnapshotId>, how: &Forget) -> Result<()> {
    let (going, staying): (Vec<&Snapshot>, Vec<&Snapshot>) =
        all.iter().filter(|s| !s.is_forgotten).partition(|s| ids.contains(&s.id));
    let required = staying.iter().flat_map(|s| s.summary.requires.iter().map(|id| (*id, s.id)));
    if let Some((snapshot, by)) = required.into_iter().find(|(id, _)| ids.contains(id)) {
        return Err(Refusal::Required { snapshot, by }.into());
    }
    if how.whole_series {
        return Ok(());
    }
    let left: HashSet<Series> = staying.iter().map(|s| s.series()).collect();
    if let Some(last) = going.iter().rev().find(|s| !left.contains(&s.series())) {
        let label = last.summary.label.clone();
        return Err(Refusal::Last { snapshot: last.id, label }.into());
    }
    // By the state that the plan was made in one stays, unless others were faster.
    let complete = staying.iter().filter(|s| is_complete(s)).map(|s| s.series());
    let complete: HashSet<Series> = complete.collect();
    let mut last = going.iter().rev().filter(|s| how.by_rules && is_complete(s));
    match last.find(|s| !complete.contains(&s.series())) {
        Some(last) => {
            let label = last.summary.label.clone();
            Err(Refusal::LastComplete { snapshot: last.id, label }.into())
        }
        None => Ok(()),
    }
}

/// These and all that they need, over any number of steps.
fn with_required(all: &[Snapshot], ids: &[SnapshotId]) -> Vec<SnapshotId> {
    let by_id: HashMap<SnapshotId, &Snapshot> = all.iter().map(|s| (s.id, s)).collect();
    let mut found: Vec<SnapshotId> = Vec::new();
    let mut seen = HashSet::new();
    let mut next: Vec<SnapshotId> = ids.to_vec();
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            found.push(id);
            let required = by_id.get(&id).into_iter().flat_map(|s| &s.summary.requires);
            next.extend(required.filter(|id| by_id.contains_key(id)));
        }
    }
    found
}

/// Whether a pack that a snapshot needs is given up.
fn is_given_up(state: &State, snapshot: &state::Snapshot) -> bool {
    let pack = |ordinal: u32| state.packs.get(ordinal as usize);
    snapshot.set.iter().any(|ordinal| pack(ordinal).is_none_or(|p| p.state == PackState::Deleting))
}

#[cfg(test)]
mod tests;
