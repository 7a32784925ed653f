//! Paths in many snapshots, and the versions in which they are there.
//!
//! All maps are walked together: a page is read once, however many snapshots have it, and what is
//! in memory is what lies between the roots of their maps and the path that the walk has come to.

use crate::repository::chunks::Chunks;
use crate::repository::diff::root_of;
use crate::repository::error::{Error, Result};
use crate::repository::map::Bounds;
use crate::repository::merge::{Merge, Met, Variant};
use crate::repository::{Repository, Snapshot};
use esker_format::node::Node;
use esker_format::page::Entry;
use esker_format::path::MapKey;
use std::collections::HashMap;

/// One state of a path, in snapshots of one series that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The state.
    pub node: Node,
    /// The first snapshot with it, as its number in the list.
    pub first: usize,
    /// The last one.
    pub last: usize,
    /// How many have it.
    pub snapshots: u64,
}

/// What a search meets.
#[derive(Debug)]
pub enum Sighting {
    /// A path, with its versions: series by series, oldest first.
    Path(MapKey, Vec<Version>),
    /// Entries that cannot be searched, because a page is lost.
    Lost {
        /// The first path.
        first: MapKey,
        /// How many there are.
        entries: u64,
        /// The snapshots that lose them, as their numbers in the list.
        snapshots: Vec<usize>,
        /// Why.
        error: Error,
    },
}

/// A running search.
pub struct Search<'w> {
    merge: Merge<'w>,
    /// Numbers of the snapshots of each series; the series in the order of their first snapshots.
    series: Vec<Vec<u32>>,
    /// Snapshots that cannot be searched, as their numbers in the list, and why.
    pub unreadable: Vec<(usize, Error)>,
}

impl<'w> Search<'w> {
    /// Searches snapshots, oldest first, for the entries within `bounds` that are wanted.
    ///
    /// # Errors
    /// When the store fails, or the key cannot read content.
    pub fn new(
        repository: &Repository,
        snapshots: &[Snapshot],
        bounds: Bounds,
        wanted: impl Fn(&Entry) -> bool + 'w,
    ) -> Result<Self> {
        let (mut roots, mut unreadable) = (Vec::new(), Vec::new());
        for (number, snapshot) in snapshots.iter().enumerate() {
            match repository.manifest(snapshot.id) {
                Ok(manifest) => roots.push(root_of(&manifest)),
                Err(error) if error.is_damage() => {
                    unreadable.push((number, error));
                    roots.push(None);
                }
                Err(error) => return Err(error),
            }
        }
        let mut series = series(snapshots);
        for maps in &mut series {
            maps.retain(|map| unreadable.iter().all(|(number, _)| *number != *map as usize));
        }
        let merge = Merge::new(roots, bounds).wanting(wanted);
        Ok(Self { merge, series, unreadable })
    }

    /// The next path, in map order; none at the end.
    ///
    /// # Errors
    /// When store or index fail; damage is a [`Sighting::Lost`] instead.
    pub fn next(&mut self, chunks: &mut Chunks) -> Result<Option<Sighting>> {
        Ok(self.merge.next(chunks)?.map(|met| match met {
            Met::Entry(key, variants) => Sighting::Path(key, runs(variants, &self.series)),
            Met::Lost { first, entries, maps, error } => {
                let snapshots = maps.into_iter().map(|map| map as usize).collect();
                Sighting::Lost { first, entries, snapshots, error }
            }
        }))
    }
}

/// Numbers of the snapshots of each series.
fn series(snapshots: &[Snapshot]) -> Vec<Vec<u32>> {
    let mut series: Vec<Vec<u32>> = Vec::new();
    let mut places = HashMap::new();
    for (number, snapshot) in snapshots.iter().enumerate() {
        let place = *places.entry(snapshot.summary.series).or_insert(series.len());
        if place == series.len() {
            series.push(Vec::new());
        }
        series[place].push(number as u32);
    }
    series
}

/// Puts together snapshots of a series that follow each other and have the same node.
fn runs(variants: Vec<Variant>, series: &[Vec<u32>]) -> Vec<Version> {
    let mut node_of = HashMap::new();
    for (number, variant) in variants.iter().enumerate() {
        node_of.extend(variant.maps.iter().map(|map| (*map, number)));
    }
    let mut versions = Vec::new();
    for maps in series {
        // What the snapshot before has.
        let mut before = None;
        for map in maps {
            let here = node_of.get(map).copied();
            if let Some(number) = here {
                let at = *map as usize;
                match versions.last_mut() {
                    Some(Version { last, snapshots, .. }) if before == here => {
                        (*last, *snapshots) = (at, *snapshots + 1);
                    }
                    _ => {
                        let node = variants[number].node.clone();
                        versions.push(Version { node, first: at, last: at, snapshots: 1 });
                    }
                }
            }
            before = here;
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_format::node::{NodeKind, Time};

    #[test]
    fn what_follows_each_other_in_a_series_is_one_version_and_a_gap_makes_two() {
        let node = |seconds| Node::bare(NodeKind::Fifo, 0o600, Time { seconds, nanos: 0 });
        let variant = |seconds, maps: &[u32]| Variant { node: node(seconds), maps: maps.to_vec() };
        // Snapshots 0, 2, 4, 5, 6, 8 of one series, 1, 3, 7 of another.
        let series = [vec![0, 2, 4, 5, 6, 8], vec![1, 3, 7]];
        let variants = vec![variant(1, &[0, 1, 2, 6]), variant(2, &[4, 7, 8])];
        let told: Vec<_> = runs(variants, &series)
            .into_iter()
            .map(|v| (v.node.mtime.seconds, v.first, v.last, v.snapshots))
            .collect();
        let first = [(1, 0, 2, 2), (2, 4, 4, 1), (1, 6, 6, 1), (2, 8, 8, 1)];
        let second = [(1, 1, 1, 1), (2, 7, 7, 1)];
        assert_eq!(told, [&first[..], &second].concat());
    }
}
