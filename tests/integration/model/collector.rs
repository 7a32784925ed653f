//! A collection: plans on one state of the log, and carries the plan out on a later one.

use super::bounds::{Fault, Left};
use super::deed::Deed;
use super::history::{History, Log};
use super::scene::{Kind, Message, Objects, Scene};
use super::view::{Snapshot, View};
use super::world::{Chunks, RUNS, Run, Runs, each, has, only, there, turn_of};
use super::writer::needs;
use esker_format::checkpoint::{PackState, SessionState};

/// Where a collector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Idle,
    /// What its plan needs is on its way.
    Putting(Deed),
    /// To be said at the end of the log, when it is still valid there. The objects are those that it
    /// has listed, when it looks for what no entry names.
    Planned(Deed, Objects),
    /// On its way, for the number after this log.
    Waiting(Log, Deed, Objects),
    /// It has listed the store.
    Listed(Objects),
    /// Killed.
    Down,
}

/// A collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collector {
    pub step: Step,
    /// Whether it has put the object that a turn can put.
    pub has_put: bool,
}

impl Collector {
    pub const fn new(is_there: bool) -> Self {
        Self { step: if is_there { Step::Idle } else { Step::Down }, has_put: false }
    }
}

/// Something to be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Whole packs that no live snapshot has in its set.
    Mark,
    /// A pack of which only a part is needed: that goes into a new one.
    Repack(Run),
    /// Packs of which a walk finds nothing in use.
    MarkUnused,
    /// The set of a snapshot.
    Narrow(Run),
    /// What is marked; with the manifests of what is forgotten, or without.
    Delete { manifests: bool },
    /// All segments become one.
    Compact,
}

/// What of which packs a snapshot needs, wherever it is found: one collector takes the oldest pack
/// that has a chunk, the other one the newest.
fn walk(history: &History, view: &View, number: usize, run: Run) -> [Chunks; RUNS] {
    let bounds = history.bounds();
    let mut left = needs(bounds, run);
    let mut found = [0; RUNS];
    let mut order: Vec<Run> = each(view.packs_that_are(PackState::Live)).collect();
    if number == 1 {
        order.reverse();
    }
    for r in order {
        found[usize::from(r)] = left & view.packs[usize::from(r)].chunks;
        left &= !found[usize::from(r)];
    }
    found
}

/// Plans, at the end of the log.
pub fn plan(history: &History, scene: &mut Scene, number: usize, plan: Plan) -> Option<()> {
    let node = history.node(scene.log);
    let (view, by, at) = (&node.view, number as u8, scene.log);
    let live = view.snapshots_that_are(Snapshot::Live);
    let is_walked = matches!(plan, Plan::MarkUnused | Plan::Repack(_) | Plan::Narrow(_));
    let walks: Vec<(Run, [Chunks; RUNS])> = each(if is_walked { live } else { 0 })
        .map(|s| (s, walk(history, view, number, s)))
        .collect();
    let used = |pack: Run| walks.iter().fold(0, |used, (_, found)| used | found[usize::from(pack)]);
    let mut covers = [0; RUNS];
    walks.iter().for_each(|(s, found)| covers[usize::from(*s)] = there(found));
    let is_free =
        |pack: &Run| view.session(*pack) != Some(SessionState::Open) && !has(view.held, *pack);
    let all = view.packs_that_are(PackState::Live);
    let left = &mut scene.left;
    let collector = &mut scene.collectors[number];
    let deed = match plan {
        Plan::Mark => {
            left.marks = left.marks.checked_sub(1)?;
            let packs = each(all & !view.needed()).filter(is_free).fold(0, |all, r| all | only(r));
            if packs == 0 {
                return None;
            }
            Deed::Mark { by, packs, fresh: 0, made: 0, covers: [0; RUNS], at }
        }
        Plan::MarkUnused => {
            left.walks = left.walks.checked_sub(1)?;
            let packs = each(all).filter(is_free).filter(|r| used(*r) == 0);
            let packs = packs.fold(0, |all, r| all | only(r));
            if packs == 0 {
                return None;
            }
            Deed::Mark { by, packs, fresh: 0, made: 0, covers, at }
        }
        Plan::Repack(old) => {
            left.repacks = left.repacks.checked_sub(1)?;
            let made = used(old);
            let is_poor = made != view.packs[usize::from(old)].chunks && made != 0;
            if !has(all, old) || !is_free(&old) || !is_poor || collector.has_put {
                return None;
            }
            Deed::Mark { by, packs: only(old), fresh: only(old), made, covers, at }
        }
        Plan::Narrow(run) => {
            left.narrows = left.narrows.checked_sub(1)?;
            let mut set = covers[usize::from(run)];
            if history.bounds().has(Fault::NarrowsTooFar) {
                set &= view.sets[usize::from(run)];
            }
            if !has(live, run) || set == view.sets[usize::from(run)] {
                return None;
            }
            Deed::Narrow { by, run, set, at }
        }
        Plan::Delete { manifests } => {
            left.deletes = left.deletes.checked_sub(1)?;
            let packs = view.packs_that_are(PackState::Marked);
            let forgotten = view.snapshots_that_are(Snapshot::Forgotten);
            let manifests = if manifests { forgotten } else { 0 };
            if packs == 0 && manifests == 0 {
                return None;
            }
            Deed::Delete { by, packs, manifests, at }
        }
        Plan::Compact => {
            left.compacts = left.compacts.checked_sub(1)?;
            let old = view.segments;
            let new = old.iter().fold(0, |all, packs| all | packs);
            if there(&old).count_ones() < 2 || collector.has_put {
                return None;
            }
            Deed::Compact { by, old, new, at }
        }
    };
    let turn = turn_of(number);
    let (pack, segment) = match deed {
        Deed::Mark { made, .. } if made != 0 => {
            (made, if history.bounds().has_segments { only(turn) } else { 0 })
        }
        Deed::Compact { new, .. } => (0, new),
        _ => (0, 0),
    };
    collector.step = Step::Planned(deed, Objects::default());
    if pack != 0 || segment != 0 {
        (collector.step, collector.has_put) = (Step::Putting(deed), true);
        scene.send(Message::Put { run: turn, pack, segment, manifest: false });
    }
    Some(())
}

/// Whether a plan still fits, by what was found in which pack, which the rules of the log cannot know:
/// the sets that it leaves behind have all that the walk has found.
fn fits(history: &History, log: Log, deed: Deed) -> bool {
    let view = &history.node(log).view;
    let live = view.snapshots_that_are(Snapshot::Live);
    let is_careless = history.bounds().has(Fault::TrustsOldWalks)
        || history.bounds().has(Fault::LeavesItToTheRules);
    match deed {
        Deed::Mark { packs, covers, .. } if !is_careless => {
            let elsewhere = each(live)
                .map(usize::from)
                .filter(|s| view.sets[*s] & packs != 0)
                .fold(0, |all, s| all | covers[s] & !view.sets[s]);
            elsewhere & !view.packs_that_are(PackState::Live) == 0
        }
        _ => true,
    }
}

/// Whether the log takes a plan at its end.
pub fn is_good(history: &History, log: Log, deed: Deed) -> bool {
    fits(history, log, deed) && history.weigh(log, deed).is_ok()
}

/// Replays to the end and appends the plan there, or drops it.
pub fn send(history: &History, scene: &mut Scene, number: usize) -> Option<()> {
    let Step::Planned(deed, orphans) = scene.collectors[number].step else { return None };
    let log = scene.log;
    if is_good(history, log, deed) {
        scene.collectors[number].step = Step::Waiting(log, deed, orphans);
        scene.send(Message::Append { log, deed });
    } else {
        scene.collectors[number].step = after(orphans);
    }
    Some(())
}

fn after(orphans: Objects) -> Step {
    if orphans.any() == 0 { Step::Idle } else { Step::Listed(orphans) }
}

/// It learns what became of its append.
pub fn learn(scene: &mut Scene, number: usize, deed: Deed, orphans: Objects, is_in: bool) {
    scene.collectors[number].step = match is_in {
        true => after(orphans),
        false => Step::Planned(deed, orphans),
    };
}

/// Lists the store, for what no entry names.
pub fn list(history: &History, scene: &mut Scene, number: usize) -> Option<()> {
    scene.left.lists = scene.left.lists.checked_sub(1)?;
    let found = unnamed(&history.node(scene.log).view, &scene.store.list());
    if found.any() == 0 {
        return None;
    }
    scene.collectors[number].step = Step::Listed(found);
    Some(())
}

/// What of some objects no entry names.
fn unnamed(view: &View, found: &Objects) -> Objects {
    let is_named = |s: &Snapshot| *s != Snapshot::None;
    let manifests = (0..RUNS).filter(|r| is_named(&view.snapshots[*r]));
    found.without(&Objects {
        packs: view.known(),
        segments: there(&view.segments) | there(&view.merged),
        manifests: manifests.fold(0, |all, r| all | only(r as Run)),
    })
}

/// Fences the session of something that no entry names.
pub fn fence(history: &History, scene: &mut Scene, number: usize, run: Run) -> Option<()> {
    let Step::Listed(listed) = scene.collectors[number].step else { return None };
    let view = &history.node(scene.log).view;
    let left = unnamed(view, &listed);
    if !has(left.any(), run) || view.has_ended(run) {
        return None;
    }
    let deed = Deed::Fence { by: number as u8, run, at: scene.log };
    scene.collectors[number].step = Step::Planned(deed, listed);
    Some(())
}

/// Removes something that it has listed, when no entry names it and none will.
pub fn remove_orphan(
    history: &History,
    scene: &mut Scene,
    number: usize,
    (kind, run): (Kind, Run),
) -> Option<()> {
    let Step::Listed(mut listed) = scene.collectors[number].step else { return None };
    let bounds = history.bounds();
    let view = &history.node(scene.log).view;
    let is_unnamed = has(unnamed(view, &listed).of(kind), run)
        || bounds.has(Fault::JudgesOrphansByAnOldState) && has(listed.of(kind), run);
    let is_over = view.has_ended(run) || bounds.has(Fault::FencesNobody);
    if !is_unnamed || !is_over {
        return None;
    }
    *listed.of_mut(kind) &= !only(run);
    scene.collectors[number].step = after(listed);
    scene.send(Message::Remove { kind, run });
    Some(())
}

/// What is there, the log has given up, and nobody is about to remove.
pub fn given_up(history: &History, scene: &Scene) -> Objects {
    let view = &history.node(scene.log).view;
    let mut packs = view.packs_that_are(PackState::Deleting);
    if history.bounds().has(Fault::RemovesWhatIsMarked) {
        packs |= view.packs_that_are(PackState::Marked);
    }
    let there_is = scene.store.list();
    let mut all = Objects {
        packs: packs & there_is.packs,
        segments: there(&view.merged) & there_is.segments,
        manifests: view.snapshots_that_are(Snapshot::Gone) & there_is.manifests,
    };
    for message in &scene.flight {
        if let Message::Remove { kind, run } = message {
            *all.of_mut(*kind) &= !only(*run);
        }
    }
    all
}

/// What can be planned, of so much that is left.
pub fn plans(repackable: Runs, left: &Left) -> Vec<Plan> {
    let mut plans = Vec::new();
    plans.extend((left.marks > 0).then_some(Plan::Mark));
    plans.extend((left.walks > 0).then_some(Plan::MarkUnused));
    plans.extend((left.compacts > 0).then_some(Plan::Compact));
    if left.deletes > 0 {
        plans.extend([false, true].map(|manifests| Plan::Delete { manifests }));
    }
    if left.repacks > 0 {
        plans.extend(each(repackable).map(Plan::Repack));
    }
    if left.narrows > 0 {
        plans.extend((0..RUNS as Run).map(Plan::Narrow));
    }
    plans
}
