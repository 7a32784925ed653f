//! Names of one file: those of a group have the same inode number, and know how many they are.

use crate::browse::lock;
use crate::repository::Result;
use crate::repository::view::Tree;
use esker_format::ids::LinkGroup;
use std::collections::HashMap;
use std::sync::Mutex;

/// Entries of a snapshot in which names are counted: more would keep somebody waiting for seconds.
const COUNTED: u64 = 4_000_000;

/// Groups that are remembered at most, some 64 bytes each.
const GROUPS: usize = 1 << 20;

/// What is said of a file whose names were not counted: more than one.
const SEVERAL: u32 = 2;

/// The groups of a snapshot.
#[derive(Default)]
pub struct Links {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the entry that came first, and of how many names is known.
    groups: HashMap<LinkGroup, (u32, u32)>,
    is_counted: bool,
}

impl Links {
    /// The entry that stands for all names of a group of which `entry` is one, and how many there are. All
    /// of a snapshot is read for it once, unless `is_far`, or it has too many entries.
    ///
    /// # Errors
    /// When store or index fail.
    pub fn of(
        &self,
        tree: &Tree,
        group: LinkGroup,
        entry: u32,
        is_far: bool,
    ) -> Result<(u32, u32)> {
        let mut state = lock(&self.state);
        if !state.is_counted && !is_far && tree.entries() <= COUNTED {
            state.groups.clear();
            tree.each(&mut |number, entry| {
                if let (Some(group), Ok(number)) = (entry.node.links, u32::try_from(number)) {
                    state.note(group, number, 1);
                }
            })?;
            state.is_counted = true;
        }
        if !state.is_counted {
            state.note(group, entry, 0);
        }
        let (first, count) = state.groups.get(&group).copied().unwrap_or((entry, 0));
        // Names outside of what was saved count too, and nobody knows of them.
        Ok((first, if state.is_counted { count.max(1) } else { SEVERAL }))
    }
}

impl State {
    fn note(&mut self, group: LinkGroup, entry: u32, count: u32) {
        let is_full = self.groups.len() >= GROUPS;
        match self.groups.get_mut(&group) {
            Some((_, counted)) => *counted += count,
            None if is_full => {}
            None => drop(self.groups.insert(group, (entry, count))),
        }
    }
}
