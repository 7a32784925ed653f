//! Inode numbers: each says what it is of, so that nothing has to be remembered.
//!
//! ```text
//! bits 63..52  what        bits 51..32  which snapshot, from 1 on       bits 31..0  which entry
//! ```
//! A snapshot keeps its number as long as the file system is mounted; an entry has its number in map order.

/// What an inode is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The root of the file system.
    Root,
    /// The directory of all snapshots.
    ById,
    /// Links to them by time.
    ByTime,
    /// Directories of series.
    BySeries,
    /// The directory of the series with this number.
    Series(u32),
    /// The link to the newest snapshot of a series.
    Latest(u32),
    /// The link to a snapshot in [`Place::ByTime`].
    Time(u32),
    /// The link to a snapshot in the directory of its series.
    OfSeries(u32),
    /// The root directory of a snapshot.
    Top(u32),
    /// An entry of a snapshot, by its number.
    Entry(u32, u32),
    /// The directory with the partitions of an image.
    Parts(u32, u32),
    /// One of these, from 0 on.
    Partition(u32, u32, u16),
}

/// Snapshots that have a number at most.
pub const SNAPSHOTS_MAX: u32 = (1 << 20) - 1;

/// Entries of a snapshot that have a number at most: the last one stands for its root.
pub const ENTRIES_MAX: u32 = u32::MAX - 1;

/// Partitions that have a number at most.
pub const PARTITIONS_MAX: u16 = 4000;

const TOP: u32 = u32::MAX;
const PARTS: u64 = 1;
const SERIES: u64 = 2;
const LATEST: u64 = 3;
const TIME: u64 = 4;
const OF_SERIES: u64 = 5;
/// The first partition; the others follow.
const PARTITION: u64 = 16;

impl Place {
    /// The inode number.
    pub const fn number(self) -> u64 {
        match self {
            Self::Root => 1,
            Self::ById => 2,
            Self::ByTime => 3,
            Self::BySeries => 4,
            Self::Series(series) => pack(SERIES, 0, series),
            Self::Latest(series) => pack(LATEST, 0, series),
            Self::Time(snapshot) => pack(TIME, snapshot, 0),
            Self::OfSeries(snapshot) => pack(OF_SERIES, snapshot, 0),
            Self::Top(snapshot) => pack(0, snapshot, TOP),
            Self::Entry(snapshot, entry) => pack(0, snapshot, entry),
            Self::Parts(snapshot, entry) => pack(PARTS, snapshot, entry),
            Self::Partition(snapshot, entry, part) => {
                pack(PARTITION + part as u64, snapshot, entry)
            }
        }
    }

    /// What has this inode number; none where nothing can.
    pub fn of(number: u64) -> Option<Self> {
        let (what, snapshot, entry) =
            (number >> 52, (number >> 32) as u32 & SNAPSHOTS_MAX, number as u32);
        Some(match (what, snapshot, entry) {
            (0, 0, 1) => Self::Root,
            (0, 0, 2) => Self::ById,
            (0, 0, 3) => Self::ByTime,
            (0, 0, 4) => Self::BySeries,
            (SERIES, 0, series) => Self::Series(series),
            (LATEST, 0, series) => Self::Latest(series),
            (_, 0, _) => return None,
            (TIME, snapshot, 0) => Self::Time(snapshot),
            (OF_SERIES, snapshot, 0) => Self::OfSeries(snapshot),
            (0, snapshot, TOP) => Self::Top(snapshot),
            (0, snapshot, entry) => Self::Entry(snapshot, entry),
            (PARTS, snapshot, entry) => Self::Parts(snapshot, entry),
            (PARTITION.., snapshot, entry) => {
                Self::Partition(snapshot, entry, u16::try_from(what - PARTITION).ok()?)
            }
            _ => return None,
        })
    }

    /// The snapshot that it is in.
    pub const fn snapshot(self) -> Option<u32> {
        match self {
            Self::Top(snapshot)
            | Self::Entry(snapshot, _)
            | Self::Parts(snapshot, _)
            | Self::Partition(snapshot, ..) => Some(snapshot),
            _ => None,
        }
    }
}

const fn pack(what: u64, snapshot: u32, entry: u32) -> u64 {
    what << 52 | (snapshot as u64) << 32 | entry as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_place_has_a_number_of_its_own_that_says_what_it_is() {
        let mut all = vec![Place::Root, Place::ById, Place::ByTime, Place::BySeries];
        for series in [0, 1, 70_000] {
            all.extend([Place::Series(series), Place::Latest(series)]);
        }
        for snapshot in [1, 2, SNAPSHOTS_MAX] {
            all.extend([Place::Time(snapshot), Place::OfSeries(snapshot), Place::Top(snapshot)]);
            for entry in [0, 1, 4, ENTRIES_MAX] {
                all.extend([Place::Entry(snapshot, entry), Place::Parts(snapshot, entry)]);
                all.extend(
                    [0, 1, PARTITIONS_MAX - 1].map(|n| Place::Partition(snapshot, entry, n)),
                );
            }
        }
        for place in &all {
            assert_eq!(Place::of(place.number()), Some(*place));
        }
        let numbers: BTreeSet<u64> = all.iter().map(|place| place.number()).collect();
        assert_eq!(numbers.len(), all.len());
        assert_eq!(Place::Root.number(), 1, "as the kernel has it");
        assert!(!numbers.contains(&0));
    }

    #[test]
    fn numbers_that_nobody_gave_out_are_nothing() {
        for number in [0, 5, 1 << 52 | 7, 6 << 52 | 1 << 32, TIME << 52 | 1 << 32 | 9] {
            assert_eq!(Place::of(number), None, "{number:x}");
        }
    }
}
