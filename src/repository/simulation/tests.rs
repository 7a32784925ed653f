//! What the simulation shows.

// What it has seen is worth as much as that it found nothing.
#![allow(clippy::print_stdout)]

use super::control::Off;
use super::counters::Counters;
use super::seed::{Outcome, run, world};
use super::store::SimStore;
use crate::store::conformance::conformance;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Seeds where nobody says how many.
const SEEDS: u64 = 100;

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs seeds on all processors until one of them fails; returns the counters of all, and the
/// failed one.
fn search(seeds: Range<u64>, off: Off) -> (Counters, Option<Outcome>) {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new((Counters::default(), None::<Outcome>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let outcome = run(seed, off, false);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0.join(&outcome.counters);
            if outcome.failure.is_some() {
                next.store(seeds.end, Ordering::Relaxed);
                // The first one, whatever was quicker.
                if found.1.as_ref().is_none_or(|other| outcome.seed < other.seed) {
                    found.1 = Some(outcome);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_was_acknowledged_can_be_restored_whatever_happens() {
    if let Some(seed) = number("ESKER_SEED") {
        let outcome = run(seed, Off::default(), true);
        outcome.lines.iter().for_each(|line| println!("{line}"));
        println!("seed {seed}: {}", outcome.counters);
        assert_eq!(outcome.failure, None);
        return;
    }
    let seeds = number("ESKER_SEEDS").unwrap_or(SEEDS);
    let (counters, failed) = search(0..seeds, Off::default());
    println!("simulation of {seeds} seeds: {counters}");
    if let Some(Outcome { seed, failure: Some(failure), .. }) = failed {
        panic!("seed {seed} fails (ESKER_SEED={seed} replays it): {failure}");
    }
    assert_eq!(counters.missing(), Vec::<&str>::new(), "what never came about shows nothing");
}

#[test]
fn the_simulated_store_keeps_the_contract() {
    conformance(&|| {
        let world = world(0, 1, false);
        world.quieten();
        world.look().objects.clear();
        Box::new(SimStore::new(world, 0))
    });
}

#[test]
fn a_seed_decides_all_that_happens() {
    for seed in 0..8 {
        let [first, second] = [(); 2].map(|()| run(seed, Off::default(), true));
        let at = first.lines.iter().zip(&second.lines).position(|(a, b)| a != b);
        let differ = at.map(|at| (&first.lines[at], &second.lines[at]));
        assert_eq!(differ, None);
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.counters, second.counters);
    }
}

/// Holds that a seed below 200 finds what is lost without a part of the protocol. Others may come
/// upon something else that follows from it.
#[track_caller]
fn is_found(off: Off, what: &str) {
    let mut first = 0;
    loop {
        let (_, failed) = search(first..200, off);
        let Some(Outcome { seed, failure: Some(failure), .. }) = failed else {
            panic!("no seed finds what is lost with {off:?}");
        };
        println!("without {off:?} seed {seed} finds: {failure}");
        if failure.contains(what) {
            return;
        }
        first = seed + 1;
    }
}

#[test]
fn a_commit_that_is_not_validated_again_is_found_to_be_lost() {
    is_found(Off { validation: true, ..Off::default() }, "was acknowledged and is not in the log");
}

#[test]
fn a_log_that_takes_commits_of_given_up_packs_is_found_to_lose_chunks() {
    let rule = Some("its pack set names packs that are given up");
    is_found(Off { rule, ..Off::default() }, "lost chunk");
}

#[test]
fn a_log_that_takes_packs_of_aborted_sessions_is_found_to_lose_them() {
    let rule = Some("a pack belongs to an aborted session");
    is_found(Off { rule, ..Off::default() }, "");
}

#[test]
fn a_mark_of_what_an_old_walk_found_is_found_to_lose_chunks() {
    is_found(Off { marks: true, ..Off::default() }, "lost chunk");
}

#[test]
fn an_entry_before_its_objects_are_durable_is_found() {
    is_found(Off { barriers: true, ..Off::default() }, "which is not durable");
}
