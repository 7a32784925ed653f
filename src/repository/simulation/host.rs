//! The machine of an actor: its clock, its cache, and its randomness.

use super::random::Random;
use super::store::SimStore;
use super::world::World;
use crate::repository::{Local, Repository, Result, Unlock};
use crate::store::Store;
use esker_format::key_material::KeyMaterial;
use esker_format::node::Time;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The day on which all begins, in seconds since 1970.
const BEGIN: i64 = 1_790_000_000;
const YEAR: i64 = 365 * 24 * 3600;

/// A machine.
pub struct Host {
    pub world: Arc<World>,
    pub number: usize,
    pub random: Random,
    key: KeyMaterial,
    folder: PathBuf,
    /// How far its clock is off, in seconds.
    skew: i64,
}

impl Host {
    pub fn new(
        world: Arc<World>,
        number: usize,
        mut random: Random,
        key: KeyMaterial,
        folder: PathBuf,
    ) -> Self {
        let skew = random.pick(&[0, 0, YEAR, -YEAR]);
        Self { world, number, random, key, folder, skew }
    }

    /// What its clock says.
    pub fn now(&self) -> Time {
        let passed = self.world.look().schedule.now as i64;
        Time { seconds: BEGIN + passed + self.skew, nanos: 0 }
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(SimStore::new(Arc::clone(&self.world), self.number))
    }

    /// Where it keeps what it could make again.
    pub fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    /// Opens the repository, as a process that begins does. What it remembers of the log outlives
    /// every cache.
    pub fn open(&self) -> Result<Repository> {
        let (cache, state) = (self.cache(), self.folder.join("state"));
        let local =
            Local { cache: &cache, state: Some(&state), accept_history: false, probes: false };
        Repository::open_with(self.store(), Unlock::File(self.key.clone()), local)
    }

    /// What becomes of the cache between two processes: sometimes it is lost, and sometimes one
    /// from before comes back.
    pub fn shake_cache(&mut self) {
        let (cache, old) = (self.cache(), self.folder.join("old"));
        match self.random.below(12) {
            0 => remove(&cache),
            1 if old.exists() => {
                remove(&cache);
                copy(&old, &cache);
                self.world.look().counters.count("old caches");
            }
            2 if cache.exists() => {
                remove(&old);
                copy(&cache, &old);
            }
            _ => {}
        }
    }
}

fn remove(folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).expect("a folder of the simulation can be removed");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder of the simulation can be made");
    for entry in std::fs::read_dir(from).expect("a folder of the simulation can be read") {
        let entry = entry.expect("a folder of the simulation can be read");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a file of the simulation can be copied");
        }
    }
}
