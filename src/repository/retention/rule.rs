//! One rule: what it keeps of one series.

use crate::repository::retention::{Bucket, Calendar, Candidate, Period, Reason, Span};
use esker_format::node::Time;
use std::collections::HashMap;
use std::str::FromStr;

/// How many a rule keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub usize);

impl Count {
    /// All that there are.
    pub const UNLIMITED: Self = Self(usize::MAX);
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unlimited" => Ok(Self::UNLIMITED),
            _ => text.parse().map(Self).map_err(|_| "write a number, or `unlimited`".to_owned()),
        }
    }
}

/// What is to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// So many of the newest.
    Last(Count),
    /// One of each hour, day, week, month or year, of so many that have any.
    Every(Period, Count),
    /// All that are not older than so much, against the latest time in the series.
    Within(Span),
    /// One of each hour, day, week, month or year that is not wholly older.
    EveryWithin(Period, Span),
    /// All with this tag.
    Tag(String),
}

impl Rule {
    /// Marks what it keeps in a list of one series, newest first: places in the list, with
    /// the reason.
    pub(super) fn marks(&self, list: &[&Candidate], calendar: &Calendar) -> Vec<(usize, Reason)> {
        match self {
            Self::Last(count) => last(list, *count),
            Self::Every(period, count) => {
                let marks = every(list, *period, *count, calendar).into_iter();
                marks.map(|(at, bucket)| (at, Reason::Every(*period, bucket))).collect()
            }
            Self::Within(span) => {
                let Some(from) = start(list, span, calendar) else { return Vec::new() };
                let is_within = |at: &usize| list[*at].time >= from;
                let marks = (0..list.len()).filter(is_within);
                marks.map(|at| (at, Reason::Within(*span))).collect()
            }
            Self::EveryWithin(period, span) => {
                let Some(from) = start(list, span, calendar) else { return Vec::new() };
                // A day that began before is taken as a whole: else its end would stand for it.
                let first = calendar.bucket(from, *period);
                let marks = every(list, *period, Count::UNLIMITED, calendar).into_iter();
                marks
                    .filter(|(at, bucket)| list[*at].time >= from || *bucket == first)
                    .map(|(at, bucket)| (at, Reason::EveryWithin(*period, bucket, *span)))
                    .collect()
            }
            Self::Tag(tag) => {
                let has = |at: &usize| list[*at].tags.contains(tag);
                (0..list.len()).filter(has).map(|at| (at, Reason::Tag(tag.clone()))).collect()
            }
        }
    }
}

/// The newest, and the newest complete ones.
fn last(list: &[&Candidate], Count(count): Count) -> Vec<(usize, Reason)> {
    let newest = (0..list.len()).take(count).map(|at| (at, Reason::Last(at + 1)));
    let complete = (0..list.len()).filter(|at| list[*at].is_complete).take(count).enumerate();
    let complete = complete.filter(|(_, at)| *at >= count);
    newest.chain(complete.map(|(n, at)| (at, Reason::LastComplete(n + 1)))).collect()
}

/// One of each hour, day, week, month or year: of the newest, and of the newest with a complete one.
fn every(
    list: &[&Candidate],
    period: Period,
    Count(count): Count,
    calendar: &Calendar,
) -> Vec<(usize, Bucket)> {
    let mut places: HashMap<Bucket, usize> = HashMap::new();
    // Of each the snapshot that stands for it.
    let mut all: Vec<(usize, Bucket)> = Vec::new();
    for (at, candidate) in list.iter().enumerate() {
        let bucket = calendar.bucket(candidate.time, period);
        let place = *places.entry(bucket.clone()).or_insert(all.len());
        if place == all.len() {
            all.push((at, bucket));
        } else if candidate.is_complete && !list[all[place].0].is_complete {
            all[place].0 = at;
        }
    }
    let mut complete = 0;
    let mut kept = Vec::new();
    for (n, (at, bucket)) in all.into_iter().enumerate() {
        let is_complete = list[at].is_complete;
        if n < count || (is_complete && complete < count) {
            kept.push((at, bucket));
        }
        complete += usize::from(is_complete);
    }
    kept
}

/// So long before the latest time in a list.
fn start(list: &[&Candidate], span: &Span, calendar: &Calendar) -> Option<Time> {
    let latest = list.iter().map(|candidate| candidate.time).max()?;
    Some(calendar.before(latest, span))
}
