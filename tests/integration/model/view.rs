//! What actors and invariants look at in a state: the real fold, by runs and in few bytes.

use super::deed::Deed;
use super::world::{
    Chunks, RUNS, Run, Runs, each, has, of_manifest, of_pack, of_segment, only, run_of_session,
    there, turn_of,
};
use esker::repository::state::State;
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ordinals::Ordinals;

/// What the log says of the pack of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pack {
    /// None when no entry names it.
    pub state: Option<PackState>,
    pub chunks: Chunks,
}

/// What the log says of the snapshot of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Snapshot {
    #[default]
    None,
    Live,
    Forgotten,
    /// It was there.
    Gone,
}

/// A state, by runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct View {
    pub packs: [Pack; RUNS],
    pub snapshots: [Snapshot; RUNS],
    /// The pack sets of the snapshots.
    pub sets: [Runs; RUNS],
    pub sessions: [Option<SessionState>; RUNS],
    /// Packs that open sessions hold.
    pub held: Runs,
    /// Live segments, each with the packs that it describes.
    pub segments: [Runs; RUNS],
    /// Segments that were live and are no longer: whoever collects removes them.
    pub merged: [Runs; RUNS],
    /// What has happened so far, see [`Event`].
    pub events: u32,
}

/// Something that an entry did.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum Event {
    /// A commit made a marked pack live again.
    CommitRevives = 1,
    UnforgetRevives = 1 << 1,
    HoldRevives = 1 << 2,
    /// A collector ended a session.
    Fences = 1 << 3,
    /// A run took over a pack of another one.
    Adopts = 1 << 4,
    Repacks = 1 << 6,
    /// A pack gave way to another one that has the same chunks.
    StandsIn = 1 << 7,
    Narrows = 1 << 8,
    Compacts = 1 << 9,
    /// I3: a commit needs a pack that is given up.
    NeedsGivenUp = 1 << 20,
    /// I5: something of a fenced session became visible.
    Fenced = 1 << 21,
    /// A snapshot is gone that was not forgotten.
    TakesLive = 1 << 23,
    /// I7: an entry that is said twice counts twice.
    Repeatable = 1 << 22,
}

impl View {
    /// The view of a state; `before` is that of the log without its last entry.
    pub fn of(state: &State, before: &Self) -> Self {
        let runs = |set: &Ordinals| {
            set.iter().fold(0, |runs, o| runs | only(of_pack(state.packs[o as usize].id).0))
        };
        let mut view = Self { events: before.events, ..Self::default() };
        for pack in &state.packs {
            let (run, chunks) = of_pack(pack.id);
            view.packs[usize::from(run)] = Pack { state: Some(pack.state), chunks };
        }
        for run in 0..RUNS {
            if before.snapshots[run] != Snapshot::None {
                view.snapshots[run] = Snapshot::Gone;
            }
        }
        for snapshot in &state.snapshots {
            let run = usize::from(of_manifest(snapshot.id));
            view.sets[run] = runs(&snapshot.set);
            view.snapshots[run] =
                if snapshot.forgotten { Snapshot::Forgotten } else { Snapshot::Live };
        }
        for (id, session) in &state.sessions {
            view.sessions[usize::from(run_of_session(*id))] = Some(session.state);
        }
        view.held = state.holds.values().fold(0, |held, hold| held | runs(hold));
        for live in &state.segments {
            let (run, packs) = of_segment(live.id);
            view.segments[usize::from(run)] = packs;
        }
        for run in 0..RUNS {
            if view.segments[run] == 0 {
                view.merged[run] = before.segments[run] | before.merged[run];
            }
        }
        view
    }

    /// Notes what the last entry did, after `before`.
    pub fn note(&mut self, before: &Self, deed: &Deed) {
        let mut events = 0;
        let mut note = |event: Event, happened: bool| {
            if happened {
                events |= event as u32;
            }
        };
        let revives = (0..RUNS).any(|run| {
            before.packs[run].state == Some(PackState::Marked)
                && self.packs[run].state == Some(PackState::Live)
        });
        let came = (0..RUNS)
            .filter(|run| before.packs[*run].state.is_none() && self.packs[*run].state.is_some())
            .fold(0, |came, run| came | only(run as Run));
        let aborted = (0..RUNS)
            .filter(|run| before.sessions[*run] == Some(SessionState::Aborted))
            .fold(0, |aborted, run| aborted | only(run as Run));
        note(Event::Fenced, came & aborted != 0);
        match *deed {
            // It was void.
            Deed::Commit { run, .. } if self.snapshots[usize::from(run)] != Snapshot::Live => {}
            Deed::Commit { run, .. } => {
                note(Event::CommitRevives, revives);
                note(Event::Adopts, came & !only(run) != 0);
                note(Event::Fenced, has(aborted, run));
                let gone = |r| before.packs[usize::from(r)].state == Some(PackState::Deleting);
                note(Event::NeedsGivenUp, each(self.sets[usize::from(run)]).any(gone));
            }
            Deed::Add { run, .. } => {
                note(Event::HoldRevives, revives);
                note(Event::Adopts, came & !only(run) != 0);
            }
            Deed::Unforget { .. } => note(Event::UnforgetRevives, revives),
            Deed::Fence { run, .. } => {
                let ended = |view: &Self| view.sessions[usize::from(run)];
                note(Event::Fences, ended(before) != ended(self));
            }
            Deed::Mark { by, made, packs, .. } => {
                let marked = each(packs)
                    .any(|r| self.packs[usize::from(r)].state == Some(PackState::Marked));
                note(Event::Repacks, marked && has(came, turn_of(usize::from(by))));
                note(Event::StandsIn, marked && made == 0 && before.sets != self.sets);
            }
            Deed::Narrow { .. } => note(Event::Narrows, before.sets != self.sets),
            Deed::Delete { .. } => {
                let live = before.snapshots_that_are(Snapshot::Live);
                note(Event::TakesLive, live & self.snapshots_that_are(Snapshot::Gone) != 0);
            }
            Deed::Compact { .. } => {
                note(Event::Compacts, before.segments != self.segments);
                let new = there(&self.segments) & !there(&before.segments);
                note(Event::Fenced, new & aborted != 0);
            }
            Deed::End { .. } | Deed::Forget { .. } => {}
        }
        self.events |= events;
    }

    pub fn state(&self, run: Run) -> Option<PackState> {
        self.packs[usize::from(run)].state
    }

    pub fn session(&self, run: Run) -> Option<SessionState> {
        self.sessions[usize::from(run)]
    }

    /// The packs in one state.
    pub fn packs_that_are(&self, state: PackState) -> Runs {
        (0..RUNS as Run).filter(|r| self.state(*r) == Some(state)).fold(0, |all, r| all | only(r))
    }

    /// The packs that an entry names.
    pub fn known(&self) -> Runs {
        (0..RUNS as Run).filter(|r| self.state(*r).is_some()).fold(0, |all, r| all | only(r))
    }

    /// The snapshots of one kind.
    pub fn snapshots_that_are(&self, kind: Snapshot) -> Runs {
        (0..RUNS as Run)
            .filter(|r| self.snapshots[usize::from(*r)] == kind)
            .fold(0, |all, r| all | only(r))
    }

    /// The packs that live snapshots have in their sets.
    pub fn needed(&self) -> Runs {
        each(self.snapshots_that_are(Snapshot::Live))
            .fold(0, |needed, r| needed | self.sets[usize::from(r)])
    }

    pub const fn was(&self, event: Event) -> bool {
        self.events & event as u32 != 0
    }

    /// Whether a session has ended.
    pub fn has_ended(&self, run: Run) -> bool {
        matches!(self.session(run), Some(SessionState::Aborted | SessionState::Committed))
    }
}
