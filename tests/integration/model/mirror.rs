//! A copy of the store, made by name: objects first, then log entries from the newest downwards.

use super::bounds::Fault;
use super::deed::Deed;
use super::history::{History, Log, START};
use super::scene::{Kind, Objects, Scene, Store};
use super::view::{Snapshot, View};
use super::world::{RUNS, Run, has, only, there};
use esker_format::checkpoint::PackState;

/// Where a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Idle,
    /// It has read where the log ends, and lists next.
    Tailed,
    /// It copies what it has listed.
    Copying,
    /// It puts log entries.
    Putting,
}

/// A mirror. It begins empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mirror {
    pub step: Step,
    /// The end of the log that is to be copied.
    pub tail: Log,
    pub todo: Objects,
    /// Whether something that was listed was gone.
    pub missed: bool,
    pub store: Store,
    /// Log entries that the mirror has, a bit for each; the first log counts as one.
    pub entries: u32,
}

impl Mirror {
    pub fn new(store: Store, entries: u32) -> Self {
        let todo = Objects::default();
        Self { step: Step::Idle, tail: START, todo, missed: false, store, entries }
    }

    /// Entries without a gap.
    pub const fn len(&self) -> u8 {
        self.entries.trailing_ones() as u8
    }
}

/// What the mirror does next; `None` when it does nothing.
pub fn step(history: &History, scene: &mut Scene) -> Option<()> {
    let bounds = history.bounds();
    let (log, list) = (scene.log, scene.store.list());
    let mirror = &mut scene.mirror;
    let first = mirror.todo.each().next();
    match mirror.step {
        Step::Idle => {
            scene.left.syncs = scene.left.syncs.checked_sub(1)?;
            if bounds.has(Fault::ListsBeforeTheTail) {
                mirror.todo = list.without(&mirror.store.list());
            }
            (mirror.step, mirror.tail, mirror.missed) = (Step::Tailed, log, false);
        }
        Step::Tailed => {
            match bounds.has(Fault::ListsBeforeTheTail) {
                true => mirror.tail = log,
                false => mirror.todo = list.without(&mirror.store.list()),
            }
            mirror.step = Step::Copying;
        }
        Step::Copying => match first {
            Some((kind, run)) => {
                *mirror.todo.of_mut(kind) &= !only(run);
                mirror.missed |= !mirror.store.copy(&scene.store, kind, run);
            }
            None if (mirror.missed || deletes(history, mirror.tail, log))
                && !bounds.has(Fault::IgnoresDeletes) =>
            {
                // What the old end needs may be gone: from here on it is about the new one.
                if !bounds.has(Fault::KeepsTheOldTail) {
                    mirror.tail = log;
                    mirror.step = Step::Tailed;
                } else {
                    mirror.step = Step::Putting;
                }
                mirror.missed = false;
            }
            None => mirror.step = Step::Putting,
        },
        Step::Putting => match next(history, mirror) {
            Some(entry) => mirror.entries |= 1 << entry,
            None => {
                mirror.step = Step::Idle;
                mirror.tail = START;
            }
        },
    }
    Some(())
}

/// The next log entry to be put, by its number from 0.
pub fn next(history: &History, mirror: &Mirror) -> Option<u8> {
    if mirror.step != Step::Putting {
        return None;
    }
    let mut missing = (0..=history.node(mirror.tail).len).filter(|n| mirror.entries >> n & 1 == 0);
    match history.bounds().has(Fault::PutsEntriesUpwards) {
        true => missing.next(),
        false => missing.next_back(),
    }
}

/// Whether an entry behind `from` says, readable for all, that objects may go.
fn deletes(history: &History, from: Log, mut log: Log) -> bool {
    let len = history.node(from).len;
    loop {
        let node = history.node(log);
        if node.len <= len {
            return false;
        }
        if let Some(
            Deed::Delete { .. } | Deed::Fence { .. } | Deed::End { .. } | Deed::Compact { .. },
        ) = node.deed
        {
            return true;
        }
        log = node.parent;
    }
}

/// What the log of the mirror says, where it has one.
pub fn view(history: &History, scene: &Scene) -> Option<&'static View> {
    let len = scene.mirror.len().checked_sub(1)?;
    Some(&history.node(history.cut(scene.log, len)).view)
}

/// Removes the first object of the mirror that its log gave up.
pub fn sweep(history: &History, scene: &mut Scene) -> Option<()> {
    scene.left.sweeps = scene.left.sweeps.checked_sub(1)?;
    let view = view(history, scene)?;
    let gone = (0..RUNS).filter(|r| view.snapshots[*r] == Snapshot::Gone);
    let given_up = Objects {
        packs: view.packs_that_are(PackState::Deleting),
        segments: there(&view.merged),
        manifests: gone.fold(0, |all, r| all | only(r as Run)),
    };
    let is_given_up = |(kind, run): &(Kind, Run)| has(given_up.of(*kind), *run);
    let (kind, run) = scene.mirror.store.list().each().find(is_given_up)?;
    scene.mirror.store.remove(kind, run);
    Some(())
}
