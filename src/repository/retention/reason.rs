//! Why a snapshot stays.

use crate::repository::retention::{Bucket, Period, Span};
use esker_format::ids::SnapshotId;
use std::fmt;

/// Why a snapshot stays. Each is told in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is the one that a rule keeps of this hour, day, week, month or year.
    Every(Period, Bucket),
    /// The same, by a rule that is about so much time.
    EveryWithin(Period, Bucket, Span),
    /// Counted from the newest, it is this one.
    Last(usize),
    /// Counted from the newest complete one, it is this one: some newer ones are partial.
    LastComplete(usize),
    /// It is not older than so much.
    Within(Span),
    /// It has this tag.
    Tag(String),
    /// It is held.
    Held,
    /// No newer one is in its series.
    Newest,
    /// No newer one in its series is complete.
    NewestComplete,
    /// It is dated more than a day after now: nobody can say yet what it is the newest of.
    Ahead,
    /// One that stays needs it.
    RequiredBy(SnapshotId),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(period, bucket) => write!(f, "{} {}", period.word(), bucket.name),
            Self::EveryWithin(period, bucket, span) => {
                write!(f, "{} {} within {span}", period.word(), bucket.name)
            }
            Self::Last(n) => write!(f, "last {n}"),
            Self::LastComplete(n) => write!(f, "last complete {n}"),
            Self::Within(span) => write!(f, "within {span}"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Held => f.write_str("held"),
            Self::Newest => f.write_str("newest of the series"),
            Self::NewestComplete => f.write_str("newest complete one"),
            Self::Ahead => f.write_str("dated ahead of now"),
            Self::RequiredBy(id) => write!(f, "required by {}", &id.to_string()[..16]),
        }
    }
}
