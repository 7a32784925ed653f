//! A run that writes: looks chunks up, puts what is new, and commits. As in `repository::session`.

use super::bounds::{Bounds, Fault, Job};
use super::deed::Deed;
use super::history::{History, Log};
use super::scene::{Message, Scene};
use super::view::{Snapshot, View};
use super::world::{Chunks, Packs, RUNS, Run, Runs, each, only, run_of, there};
use esker_format::checkpoint::{PackState, SessionState};

/// Where a writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    New,
    /// Its objects are on their way.
    Putting,
    /// They are durable.
    Ready,
    /// An entry is on its way, for the number after this log.
    Waiting(Log, Deed),
    /// Its snapshot was reported as saved.
    Done,
    /// The same, and it ends the session that it took packs over from.
    Ending(Log, Deed),
    /// It reported that there is no snapshot.
    Failed,
    /// Killed.
    Down,
}

/// A writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer {
    pub step: Step,
    pub run: Run,
    /// Packs of its own that are durable as far as it knows, those that it took over included.
    pub own: Packs,
    /// Packs that it found chunks in.
    pub used: Runs,
    /// Its base, and the set that it had then.
    pub base: Option<Run>,
    pub then: Runs,
    pub has_published: bool,
    /// How often it may still start over.
    pub again: u8,
}

impl Writer {
    pub fn new(number: usize, job: Option<Job>) -> Self {
        Self {
            step: if job.is_some() { Step::New } else { Step::Failed },
            run: run_of(number, 0),
            own: [0; RUNS],
            used: 0,
            base: job.and_then(|job| job.base),
            then: 0,
            has_published: false,
            again: job.map_or(0, |job| job.again),
        }
    }

    pub const fn is_alive(&self) -> bool {
        !matches!(self.step, Step::Down | Step::Failed)
    }

    /// Whether it told somebody that its snapshot is saved.
    pub const fn has_reported(&self) -> bool {
        matches!(self.step, Step::Done | Step::Ending(..))
    }

    /// The commit that it would append.
    pub const fn commit(&self, number: u8) -> Deed {
        let Self { run, own, used, base, then, .. } = *self;
        Deed::Commit { by: number, run, own, used, base, then }
    }
}

/// Begins a run, or begins it anew: what is known need not be put. With `adopt`, what the other
/// writer has put is taken over as if that was dead.
pub fn begin(history: &History, scene: &mut Scene, number: usize, adopt: bool) -> Option<()> {
    let bounds = history.bounds();
    let job = bounds.writers[number]?;
    let node = history.node(scene.log);
    let view = &node.view;
    if adopt {
        take_over(bounds, scene, view, number)?;
    }
    let Scene { store, writers, .. } = scene;
    let writer = &mut writers[number];
    let (run, mut own) = (writer.run, writer.own);
    let is_good =
        |r: Run| view.state(r) == Some(PackState::Live) && store.packs[usize::from(r)] != 0;
    // A base of which something is gone is none.
    let usable = |base: &Run| {
        view.snapshots[usize::from(*base)] == Snapshot::Live
            && each(view.sets[usize::from(*base)]).all(is_good)
    };
    writer.base = writer.base.filter(usable);
    writer.then = writer.base.map_or(0, |base| view.sets[usize::from(base)]);
    let mut left = job.target & !writer.base.map_or(0, |base| needs(bounds, base));
    left &= !own.iter().fold(0, |all, chunks| all | chunks);
    writer.used = 0;
    for r in (0..RUNS as Run).filter(|r| is_good(*r)) {
        let found = left & view.packs[usize::from(r)].chunks;
        if found != 0 {
            writer.used |= only(r);
            left &= !found;
        }
    }
    writer.step = Step::Putting;
    own[usize::from(run)] = left;
    let segment = if bounds.has_segments { there(&own) } else { 0 };
    if bounds.has(Fault::CommitsBeforePacksAreDurable) {
        (writer.own, writer.step) = (own, Step::Ready);
    }
    scene.send(Message::Put { run, pack: left, segment, manifest: true });
    Some(())
}

/// Takes over what the other writer knows to have put, is still there, and is in no entry.
fn take_over(bounds: &Bounds, scene: &mut Scene, view: &View, number: usize) -> Option<()> {
    let dead = scene.writers[1 - number];
    if !bounds.writers[number].is_some_and(|job| job.adopts) || scene.writers[number].own != [0; 8]
    {
        return None;
    }
    let at = usize::from(dead.run);
    let chunks = dead.own[at];
    let is_there = chunks != 0 && scene.store.packs[at] == chunks;
    if !is_there || view.state(dead.run).is_some() || view.has_ended(dead.run) {
        return None;
    }
    scene.writers[number].own[at] = chunks;
    Some(())
}

/// The chunks that the snapshot of a run needs.
pub fn needs(bounds: &Bounds, run: Run) -> Chunks {
    use super::world::{A, B, E, KEPT, LOOSE};
    match run {
        KEPT => A,
        LOOSE if bounds.has_copies => A | B | E,
        LOOSE => B | E,
        _ => bounds
            .writers
            .iter()
            .zip(0..)
            .find(|(_, number)| run_of(*number, 0) == run || run_of(*number, 1) == run)
            .and_then(|(job, _)| job.map(|job| job.target))
            .unwrap_or(0),
    }
}

/// Replays to the end and appends there, when the log takes it; else starts over or gives up.
pub fn append(history: &History, scene: &mut Scene, number: usize, deed: Deed) -> Option<()> {
    let log = scene.log;
    if history.weigh(log, deed).is_err() {
        return start_over(history, scene, number, deed);
    }
    scene.writers[number].step = Step::Waiting(log, deed);
    scene.send(Message::Append { log, deed });
    Some(())
}

/// The log does not take the entry, and never will: the next run keeps what can be kept.
fn start_over(history: &History, scene: &mut Scene, number: usize, deed: Deed) -> Option<()> {
    let node = history.node(scene.log);
    let writer = &mut scene.writers[number];
    if matches!(deed, Deed::Add { .. }) {
        // The commit will find out.
        return None;
    }
    if writer.again == 0 {
        writer.step = Step::Failed;
        return Some(());
    }
    writer.again -= 1;
    let old = writer.own;
    for r in each(there(&old)) {
        let is_published = node.view.state(r).is_some();
        let is_fenced = node.view.session(r) == Some(SessionState::Aborted);
        if is_published || is_fenced || node.view.has_ended(r) {
            writer.own[usize::from(r)] = 0;
        }
    }
    (writer.run, writer.step, writer.has_published) = (writer.run + 1, Step::New, false);
    writer.base = None;
    Some(())
}

/// Publishes what was put, and holds what was looked up.
pub fn publish(history: &History, scene: &mut Scene, number: usize) -> Option<()> {
    let writer = scene.writers[number];
    let job = history.bounds().writers[number]?;
    if !job.publishes || writer.has_published {
        return None;
    }
    let deed = Deed::Add { by: number as u8, run: writer.run, own: writer.own, hold: writer.used };
    append(history, scene, number, deed)
}

/// After its commit: ends the session of the run that it took over, where the log has it as open.
pub fn end_adopted(history: &History, scene: &mut Scene, number: usize) -> Option<()> {
    let run = scene.writers[1 - number].run;
    if scene.writers[number].own[usize::from(run)] == 0 {
        return None;
    }
    let deed = Deed::End { by: number as u8, run };
    history.weigh(scene.log, deed).ok()?;
    scene.writers[number].step = Step::Ending(scene.log, deed);
    scene.send(Message::Append { log: scene.log, deed });
    Some(())
}

/// It learns what became of its append.
pub fn learn(scene: &mut Scene, number: usize, deed: Deed, is_in: bool) {
    let writer = &mut scene.writers[number];
    match (deed, is_in) {
        (Deed::Commit { .. }, true) => writer.step = Step::Done,
        (Deed::End { .. }, _) => writer.step = Step::Done,
        (Deed::Add { .. }, true) => (writer.step, writer.has_published) = (Step::Ready, true),
        _ => writer.step = Step::Ready,
    }
}
