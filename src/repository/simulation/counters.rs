//! How often what the simulation is for came about.

use super::faults::{Fate, Step};
use std::collections::BTreeMap;
use std::fmt;

/// What must have come about in a run over many seeds; without it the run has shown nothing.
const REQUIRED: [&str; 25] = [
    "lost races",
    "rescues",
    "revived packs",
    "aborts of live sessions",
    "rejected marks",
    "refused commits",
    "adopted packs",
    "deleted packs",
    "repacked packs",
    "merged segments",
    "narrowed sets",
    "old caches",
    "worlds with something left to collect",
    "lost",
    "late",
    "repeated",
    "suspended",
    "kills at PutPack",
    "kills at Barrier",
    "kills at PutSegment",
    "kills at PutManifest",
    "kills at PutEntry",
    "kills at Delete",
    "kills at List",
    "kills at Get",
];

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: &str, times: u64) {
        match self.0.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.0.insert(what.to_owned(), times)),
        }
    }

    pub fn fate(&mut self, fate: Fate, step: Step) {
        match fate {
            Fate::Good => {}
            Fate::Lost => self.count("lost"),
            Fate::AnswerLost => self.count("lost answers"),
            Fate::Late => self.count("late"),
            Fate::Repeated => self.count("repeated"),
            Fate::KilledBefore | Fate::KilledAfter => self.count(&format!("kills at {step:?}")),
            Fate::Suspended => self.count("suspended"),
            Fate::PowerCut => self.count("power cuts"),
        }
    }

    pub fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, times)| self.add(what, *times));
    }

    /// What should have come about and has not.
    pub fn missing(&self) -> Vec<&'static str> {
        let is_there = |what: &&'static str| self.0.get(*what).is_some_and(|times| *times > 0);
        REQUIRED.into_iter().filter(|what| !is_there(what)).collect()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(what, n)| format!("{what} {n}")).collect();
        f.write_str(&all.join(", "))
    }
}
