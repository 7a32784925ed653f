//! The plan of a collection: what can go now, what is taken out of use, and why the rest stays.

use super::compact::{groups, sized};
use super::decide::{Choice, Fact, choose};
use super::inventory::{Inventory, Listed, Stray};
use super::probes::old_probes;
use super::turn::Turn;
use super::usage::Usage;
use super::{Amount, Progress, Request};
use crate::repository::error::{Error, Result};
use crate::repository::index::Sighting;
use crate::repository::state::State;
use crate::repository::{Repository, Session};
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::envelope::Header;
use esker_format::ids::{SegmentId, SessionId, SnapshotId};
use esker_format::segment;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that a segment says of a pack beside its frames and chunks, about.
const PACK_HEAD: u64 = 300;

/// Why something stays that no live snapshot needs.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Stays {
    /// Marked packs whose grace is not over.
    pub grace: Amount,
    /// Objects of sessions that have not ended and are not silent for long enough.
    pub running: Amount,
    /// Parts of packs that hold something in use too, about.
    pub partly: Amount,
    /// Packs that a session holds or has added that has not ended, or that only a snapshot needs
    /// which could not be walked.
    pub pinned: Amount,
}

/// What a collection is going to do.
pub struct Plan {
    /// Objects that were given up before and are still there.
    pub leftovers: Amount,
    /// Sessions that are ended, as they are silent.
    pub fence: Vec<SessionId>,
    /// What they left.
    pub fenced: Amount,
    /// Packs that are given up: marked long enough ago, and those marked now when there is no grace.
    pub give_up: Amount,
    /// Manifests of forgotten snapshots that are given up.
    pub manifests: Amount,
    /// Packs that are marked as a whole.
    pub mark: Amount,
    /// Packs that are written anew without what is not used.
    pub repack: Amount,
    /// About what that writes.
    pub repacked: Amount,
    /// Bytes by which segments get smaller, about, when they are merged.
    pub segments: i64,
    /// Pack sets of snapshots that get smaller.
    pub narrow: u64,
    /// Why the rest stays.
    pub stays: Stays,
    /// Snapshots that could not be walked, and why: nothing that they may need is touched.
    pub broken: Vec<(SnapshotId, String)>,
    /// Objects that cannot be told: they stay.
    pub unreadable: Vec<String>,
    /// Whether content could be looked at.
    pub can_read: bool,
    /// Whether this is a copy, in which only what its log gave up is removed.
    pub is_copy: bool,
    /// The session of what is going to be put.
    pub(super) session: SessionId,
    pub(super) inventory: Inventory,
    pub(super) usage: Option<Usage>,
    pub(super) choice: Choice,
    /// Marked packs whose grace is over.
    pub(super) aged: Vec<u32>,
    /// Forgotten snapshots whose grace is over: they go for good.
    pub aged_snapshots: Vec<SnapshotId>,
    pub(super) killed: Vec<Turn>,
}

impl Plan {
    /// The plan for a copy, of which only what was given up is removed.
    pub(super) fn of_copy(inventory: Inventory) -> Self {
        let pending = inventory.pending.values().flatten();
        let running = pending.map(|stray| stray.size).collect();
        Self {
            leftovers: inventory.given_up.iter().map(|stray| stray.size).collect(),
            fence: Vec::new(),
            fenced: Amount::default(),
            give_up: Amount::default(),
            manifests: Amount::default(),
            mark: Amount::default(),
            repack: Amount::default(),
            repacked: Amount::default(),
            segments: 0,
            narrow: 0,
            stays: Stays { running, ..Stays::default() },
            broken: Vec::new(),
            unreadable: inventory.unreadable.clone(),
            can_read: true,
            is_copy: true,
            session: Session::new_id(),
            inventory,
            usage: None,
            choice: Choice::default(),
            aged: Vec::new(),
            aged_snapshots: Vec::new(),
            killed: Vec::new(),
        }
    }

    /// Bytes that this collection frees, about.
    pub fn frees(&self) -> u64 {
        let gone = self.leftovers.bytes + self.fenced.bytes + self.give_up.bytes;
        (gone + self.manifests.bytes)
            .saturating_add_signed(self.segments)
            .saturating_sub(self.repacked.bytes)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let amounts = [self.leftovers, self.give_up, self.manifests, self.mark, self.repack];
        self.fence.is_empty() && self.narrow == 0 && amounts.iter().all(|a| a.count == 0)
    }
}

/// Plans at most, when others forget and collect again and again what is being walked.
const PLANS: u32 = 4;

/// Plans a collection. When a snapshot cannot be walked, others may have forgotten it and collected
/// what it needed: then the log has gone on, and the plan is made anew.
///
/// # Errors
/// When store or index fail, or the log has something that this version does not understand.
pub fn plan(
    repository: &mut Repository,
    request: &Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Plan> {
    for _ in 1..PLANS {
        let plan = plan_once(repository, request, progress, stop)?;
        let before = repository.state().next();
        if plan.broken.is_empty() {
            return Ok(plan);
        }
        // What was only pretended is not for the log to go on from.
        repository.catch_up()?;
        if repository.state().next() == before {
            return Ok(plan);
        }
    }
    plan_once(repository, request, progress, stop)
}

fn plan_once(
    repository: &mut Repository,
    request: &Request,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Plan> {
    // What a killed collection has put is in the listing, unless it is killed later than this.
    let killed = Turn::killed(&repository.folder);
    // Listed first: what is put from here on is newer than the log that it is compared with.
    let listed = Listed::read(repository)?;
    repository.refresh()?;
    if repository.is_mirror()? {
        return super::mirror::plan(repository, listed);
    }
    if request.is_dry {
        repository.pretend_forgotten(&request.forgotten);
    }
    may_collect(repository)?;
    let mut inventory = Inventory::of(repository, listed)?;
    inventory.given_up.extend(old_probes(repository, request.now)?);
    let aged = Aged::find(repository, request, &inventory, &killed)?;
    let usage = walk(repository, &inventory, progress, stop)?;
    let facts = facts(repository, &inventory, usage.as_ref(), &aged.fence)?;
    let choice = choose(&facts, request.max_repack);
    let state = repository.state();
    let size = |stray: &Stray| stray.size;
    let len_of = |ordinal: &u32| inventory.packs[*ordinal as usize].unwrap_or(0);
    let (mark, repack) = (amount(&choice.whole, len_of), amount(&choice.repack, |f| f.len));
    let mut give_up = amount(&aged.packs, len_of);
    let mut stays = stays(&facts, &choice, &aged, &inventory);
    if request.grace.is_zero() {
        for more in [mark, repack] {
            give_up.count += more.count;
            give_up.bytes += more.bytes;
        }
    } else {
        let marked = amount(&aged.young, len_of);
        stays.grace = Amount {
            count: marked.count + mark.count + repack.count,
            bytes: marked.bytes + mark.bytes + repack.bytes,
        };
    }
    let mut broken: Vec<(SnapshotId, String)> = Vec::new();
    for (id, error) in usage.iter().flat_map(|usage| &usage.broken) {
        broken.push((*id, error.to_string()));
    }
    broken.sort();
    let manifest_len = |id: &SnapshotId| inventory.manifests.get(id).copied().unwrap_or(0);
    let segments = segments(repository, &inventory, &facts, &choice, request.grace.is_zero());
    let mut plan = Plan {
        leftovers: inventory.given_up.iter().map(size).collect(),
        fenced: aged.fence.iter().flat_map(|id| strays(&inventory, id)).map(size).collect(),
        give_up,
        manifests: amount(&aged.snapshots, manifest_len),
        segments,
        mark,
        repack,
        repacked: choice.repack.iter().map(Fact::kept).collect(),
        narrow: 0,
        stays,
        broken,
        unreadable: inventory.unreadable.clone(),
        can_read: usage.is_some(),
        is_copy: false,
        fence: aged.fence,
        session: Session::new_id(),
        inventory,
        usage,
        choice,
        aged: aged.packs,
        aged_snapshots: aged.snapshots,
        killed,
    };
    plan.narrow = super::mark::narrowed(state, &plan).len() as u64;
    Ok(plan)
}

/// Fails unless this key may collect, and this version knows all that the log asks for.
fn may_collect(repository: &Repository) -> Result<()> {
    repository.expect_role(esker_format::log_entry::ROLE_COLLECT, "collect")?;
    expect_understood(repository)
}

/// Fails unless this version knows all that the log asks of who collects.
///
/// # Errors
/// [`Error::Newer`].
pub fn expect_understood(repository: &Repository) -> Result<()> {
    let state = repository.state();
    if let Some(entry) = state.not_understood.first() {
        return Err(crate::repository::log::not_understood(entry.seq));
    }
    match state.required.collect.first() {
        Some(feature) => Err(Error::required("feature needed to collect,", *feature)),
        None => Ok(()),
    }
}

fn walk(
    repository: &Repository,
    inventory: &Inventory,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Option<Usage>> {
    if repository.access().reading().is_err() {
        return Ok(None);
    }
    let count = repository.state().live_snapshots().count() as u64;
    progress.of_snapshots.store(count, Ordering::Relaxed);
    let mut usage = Usage::new(repository)?;
    usage.walk(repository, &inventory.packs, &mut || {
        progress.snapshots.fetch_add(1, Ordering::Relaxed);
        if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    })?;
    Ok(Some(usage))
}

/// What is old enough.
struct Aged {
    packs: Vec<u32>,
    /// Marked packs that are not.
    young: Vec<u32>,
    snapshots: Vec<SnapshotId>,
    fence: Vec<SessionId>,
}

impl Aged {
    /// Finds marked packs, forgotten snapshots and silent sessions that this machine has seen for
    /// long enough.
    fn find(
        repository: &mut Repository,
        request: &Request,
        inventory: &Inventory,
        killed: &[Turn],
    ) -> Result<Self> {
        let state = &repository.state;
        let Seen { marked, forgotten, sessions } = Seen::now(state, &inventory.pending);
        let sightings = Seen::sightings(state, &marked, &forgotten, &sessions);
        let since = repository.index.since(&sightings, request.now, !request.is_dry)?;
        let mut since = since.into_iter();
        let mut is_old = |limit: std::time::Duration| {
            let age = since.next().map_or(0, |since| request.now.saturating_sub(since));
            age >= i64::try_from(limit.as_secs()).unwrap_or(i64::MAX)
        };
        let (packs, young) = marked.into_iter().partition(|_| is_old(request.grace));
        let snapshots = forgotten.into_iter().filter(|_| is_old(request.grace)).collect();
        let is_killed = |id: &SessionId| killed.iter().any(|turn| turn.session == *id);
        let silent = sessions.into_keys().map(|id| (id, is_old(request.abort_after)));
        let fence = silent.filter(|(id, old)| *old || is_killed(id)).map(|(id, _)| id).collect();
        Ok(Self { packs, young, snapshots, fence })
    }
}

/// What is waiting for its time to be over.
struct Seen {
    marked: Vec<u32>,
    forgotten: Vec<SnapshotId>,
    sessions: BTreeMap<SessionId, i64>,
}

impl Seen {
    fn now(state: &State, pending: &BTreeMap<SessionId, Vec<Stray>>) -> Self {
        let marked = state.packs.iter().zip(0u32..).filter(|(p, _)| p.state == PackState::Marked);
        let forgotten = state.snapshots.iter().filter(|s| s.forgotten && !s.held);
        Self {
            marked: marked.map(|(_, ordinal)| ordinal).collect(),
            forgotten: forgotten.map(|s| s.id).collect(),
            sessions: unended(state, pending),
        }
    }

    fn sightings(
        state: &State,
        marked: &[u32],
        forgotten: &[SnapshotId],
        sessions: &BTreeMap<SessionId, i64>,
    ) -> Vec<Sighting> {
        let packs = marked.iter().map(|o| Sighting::pack(state.packs[*o as usize].id));
        let snapshots = forgotten.iter().map(|id| Sighting::snapshot(*id));
        let sessions = sessions.iter().map(|(id, sign)| Sighting::session(*id, *sign));
        packs.chain(snapshots).chain(sessions).collect()
    }
}

/// Remembers what is waiting at the end of a collection: what it has marked counts from now on.
///
/// # Errors
/// When the index database fails.
pub fn remember(repository: &mut Repository, request: &Request, plan: &Plan) -> Result<()> {
    let state = &repository.state;
    let Seen { marked, forgotten, sessions } = Seen::now(state, &plan.inventory.pending);
    let sightings = Seen::sightings(state, &marked, &forgotten, &sessions);
    repository.index.since(&sightings, request.now, true).map(drop)
}

/// Sessions that have not ended, and a sign of their life: the last entry, or what they have put.
fn unended(state: &State, pending: &BTreeMap<SessionId, Vec<Stray>>) -> BTreeMap<SessionId, i64> {
    let open = state.sessions.iter().filter(|(_, s)| s.state == SessionState::Open);
    let mut found: BTreeMap<SessionId, i64> =
        open.map(|(id, session)| (*id, session.seq.0 as i64)).collect();
    for (id, strays) in pending {
        let put: u64 = strays.iter().map(|stray| stray.size).sum();
        *found.entry(*id).or_default() += (put as i64) << 8 | strays.len() as i64 & 255;
    }
    found
}

/// What is known of all live packs.
fn facts(
    repository: &Repository,
    inventory: &Inventory,
    usage: Option<&Usage>,
    fence: &[SessionId],
) -> Result<Vec<Fact>> {
    let state = repository.state();
    let in_set = state.needed();
    let mut lookup = repository.lookup()?;
    let pinned = pinned(state, usage, fence);
    let mut facts = Vec::new();
    for (ordinal, pack) in (0u32..).zip(&state.packs) {
        let at = ordinal as usize;
        if pack.state != PackState::Live {
            continue;
        }
        let found = usage.and_then(|usage| usage.packs.get(&ordinal));
        let mut fact = Fact {
            ordinal,
            len: pack.len,
            scope: 0,
            total: 0,
            used: usage.map(|_| 0),
            described: 0,
            in_set: in_set[at],
            is_pinned: pinned.contains(&ordinal),
            is_readable: false,
        };
        // Only of what may be repacked more has to be known.
        if let Some(found) = found {
            fact.used = Some(pack.len);
            let Some(known) = lookup.pack_if_there(ordinal)? else {
                facts.push(fact);
                continue;
            };
            let (used, total) = found.share(&known.pack);
            (fact.used, fact.total) = (Some(used), total);
            fact.described = segment::encoded_len(&known.pack) as u64;
            if let Ok((header, _)) = Header::decode(&known.pack.header) {
                fact.scope = header.scope;
                let is_there = inventory.packs[at] == Some(pack.len);
                fact.is_readable = is_there && repository.access().has_scope(header.scope);
            }
        }
        facts.push(fact);
    }
    Ok(facts)
}

/// By how much segments get smaller when they are merged: what describes packs that go, goes too.
fn segments(
    repository: &Repository,
    inventory: &Inventory,
    facts: &[Fact],
    choice: &Choice,
    is_at_once: bool,
) -> i64 {
    let state = repository.state();
    // Of what nobody looked at it is not known, and what is marked and stays is described as well.
    let is_known = facts.iter().all(|fact| fact.used.is_some());
    if !is_known || !is_at_once {
        return 0;
    }
    let sized = sized(state, repository.access(), inventory);
    let all: u64 = sized.iter().map(|(_, _, size)| *size).sum();
    let by_id: HashMap<SegmentId, u64> = sized.iter().map(|(id, _, size)| (*id, *size)).collect();
    let merged: Vec<SegmentId> = groups(&sized).into_iter().flat_map(|(_, ids)| ids).collect();
    let merged: u64 = merged.iter().filter_map(|id| by_id.get(id)).sum();
    let anew: HashSet<u32> = choice.repack.iter().map(|fact| fact.ordinal).collect();
    let stay = facts.iter().filter(|fact| !anew.contains(&fact.ordinal));
    let stay: u64 = stay.map(|fact| fact.described).sum();
    // A row for each chunk: what else is said of a pack is said of few.
    let rows =
        |fact: &Fact| fact.described.saturating_sub(PACK_HEAD) * fact.kept() / fact.total.max(1);
    let anew: u64 = choice.repack.iter().map(rows).sum();
    let after = (stay * merged).checked_div(all).unwrap_or(0);
    merged.saturating_sub(after) as i64 - anew as i64
}

/// Packs that are not to be touched because of who relies on them.
fn pinned(state: &State, usage: Option<&Usage>, fence: &[SessionId]) -> HashSet<u32> {
    let mut pinned = HashSet::new();
    let is_open = |id: &SessionId| {
        state.session_state(*id) == Some(SessionState::Open) && !fence.contains(id)
    };
    for (ordinal, pack) in (0u32..).zip(&state.packs) {
        if is_open(&pack.session) {
            pinned.insert(ordinal);
        }
    }
    for (_, hold) in state.holds.iter().filter(|(id, _)| is_open(id)) {
        pinned.extend(hold.iter());
    }
    if let Some(usage) = usage {
        let broken = state.live_snapshots().filter(|s| usage.broken.contains_key(&s.id));
        pinned.extend(broken.flat_map(|s| s.set.iter()));
    }
    pinned
}

fn stays(facts: &[Fact], choice: &Choice, aged: &Aged, inventory: &Inventory) -> Stays {
    let repacked = choice.repack.iter().map(|fact| fact.ordinal);
    let goes: HashSet<u32> = choice.whole.iter().copied().chain(repacked).collect();
    let mut stays = Stays::default();
    for fact in facts.iter().filter(|fact| !goes.contains(&fact.ordinal)) {
        let is_unused = fact.used.map_or(!fact.in_set, |used| used == 0);
        if is_unused {
            stays.pinned.add(fact.len);
        } else if fact.total > 0 && fact.unused() > 0 {
            stays.partly.add(fact.unused());
        }
    }
    let running = inventory.pending.iter().filter(|(id, _)| !aged.fence.contains(id));
    stays.running = running.flat_map(|(_, strays)| strays).map(|stray| stray.size).collect();
    stays
}

fn amount<T>(of: &[T], size: impl Fn(&T) -> u64) -> Amount {
    of.iter().map(size).collect()
}

fn strays<'i>(inventory: &'i Inventory, session: &SessionId) -> &'i [Stray] {
    inventory.pending.get(session).map_or(&[], Vec::as_slice)
}
