//! The world of one seed: a store, a clock, who is next, what goes wrong, and what must hold.
//!
//! Every actor is a thread, and a call to the store is a step: the thread waits until it is its
//! turn, and nobody else does anything meanwhile. So the seed alone decides what happens.

use super::control;
use super::counters::Counters;
use super::faults::{Fate, Odds, Step};
use super::objects::Objects;
use super::oracle::Oracle;
use super::random::Random;
use super::schedule::Schedule;
use crate::store::{Durability, Put};
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a killed process unwinds with. Nothing of it runs from there on but the release of what
/// it had, which the system would do for a real one.
pub struct Killed;

/// What all unwind with when something was found that must not be.
pub struct Stopped;

/// A week.
const WEEK: u64 = 7 * 24 * 3600;
/// A late request arrives after so many steps at most.
const LATE: u64 = 400;

/// A request that changes the store.
#[derive(Clone)]
pub enum Request {
    Put(String, Arc<[u8]>, Durability),
    Delete(String),
}

/// What comes of a call.
pub enum Answer {
    Put(Put),
    Done,
    /// The request or its answer was lost.
    Unreachable,
}

/// What the threads share.
pub struct World {
    inner: Mutex<Inner>,
    wakes: Vec<Condvar>,
    over: Condvar,
}

/// What is behind the lock.
pub struct Inner {
    pub schedule: Schedule,
    pub objects: Objects,
    pub oracle: Oracle,
    pub counters: Counters,
    random: Random,
    odds: Odds,
    late: Vec<(u64, Request)>,
    /// Processes that a power cut has ended and that do not know it yet.
    is_dead: Vec<bool>,
    trace: blake3::Hasher,
    /// The last lines of the trace, or all of them when the seed is replayed.
    pub lines: Vec<String>,
    keeps_lines: bool,
    failure: Option<String>,
    /// Set when the actors are over: whoever calls runs alone, and nothing goes wrong.
    is_quiet: bool,
}

impl World {
    pub fn new(seed: u64, actors: usize, objects: Objects, oracle: Oracle, replays: bool) -> Self {
        let mut random = Random::new(seed, 0);
        let inner = Inner {
            schedule: Schedule::new(actors, &mut random),
            objects,
            oracle,
            counters: Counters::default(),
            odds: Odds::draw(&mut random),
            random,
            late: Vec::new(),
            is_dead: vec![false; actors],
            trace: blake3::Hasher::new(),
            lines: Vec::new(),
            keeps_lines: replays,
            failure: None,
            is_quiet: false,
        };
        let wakes = (0..actors).map(|_| Condvar::new()).collect();
        Self { inner: Mutex::new(inner), wakes, over: Condvar::new() }
    }

    /// What is behind the lock; for whoever has the turn.
    pub fn look(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the first actor go, and waits until all are over. From then on nothing goes wrong.
    pub fn run(&self) {
        let mut inner = self.look();
        inner.choose(None);
        self.wake(&inner);
        while !inner.schedule.is_over() {
            inner = self.over.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        // What is still on its way arrives.
        inner.schedule.steps += LATE;
        inner.land();
        inner.is_quiet = true;
    }

    /// From here on nothing goes wrong, and nobody waits for a turn.
    pub fn quieten(&self) {
        self.look().is_quiet = true;
    }

    /// Waits for the first turn.
    pub fn begin(&self, actor: usize) {
        drop(self.await_turn(actor, self.look()));
    }

    /// The actor does nothing for so many seconds.
    pub fn pause(&self, actor: usize, seconds: u64) {
        let inner = self.give_turn(actor, seconds);
        drop(inner);
    }

    /// The actor is over.
    pub fn finish(&self, actor: usize) {
        let mut inner = self.look();
        inner.schedule.over(actor);
        inner.objects.end_process(actor);
        inner.choose(None);
        self.wake(&inner);
        self.over.notify_all();
    }

    /// Notes what must not be, and ends the seed.
    pub fn fail(&self, what: String) {
        self.look().fail(what);
    }

    /// Notes what must not be, and ends the seed here.
    pub fn stop(&self, what: String) -> ! {
        self.fail(what);
        resume_unwind(Box::new(Stopped))
    }

    /// The process of an actor has ended, and whoever comes next is another.
    pub fn end_process(&self, actor: usize) {
        let mut inner = self.look();
        inner.objects.end_process(actor);
        inner.is_dead[actor] = false;
        inner.oracle.ended(actor);
    }

    /// A call that changes nothing: `read` sees the store when it is the actor's turn, unless the
    /// request is lost.
    pub fn read<T>(
        &self,
        actor: usize,
        step: Step,
        name: &str,
        read: impl FnOnce(&Objects) -> T,
    ) -> Option<T> {
        let (mut inner, fate) = self.step(actor, step, name)?;
        let found = match fate {
            Fate::Lost => None,
            _ => Some(read(&inner.objects)),
        };
        self.end_step(actor, step, fate, &mut inner);
        found
    }

    /// A barrier; false when it failed.
    pub fn barrier(&self, actor: usize) -> bool {
        let Some((mut inner, fate)) = self.step(actor, Step::Barrier, "") else { return false };
        let is_good =
            fate != Fate::Lost && (control::off().barriers || inner.objects.barrier(actor));
        if !is_good {
            inner.objects.break_barrier(actor);
        }
        self.end_step(actor, Step::Barrier, fate, &mut inner);
        is_good
    }

    /// A call that changes the store.
    pub fn write(&self, actor: usize, step: Step, request: Request) -> Answer {
        let name = request.name().to_owned();
        let Some((mut inner, fate)) = self.step(actor, step, &name) else {
            return Answer::Unreachable;
        };
        let answer = match fate {
            Fate::Lost => Answer::Unreachable,
            Fate::Late => {
                inner.post(request);
                Answer::Unreachable
            }
            Fate::AnswerLost => {
                inner.perform(Some(actor), &request);
                Answer::Unreachable
            }
            Fate::Repeated => {
                inner.post(request.clone());
                inner.perform(Some(actor), &request)
            }
            _ => inner.perform(Some(actor), &request),
        };
        self.end_step(actor, step, fate, &mut inner);
        answer
    }

    /// Waits for the turn, and draws what becomes of the call. None when the process is dying, and
    /// whatever it still tries fails.
    fn step(&self, actor: usize, step: Step, name: &str) -> Option<(MutexGuard<'_, Inner>, Fate)> {
        if std::thread::panicking() {
            return None;
        }
        if self.look().is_quiet {
            return Some((self.look(), Fate::Good));
        }
        let mut inner = self.give_turn(actor, 0);
        let fate = loop {
            if std::mem::take(&mut inner.is_dead[actor]) {
                inner.note(actor, step, name, Fate::KilledBefore);
                drop(inner);
                resume_unwind(Box::new(Killed));
            }
            inner.land();
            let Inner { odds, random, .. } = &mut *inner;
            let fate = odds.fate(step, random);
            inner.note(actor, step, name, fate);
            match fate {
                Fate::Suspended => {
                    drop(inner);
                    inner = self.give_turn(actor, WEEK);
                }
                Fate::KilledBefore => {
                    drop(inner);
                    resume_unwind(Box::new(Killed));
                }
                Fate::PowerCut => {
                    inner.cut_power(actor);
                    drop(inner);
                    resume_unwind(Box::new(Killed));
                }
                other => break other,
            }
        };
        Some((inner, fate))
    }

    fn end_step(&self, _actor: usize, _step: Step, fate: Fate, inner: &mut Inner) {
        if inner.failure.is_some() && !inner.is_quiet {
            resume_unwind(Box::new(Stopped));
        }
        if fate == Fate::KilledAfter {
            resume_unwind(Box::new(Killed));
        }
    }

    /// Lets others go on, and comes back when it is the actor's turn again.
    fn give_turn(&self, actor: usize, seconds: u64) -> MutexGuard<'_, Inner> {
        let mut inner = self.look();
        let moment = inner.schedule.now + seconds;
        inner.schedule.wait(actor, moment);
        inner.choose(Some(actor));
        if inner.schedule.turn != Some(actor) {
            self.wake(&inner);
            inner = self.await_turn(actor, inner);
        }
        if inner.failure.is_some() {
            drop(inner);
            resume_unwind(Box::new(Stopped));
        }
        inner
    }

    fn await_turn<'w>(
        &'w self,
        actor: usize,
        mut inner: MutexGuard<'w, Inner>,
    ) -> MutexGuard<'w, Inner> {
        while inner.schedule.turn != Some(actor) {
            inner = self.wakes[actor].wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner
    }

    fn wake(&self, inner: &Inner) {
        if let Some(next) = inner.schedule.turn {
            self.wakes[next].notify_one();
        }
    }
}

impl Inner {
    /// What was found that must not be.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Stands for all that happened.
    pub fn trace(&self) -> blake3::Hash {
        self.trace.finalize()
    }

    pub fn fail(&mut self, what: String) {
        if self.failure.is_none() {
            self.say(|| format!("FAILURE: {what}"));
            self.failure = Some(what);
        }
    }

    /// Adds a line to what a replay prints.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if self.keeps_lines {
            let line = format!("{:>6} {:>9}s  {}", self.schedule.steps, self.schedule.now, line());
            self.lines.push(line);
        }
    }

    fn choose(&mut self, last: Option<usize>) {
        let Self { schedule, random, .. } = self;
        schedule.choose(last, random);
    }

    fn note(&mut self, actor: usize, step: Step, name: &str, fate: Fate) {
        self.counters.count("steps");
        self.counters.fate(fate, step);
        let head =
            [actor as u64, step as u64, fate as u64, self.schedule.now].map(u64::to_le_bytes);
        self.trace.update(head.as_flattened()).update(name.as_bytes());
        self.say(|| {
            let short: String = name.chars().take(24).collect();
            match fate {
                Fate::Good => format!("{actor} {step:?} {short}"),
                fate => format!("{actor} {step:?} {short} -> {fate:?}"),
            }
        });
    }

    /// A request that arrives some time later.
    fn post(&mut self, request: Request) {
        let at = self.schedule.steps + self.random.below(LATE);
        self.late.push((at, request));
    }

    /// What was on its way and arrives now.
    fn land(&mut self) {
        let steps = self.schedule.steps;
        let (now, later) = self.late.drain(..).partition(|(at, _)| *at <= steps);
        self.late = later;
        let now: Vec<(u64, Request)> = now;
        for (_, request) in now {
            self.say(|| format!("  arrives late: {}", request.name()));
            self.perform(None, &request);
        }
    }

    fn perform(&mut self, process: Option<usize>, request: &Request) -> Answer {
        let held = match request {
            Request::Put(name, bytes, durability) => {
                self.trace.update(blake3::hash(bytes).as_bytes());
                let put = self.objects.put(process, name, bytes, *durability);
                let Self { oracle, objects, counters, .. } = self;
                let held = match put {
                    Put::Stored => oracle.stored(process, name, bytes, objects, counters),
                    Put::Exists => oracle.found(name, bytes, objects, counters),
                };
                if let Err(what) = held {
                    self.fail(what);
                }
                return Answer::Put(put);
            }
            Request::Delete(name) => match self.objects.get(name).cloned() {
                None => Ok(()),
                Some(object) => {
                    self.objects.delete(process, name);
                    let Self { oracle, objects, counters, .. } = self;
                    oracle.deleted(process, name, &object.bytes, objects, counters)
                }
            },
        };
        if let Err(what) = held {
            self.fail(what);
        }
        Answer::Done
    }

    fn cut_power(&mut self, actor: usize) {
        let Self { objects, random, late, is_dead, .. } = self;
        late.clear();
        objects.cut_power(random);
        is_dead.fill(true);
        is_dead[actor] = false;
    }
}

impl Request {
    fn name(&self) -> &str {
        match self {
            Self::Put(name, ..) | Self::Delete(name) => name,
        }
    }
}
