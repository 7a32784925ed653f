//! Why a snapshot stays as it is.

use crate::repository::snapshots::shorten;
use esker_format::ids::SnapshotId;

/// Why a snapshot stays as it is, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is held.
    #[error("snapshot {} is held", shorten(snapshot))]
    Held {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// It is forgotten.
    #[error("snapshot {snapshot} is forgotten")]
    Forgotten {
        /// The snapshot, as it was named.
        snapshot: String,
    },
    /// Another one that is kept needs it.
    #[error("snapshot {} is needed by snapshot {}", shorten(snapshot), shorten(by))]
    Required {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The one that needs it.
        by: SnapshotId,
    },
    /// Nothing would be left of its series.
    #[error("snapshot {} is the last of its series, {label}", shorten(snapshot))]
    Last {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The label of the series.
        label: String,
    },
    /// No complete one would be left of its series, beside partial ones.
    #[error("snapshot {} is the last complete one of its series, {label}", shorten(snapshot))]
    LastComplete {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The label of the series.
        label: String,
    },
    /// It is of another scope than the key, so that it may be the last of its series.
    #[error(
        "snapshot {} is of scope {scope}, which is not this key's: it may be the last of its series",
        shorten(snapshot)
    )]
    Unseen {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its scope.
        scope: u32,
    },
    /// It belongs to another scope than the key.
    #[error("snapshot {snapshot} belongs to another scope than this key")]
    OtherScope {
        /// The snapshot, as it was named.
        snapshot: String,
    },
    /// What it needs was given up.
    #[error(
        "snapshot {} cannot be brought back: packs that it needs were given up",
        shorten(snapshot)
    )]
    Collected {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// It would have too many tags.
    #[error("snapshot {} would have {count} tags, which is more than {limit}", shorten(snapshot))]
    TooManyTags {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Tags that it would have.
        count: usize,
        /// Tags that it can have.
        limit: usize,
    },
}
