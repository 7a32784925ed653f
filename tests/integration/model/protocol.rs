//! The model: which steps there are in a state, and where they lead.

use super::bounds::{Bounds, Fault, loose};
use super::collector::{self, Collector, Plan, Step as Turn};
use super::deed::{Deed, one};
use super::history::{History, START};
use super::invariants;
use super::mirror::{self, Mirror};
use super::scene::{Kind, Message, Scene, Store};
use super::world::{A, B, KEPT, LOOSE, RUNS, Run, each, has, only, there, turn_of};
use super::writer::{self, Step, Writer};
use stateright::{Model, Property};

/// A step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A writer looks its chunks up, and sends what is new to the store.
    Begin(u8),
    /// The same, and it takes over what the other one has put.
    TakeOver(u8),
    Publish(u8),
    Commit(u8),
    EndAdopted(u8),
    /// It asks whether its entry is in the log.
    LookUp(u8),
    KillWriter(u8),
    Forget(Run),
    Unforget(Run),
    Plan(u8, Plan),
    Send(u8),
    List(u8),
    Fence(u8, Run),
    RemoveOrphan(u8, Kind, Run),
    Remove(Kind, Run),
    /// It has listed enough.
    Leave(u8),
    /// It no longer waits for its entry, and goes on.
    Tire(u8),
    KillCollector(u8),
    /// A request arrives, and its sender learns of it.
    Arrive(Message),
    /// A request arrives, and the reply is lost.
    ArriveMutely(Message),
    /// A request arrives, and will arrive once more.
    ArriveAgain(Message),
    Sync,
    KillSync,
    Sweep,
}

/// The model.
pub struct Protocol {
    pub history: History,
}

impl Protocol {
    pub fn new(bounds: Bounds) -> Self {
        Self { history: History::new(bounds) }
    }

    fn bounds(&self) -> &Bounds {
        self.history.bounds()
    }

    /// A request arrives.
    fn arrive(&self, scene: &mut Scene, message: Message, is_mute: bool) {
        match message {
            Message::Put { run, pack, segment, manifest } => {
                let store = &mut scene.store;
                let at = usize::from(run);
                store.packs[at] |= pack;
                store.segments[at] |= segment;
                if manifest {
                    store.manifests |= only(run);
                }
                self.put_is_known(scene, run, pack);
            }
            Message::Append { log, deed } => self.append(scene, log, deed, is_mute),
            Message::Remove { kind, run } => scene.store.remove(kind, run),
            Message::Mirror { entry } => scene.mirror.entries |= 1 << entry,
        }
    }

    fn put_is_known(&self, scene: &mut Scene, run: Run, pack: u8) {
        for writer in scene.writers.iter_mut().filter(|w| w.run == run) {
            if writer.step == Step::Putting {
                writer.own[usize::from(run)] = pack;
                writer.step = Step::Ready;
            }
        }
        for (number, collector) in scene.collectors.iter_mut().enumerate() {
            if let (true, Turn::Putting(deed)) = (run == turn_of(number), collector.step) {
                collector.step = Turn::Planned(deed, Default::default());
            }
        }
    }

    fn append(&self, scene: &mut Scene, log: u32, deed: Deed, is_mute: bool) {
        let bounds = self.bounds();
        let is_blind = match deed {
            Deed::Commit { .. } => {
                bounds.has(Fault::AppendsBlindly) || bounds.has(Fault::ReportsVoidCommits)
            }
            Deed::Mark { .. } => bounds.has(Fault::MarksBlindly),
            _ => false,
        };
        let is_in = scene.log == log || is_blind || bounds.has(Fault::StoreOverwrites);
        if is_in {
            let at = if bounds.has(Fault::StoreOverwrites) { log } else { scene.log };
            let next = self.history.append(at, deed);
            scene.is_hollow |= !self.is_founded(scene, next, deed);
            scene.log = next;
        }
        if is_mute {
            return;
        }
        for number in 0..2 {
            let step = scene.writers[number].step;
            if step == Step::Waiting(log, deed) || step == Step::Ending(log, deed) {
                writer::learn(scene, number, deed, is_in);
            }
            if let Turn::Waiting(at, what, orphans) = scene.collectors[number].step
                && (at, what) == (log, deed)
            {
                collector::learn(scene, number, deed, orphans, is_in);
            }
        }
    }

    /// I1: whether what an entry brings is in the store.
    fn is_founded(&self, scene: &Scene, log: u32, deed: Deed) -> bool {
        let node = self.history.node(log);
        let before = self.history.node(node.parent);
        let (now, then) = (&node.view, &before.view);
        let packs = each(now.known() & !then.known());
        let segments = each(there(&now.segments) & !there(&then.segments));
        let is_pack = |r: Run| scene.store.packs[usize::from(r)] != 0;
        let is_segment = |r: Run| scene.store.segments[usize::from(r)] != 0;
        let manifest = match deed {
            Deed::Commit { run, .. } if now.snapshots != then.snapshots => only(run),
            _ => 0,
        };
        packs.into_iter().all(is_pack)
            && segments.into_iter().all(is_segment)
            && scene.store.manifests & manifest == manifest
    }

    /// A writer whose reply was lost looks at the number that it wanted.
    fn look_up(&self, scene: &mut Scene, number: usize) -> Option<()> {
        let (Step::Waiting(log, deed) | Step::Ending(log, deed)) = scene.writers[number].step
        else {
            return None;
        };
        if scene.log == log {
            return None;
        }
        let len = self.history.node(log).len;
        let there = self.history.cut(scene.log, len + 1);
        let is_in = self.history.node(there).deed == Some(deed);
        writer::learn(scene, number, deed, is_in);
        Some(())
    }

    fn tire(&self, scene: &mut Scene, number: usize) -> Option<()> {
        let Turn::Waiting(_, _, _) = scene.collectors[number].step else { return None };
        scene.left.tired = scene.left.tired.checked_sub(1)?;
        scene.collectors[number].step = Turn::Idle;
        Some(())
    }

    fn say(&self, scene: &mut Scene, deed: Deed) -> Option<()> {
        // What a person says depends on no state, so that its way to the log is no step of its own.
        self.history.weigh(scene.log, deed).ok()?;
        scene.log = self.history.append(scene.log, deed);
        Some(())
    }

    fn act(&self, scene: &mut Scene, action: Action) -> Option<()> {
        let history = &self.history;
        match action {
            Action::Begin(n) => writer::begin(history, scene, n.into(), false),
            Action::TakeOver(n) => writer::begin(history, scene, n.into(), true),
            Action::Publish(n) => writer::publish(history, scene, n.into()),
            Action::Commit(n) => {
                let deed = scene.writers[usize::from(n)].commit(n);
                writer::append(history, scene, n.into(), deed)
            }
            Action::EndAdopted(n) => writer::end_adopted(history, scene, n.into()),
            Action::LookUp(n) => self.look_up(scene, n.into()),
            Action::KillWriter(n) => {
                scene.left.crashes = scene.left.crashes.checked_sub(1)?;
                scene.writers[usize::from(n)].step = Step::Down;
                Some(())
            }
            Action::Forget(run) => {
                scene.left.forgets = scene.left.forgets.checked_sub(1)?;
                self.say(scene, Deed::Forget { run })
            }
            Action::Unforget(run) => {
                let nth = scene.left.unforgets;
                scene.left.unforgets = nth.checked_sub(1)?;
                self.say(scene, Deed::Unforget { run, nth })
            }
            Action::Plan(n, plan) => collector::plan(history, scene, n.into(), plan),
            Action::Send(n) => collector::send(history, scene, n.into()),
            Action::List(n) => collector::list(history, scene, n.into()),
            Action::Fence(n, run) => collector::fence(history, scene, n.into(), run),
            Action::RemoveOrphan(n, kind, run) => {
                collector::remove_orphan(history, scene, n.into(), (kind, run))
            }
            Action::Remove(kind, run) => {
                scene.send(Message::Remove { kind, run });
                Some(())
            }
            Action::Leave(n) => {
                scene.collectors[usize::from(n)].step = Turn::Idle;
                Some(())
            }
            Action::Tire(n) => self.tire(scene, n.into()),
            Action::KillCollector(n) => {
                scene.left.crashes = scene.left.crashes.checked_sub(1)?;
                scene.collectors[usize::from(n)].step = Turn::Down;
                Some(())
            }
            Action::Arrive(message) => {
                scene.forget(&message);
                self.arrive(scene, message, false);
                Some(())
            }
            Action::ArriveMutely(message) => {
                scene.left.mute = scene.left.mute.checked_sub(1)?;
                scene.forget(&message);
                self.arrive(scene, message, true);
                Some(())
            }
            Action::ArriveAgain(message) => {
                scene.left.repeats = scene.left.repeats.checked_sub(1)?;
                self.arrive(scene, message, false);
                Some(())
            }
            Action::Sync => mirror::step(history, scene),
            Action::KillSync => {
                scene.left.crashes = scene.left.crashes.checked_sub(1)?;
                if let Some(entry) = mirror::next(history, &scene.mirror) {
                    scene.send(Message::Mirror { entry });
                }
                let Mirror { store, entries, .. } = scene.mirror;
                scene.mirror = Mirror::new(store, entries);
                Some(())
            }
            Action::Sweep => mirror::sweep(history, scene),
        }
    }

    fn writer_actions(&self, scene: &Scene, number: u8, actions: &mut Vec<Action>) {
        let writer = &scene.writers[usize::from(number)];
        match writer.step {
            Step::New => actions.extend([Action::Begin(number), Action::TakeOver(number)]),
            Step::Ready => actions.extend([Action::Commit(number), Action::Publish(number)]),
            Step::Done => actions.push(Action::EndAdopted(number)),
            Step::Waiting(..) | Step::Ending(..) => actions.push(Action::LookUp(number)),
            Step::Putting | Step::Failed | Step::Down => {}
        }
        // To be killed before the first step, or after the last one, is nothing new.
        if scene.left.crashes > 0
            && writer.is_alive()
            && !matches!(writer.step, Step::New | Step::Done | Step::Ending(..))
        {
            actions.push(Action::KillWriter(number));
        }
    }

    fn collector_actions(&self, scene: &Scene, number: u8, actions: &mut Vec<Action>) {
        match scene.collectors[usize::from(number)].step {
            Turn::Idle => {
                let plans = collector::plans(self.bounds().repackable, &scene.left);
                actions.extend(plans.into_iter().map(|plan| Action::Plan(number, plan)));
                if scene.left.lists > 0 {
                    actions.push(Action::List(number));
                }
                return;
            }
            Turn::Listed(listed) => {
                actions.extend(each(listed.any()).map(|run| Action::Fence(number, run)));
                let orphans = listed.each().map(|(k, r)| Action::RemoveOrphan(number, k, r));
                actions.extend(orphans);
                actions.push(Action::Leave(number));
            }
            Turn::Planned(..) => actions.push(Action::Send(number)),
            Turn::Waiting(..) => actions.push(Action::Tire(number)),
            Turn::Putting(_) | Turn::Down => {}
        }
        if scene.left.crashes > 0 && scene.collectors[usize::from(number)].step != Turn::Down {
            actions.push(Action::KillCollector(number));
        }
    }
}

impl Model for Protocol {
    type State = Scene;
    type Action = Action;

    fn init_states(&self) -> Vec<Scene> {
        let bounds = self.bounds();
        let mut store = Store { manifests: only(KEPT) | only(LOOSE), ..Store::default() };
        (store.packs[usize::from(KEPT)], store.packs[usize::from(LOOSE)]) = (A | B, loose(bounds));
        if bounds.has_segments {
            store.segments[usize::from(KEPT)] = there(&one(KEPT, A | B));
            store.segments[usize::from(LOOSE)] = there(&one(LOOSE, loose(bounds)));
        }
        vec![Scene {
            log: START,
            store,
            flight: Vec::new(),
            writers: [0, 1].map(|n| Writer::new(n, bounds.writers[n])),
            collectors: [0, 1].map(|n| Collector::new(n < bounds.collectors)),
            mirror: Mirror::new(Store::default(), 0),
            left: bounds.left,
            is_hollow: false,
        }]
    }

    fn actions(&self, scene: &Scene, actions: &mut Vec<Action>) {
        for message in &scene.flight {
            actions.push(Action::Arrive(*message));
            if matches!(message, Message::Append { deed, .. } if deed.is_of_writer())
                && scene.left.mute > 0
            {
                actions.push(Action::ArriveMutely(*message));
            }
            if matches!(message, Message::Put { .. } | Message::Remove { .. })
                && scene.left.repeats > 0
            {
                actions.push(Action::ArriveAgain(*message));
            }
        }
        (0..2).for_each(|number| self.writer_actions(scene, number, actions));
        (0..2).for_each(|number| self.collector_actions(scene, number, actions));
        let alive = |c: &Collector| matches!(c.step, Turn::Idle | Turn::Listed(_));
        if scene.collectors.iter().any(alive) {
            let given_up = collector::given_up(&self.history, scene);
            actions.extend(given_up.each().map(|(kind, run)| Action::Remove(kind, run)));
        }
        for run in (0..RUNS as Run).filter(|r| has(self.bounds().forgettable, *r)) {
            actions.extend((scene.left.forgets > 0).then_some(Action::Forget(run)));
            actions.extend((scene.left.unforgets > 0).then_some(Action::Unforget(run)));
        }
        if self.bounds().left.syncs > 0 {
            actions.extend([Action::Sync, Action::Sweep]);
            if scene.mirror.step != mirror::Step::Idle {
                actions.push(Action::KillSync);
            }
        }
    }

    fn next_state(&self, last: &Scene, action: Action) -> Option<Scene> {
        let mut scene = last.clone();
        self.act(&mut scene, action)?;
        (scene != *last).then_some(scene)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants::all(self.bounds())
    }
}
