//! What the store has: objects that are visible, and which of them a power cut would spare.

use super::random::Random;
use crate::store::{Durability, Put};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One object.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Arc<[u8]>,
    pub is_durable: bool,
}

/// What one process still has to make durable.
#[derive(Debug, Default)]
struct Open {
    puts: BTreeSet<String>,
    deletes: BTreeMap<String, Object>,
    /// Set by a failed barrier: no later one is good.
    is_broken: bool,
}

/// All objects, and the processes that use them.
#[derive(Debug)]
pub struct Objects {
    objects: BTreeMap<String, Object>,
    open: Vec<Open>,
    /// What processes deleted that ended before they made it durable.
    ghosts: BTreeMap<String, Object>,
}

impl Objects {
    pub fn new(objects: BTreeMap<String, Object>, actors: usize) -> Self {
        let open = (0..actors).map(|_| Open::default()).collect();
        Self { objects, open, ghosts: BTreeMap::new() }
    }

    pub fn get(&self, name: &str) -> Option<&Object> {
        self.objects.get(name)
    }

    /// Names and lengths of what begins with `prefix`.
    pub fn below(&self, prefix: &str) -> Vec<(String, u64)> {
        let from = self.objects.range(prefix.to_owned()..);
        let of = from.take_while(|(name, _)| name.starts_with(prefix));
        of.map(|(name, object)| (name.clone(), object.bytes.len() as u64)).collect()
    }

    /// Puts for a process, or for one that is gone.
    pub fn put(
        &mut self,
        process: Option<usize>,
        name: &str,
        bytes: &Arc<[u8]>,
        durability: Durability,
    ) -> Put {
        let is_new = !self.objects.contains_key(name);
        let object = self.objects.entry(name.to_owned());
        let object =
            object.or_insert_with(|| Object { bytes: Arc::clone(bytes), is_durable: false });
        match (durability, process) {
            (Durability::Now, _) => object.is_durable = true,
            (Durability::AtBarrier, Some(process)) => {
                self.open[process].puts.insert(name.to_owned());
            }
            (Durability::AtBarrier, None) => {}
        }
        if is_new { Put::Stored } else { Put::Exists }
    }

    pub fn delete(&mut self, process: Option<usize>, name: &str) {
        let Some(object) = self.objects.remove(name).filter(|object| object.is_durable) else {
            return;
        };
        match process {
            Some(process) => self.open[process].deletes.insert(name.to_owned(), object),
            None => self.ghosts.insert(name.to_owned(), object),
        };
    }

    /// Makes durable what a process has done; false when it cannot be any more.
    pub fn barrier(&mut self, process: usize) -> bool {
        let open = &mut self.open[process];
        if open.is_broken {
            return false;
        }
        open.deletes.clear();
        for name in std::mem::take(&mut open.puts) {
            if let Some(object) = self.objects.get_mut(&name) {
                object.is_durable = true;
            }
        }
        true
    }

    /// A barrier of a process failed.
    pub fn break_barrier(&mut self, process: usize) {
        self.open[process].is_broken = true;
    }

    /// The process ended, in whatever way.
    pub fn end_process(&mut self, process: usize) {
        let Open { deletes, .. } = std::mem::take(&mut self.open[process]);
        self.ghosts.extend(deletes);
    }

    /// What was not durable stays, is torn or goes; what was deleted may be back.
    pub fn cut_power(&mut self, random: &mut Random) {
        for process in 0..self.open.len() {
            self.end_process(process);
        }
        let open: Vec<String> =
            self.objects.iter().filter(|(_, o)| !o.is_durable).map(|(n, _)| n.clone()).collect();
        for name in open {
            match random.below(3) {
                0 => drop(self.objects.remove(&name)),
                1 => {
                    let Some(object) = self.objects.get_mut(&name) else { continue };
                    let len = random.below(object.bytes.len() as u64 + 1) as usize;
                    *object = Object { bytes: object.bytes[..len].into(), is_durable: true };
                }
                _ => {
                    let Some(object) = self.objects.get_mut(&name) else { continue };
                    object.is_durable = true;
                }
            }
        }
        for (name, object) in std::mem::take(&mut self.ghosts) {
            if random.chance(5_000) {
                self.objects.entry(name).or_insert(object);
            }
        }
    }
}
