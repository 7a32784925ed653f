//! What the walk over a target that has things in it knows of that target.

use super::compare::Answer;
use super::journal::Cut;
use super::rows::{Row, Rows};
use super::step::Trust;
use crate::restore::place::prefixes;
use crate::restore::tree::Seen;
use crossbeam_channel::{Receiver, Sender};
use esker_format::ids::{ChunkId, LinkGroup};
use esker_format::node::Node;
use esker_format::path::MapKey;
use std::collections::{HashMap, HashSet};

/// What the walk knows of the target.
pub struct Over {
    pub rows: Rows,
    pub cut: Option<Cut>,
    /// Entries that an earlier run left unfinished, and this one went through.
    pub done: HashSet<MapKey>,
    pub(super) mount: u64,
    /// Things that stay where the snapshot has directories, as parents.
    pub(super) shut: HashSet<Vec<u8>>,
    /// Files with several names, by device and inode, and the group that has them; none when it is
    /// a single entry.
    claimed: HashMap<(u64, u64), Option<LinkGroup>>,
    pub(super) answers: (Sender<Answer>, Receiver<Answer>),
    pub(super) outstanding: usize,
    /// Files that are to be changed where they are, until all is known that differs.
    pub(super) held: HashMap<MapKey, Held>,
}

/// What differs of a file that is to be changed where it is.
#[derive(Default)]
pub(super) struct Held {
    pub outstanding: usize,
    pub all_sent: bool,
    pub differing: Vec<(u64, ChunkId, u64)>,
}

impl Over {
    /// A walk over a target.
    pub fn new(target: &Seen, cut: Option<Cut>) -> Self {
        let mut rows = Rows::default();
        let mount = target.mount_or_device();
        rows.add(Vec::new(), Row { delete: false, same_mount: true });
        Self {
            rows,
            cut,
            done: HashSet::new(),
            mount,
            shut: HashSet::new(),
            claimed: HashMap::new(),
            answers: crossbeam_channel::unbounded(),
            outstanding: 0,
            held: HashMap::new(),
        }
    }

    pub(super) fn trust(&self, key: &MapKey) -> Trust {
        match &self.cut {
            None => Trust::Whole,
            Some(cut) if cut.names(key) => Trust::Unfinished,
            Some(_) => Trust::Doubtful,
        }
    }

    pub(super) fn is_shut(&self, parent: &[u8]) -> bool {
        !self.shut.is_empty() && prefixes(parent).any(|above| self.shut.contains(above))
    }

    /// Whether the file that is there belongs to another entry, which has it as one of its names;
    /// else this entry claims it. How many names are left by now says nothing: those that were met
    /// before may be on their way to another file.
    pub(super) fn is_split(&mut self, node: &Node, seen: &Seen) -> bool {
        match self.claimed.get(&seen.identity) {
            Some(claim) => claim.is_none() || *claim != node.links,
            None => {
                if seen.names > 1 {
                    self.claimed.insert(seen.identity, node.links);
                }
                false
            }
        }
    }
}
