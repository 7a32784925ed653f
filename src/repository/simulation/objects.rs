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

    /// Takes everything away.
    pub fn clear(&mut self) {
        self.objects.clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use Durability::{AtBarrier, Now};

    fn bytes() -> Arc<[u8]> {
        b"some bytes".as_slice().into()
    }

    /// What becomes of the object in many power cuts, after `before` has happened: how often it is
    /// whole, torn and gone.
    fn fates(before: impl Fn(&mut Objects)) -> [usize; 3] {
        let mut random = Random::new(0, 0);
        let mut fates = [0; 3];
        for _ in 0..100 {
            let mut objects = Objects::new(BTreeMap::new(), 2);
            before(&mut objects);
            objects.cut_power(&mut random);
            match objects.get("a") {
                Some(object) if object.bytes == bytes() => fates[0] += 1,
                Some(_) => fates[1] += 1,
                None => fates[2] += 1,
            }
        }
        fates
    }

    #[test]
    fn a_power_cut_spares_what_a_barrier_of_its_process_covered() {
        let put = |objects: &mut Objects| {
            let _ = objects.put(Some(0), "a", &bytes(), AtBarrier);
        };
        assert!(fates(put).iter().all(|times| *times > 10));
        let other = |objects: &mut Objects| {
            put(objects);
            objects.barrier(1);
        };
        assert!(fates(other).iter().all(|times| *times > 10));
        let own = |objects: &mut Objects| {
            put(objects);
            objects.barrier(0);
        };
        assert_eq!(fates(own), [100, 0, 0]);
        let again = |objects: &mut Objects| {
            put(objects);
            let _ = objects.put(Some(1), "a", &bytes(), AtBarrier);
            objects.barrier(1);
        };
        assert_eq!(fates(again), [100, 0, 0]);
        let now = |objects: &mut Objects| {
            let _ = objects.put(None, "a", &bytes(), Now);
        };
        assert_eq!(fates(now), [100, 0, 0]);
    }

    #[test]
    fn what_was_deleted_may_come_back_until_a_barrier() {
        let delete = |objects: &mut Objects| {
            let _ = objects.put(Some(0), "a", &bytes(), Now);
            objects.delete(Some(0), "a");
        };
        let [back, torn, gone] = fates(delete);
        assert!(back > 10 && torn == 0 && gone > 10);
        let for_good = |objects: &mut Objects| {
            delete(objects);
            objects.barrier(0);
        };
        assert_eq!(fates(for_good), [0, 0, 100]);
    }

    #[test]
    fn after_a_failed_barrier_a_process_has_no_good_one() {
        let mut objects = Objects::new(BTreeMap::new(), 1);
        objects.break_barrier(0);
        assert!(!objects.barrier(0));
        objects.end_process(0);
        assert!(objects.barrier(0));
    }
}
