//! Which snapshots stay: a list, rules and the time in, marks out. Pure: the clock and the calendar
//! are given, and nothing is read or written.
//!
//! Each rule looks at one series at a time, in the order of the log, and marks what it keeps;
//! what no rule marks goes. So one more rule, or a larger number, never makes a snapshot go.
//!
//! - A rule that counts hours, days or more keeps one of each that has any, beginning with the
//!   newest: the newest complete one, or where none is complete the newest.
//! - **Partial ones never take a place from complete ones.** A rule that keeps N keeps, beside its
//!   N, the N that it would keep if there were no others than complete ones.
//! - **The newest of a series stays**, and the newest complete one, unless told otherwise.
//! - What is held stays, and what another needs that stays.
//! - **What is dated more than a day ahead of the clock stays and is not counted**, so that it pushes
//!   nothing out. It may be the clock that is wrong: one that is behind takes good ones for such, and
//!   so keeps all that a right one keeps.

mod calendar;
mod reason;
mod rule;
mod span;

pub use calendar::{Bucket, Calendar, Period};
pub use reason::Reason;
pub use rule::{Count, Rule};
pub use span::Span;

use esker_format::ids::{SeriesId, SnapshotId, WriterId};
use esker_format::node::Time;
use std::collections::{HashMap, HashSet};

/// Seconds that a snapshot may be ahead of the clock.
const AHEAD: i64 = 24 * 3600;

/// A series, as rules see it. Its number is in a summary that its writer made: with the number of
/// another writer's series he pushes nothing out of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Series {
    /// Its number.
    pub id: SeriesId,
    /// Who writes it.
    pub writer: Option<WriterId>,
}

/// A snapshot that was not forgotten, as far as rules are about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The snapshot.
    pub id: SnapshotId,
    /// Its series.
    pub series: Series,
    /// When it began.
    pub time: Time,
    /// Whether all could be saved, and nothing of it was found lost.
    pub is_complete: bool,
    /// Whether somebody holds it.
    pub is_held: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Snapshots that it needs.
    pub requires: Vec<SnapshotId>,
    /// Whether it was asked about. All others stay.
    pub is_chosen: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Whether the newest of a series may go, when no rule keeps it.
    pub whole_series: bool,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The snapshot.
    pub id: SnapshotId,
    /// Why it stays; none when it goes.
    pub reasons: Vec<Reason>,
    /// Whether it is dated more than a day after now.
    pub is_ahead: bool,
}

impl Outcome {
    /// Whether it stays.
    pub const fn stays(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// What becomes of each snapshot in `all` that was asked about, in the same order, which is that of
/// the log.
pub fn plan(all: &[Candidate], policy: &Policy, now: Time, calendar: &Calendar) -> Vec<Outcome> {
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); all.len()];
    let is_ahead = |c: &Candidate| c.time.seconds > now.seconds.saturating_add(AHEAD);
    for series in series(all) {
        let chosen = series.iter().copied().filter(|i| all[*i].is_chosen);
        let (ahead, counted): (Vec<usize>, Vec<usize>) = chosen.partition(|i| is_ahead(&all[*i]));
        ahead.into_iter().for_each(|i| reasons[i].push(Reason::Ahead));
        let list: Vec<&Candidate> = counted.iter().map(|i| &all[*i]).collect();
        for (at, reason) in policy.rules.iter().flat_map(|rule| rule.marks(&list, calendar)) {
            let of = &mut reasons[counted[at]];
            if !of.contains(&reason) {
                of.push(reason);
            }
        }
        if !policy.whole_series {
            keep_newest(all, &series, &mut reasons);
        }
    }
    for (candidate, reasons) in all.iter().zip(&mut reasons) {
        if candidate.is_held {
            reasons.push(Reason::Held);
        }
    }
    keep_required(all, &mut reasons);
    let outcomes = all.iter().zip(reasons).filter(|(c, _)| c.is_chosen);
    outcomes.map(|(c, reasons)| Outcome { id: c.id, reasons, is_ahead: is_ahead(c) }).collect()
}

/// The series, each as the places of its snapshots, newest first.
fn series(all: &[Candidate]) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut places: HashMap<Series, usize> = HashMap::new();
    for (at, candidate) in all.iter().enumerate().rev() {
        let place = *places.entry(candidate.series).or_insert(found.len());
        if place == found.len() {
            found.push(Vec::new());
        }
        found[place].push(at);
    }
    found
}

/// Keeps the newest of a series, and the newest complete one.
fn keep_newest(all: &[Candidate], series: &[usize], reasons: &mut [Vec<Reason>]) {
    let complete = series.iter().copied().find(|i| all[*i].is_complete);
    if let Some(newest) = series.first() {
        reasons[*newest].push(Reason::Newest);
        if let Some(complete) = complete.filter(|complete| complete != newest) {
            reasons[complete].push(Reason::NewestComplete);
        }
    }
}

/// Keeps what those need that stay, over any number of steps.
fn keep_required(all: &[Candidate], reasons: &mut [Vec<Reason>]) {
    let places: HashMap<SnapshotId, usize> =
        all.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let stays = |i: &usize| !reasons[*i].is_empty() || !all[*i].is_chosen;
    let mut next: Vec<usize> = (0..all.len()).filter(stays).collect();
    let mut seen: HashSet<usize> = next.iter().copied().collect();
    while let Some(at) = next.pop() {
        for required in all[at].requires.iter().filter_map(|id| places.get(id).copied()) {
            let reason = Reason::RequiredBy(all[at].id);
            if required != at && !reasons[required].contains(&reason) {
                reasons[required].push(reason);
            }
            if seen.insert(required) {
                next.push(required);
            }
        }
    }
}

#[cfg(test)]
mod tests;
