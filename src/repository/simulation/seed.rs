//! One seed, from an empty world to the last look.

use super::actors::checker::{Checker, lost};
use super::actors::collector::{Collector, collect};
use super::actors::forgetter::Forgetter;
use super::actors::reader::{Reader, read};
use super::actors::writer::Writer;
use super::actors::{Part, play};
use super::control::{Off, switch};
use super::counters::Counters;
use super::host::Host;
use super::objects::{Object, Objects};
use super::oracle::Oracle;
use super::random::Random;
use super::world::World;
use crate::repository::access::Access;
use crate::repository::{NewKey, Repository, create};
use crate::store::{MemoryStore, Store};
use esker_format::key_material::KeyMaterial;
use esker_format::node::Time;
use esker_format::secret::Entropy;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

thread_local! {
    /// Where ids and nonces of this thread come from.
    static DRAWN: RefCell<Option<Random>> = const { RefCell::new(None) };
}

/// Entropy of the seed, on a thread that has one.
pub fn drawn() -> Option<Entropy> {
    DRAWN.with_borrow_mut(|random| random.as_mut().map(Random::entropy))
}

/// What came of a seed.
pub struct Outcome {
    pub seed: u64,
    pub counters: Counters,
    pub trace: blake3::Hash,
    /// What was found that must not be.
    pub failure: Option<String>,
    pub lines: Vec<String>,
}

/// Actors, and how many processes each of them is.
fn cast(random: &mut Random) -> Vec<(Box<dyn Part>, u64)> {
    let mut between = |least: u64, most: u64| least + random.below(most - least + 1);
    vec![
        (Box::new(Writer::default()), between(3, 6)),
        (Box::new(Writer::default()), between(3, 6)),
        (Box::new(Writer::default()), between(3, 6)),
        (Box::new(Collector), between(2, 5)),
        (Box::new(Collector), between(2, 5)),
        (Box::new(Forgetter), between(4, 8)),
        (Box::new(Reader), between(2, 5)),
        (Box::new(Checker), between(0, 2)),
    ]
}

/// Lets a seed happen. With `replays` every step is kept in words.
pub fn run(seed: u64, off: Off, replays: bool) -> Outcome {
    switch(off);
    let cast = cast(&mut Random::new(seed, 998));
    let (world, key) = world(seed, cast.len(), replays);
    let folder = folder();
    std::thread::scope(|scope| {
        for (number, (mut part, processes)) in cast.into_iter().enumerate() {
            let random = Random::new(seed, 1 + number as u64);
            let own = folder.path().join(number.to_string());
            let (world, key) = (Arc::clone(&world), key.clone());
            scope.spawn(move || {
                let ids = Random::new(seed, 1_000 + number as u64);
                DRAWN.set(Some(ids));
                switch(off);
                let mut host = Host::new(world, number, random, key, own);
                play(&mut host, &mut *part, processes);
            });
        }
        world.run();
    });
    if world.look().failure().is_none() {
        let random = Random::new(seed, 999);
        let own = folder.path().join("last");
        DRAWN.set(Some(Random::new(seed, 1_999)));
        let mut host = Host::new(Arc::clone(&world), 0, random, key, own);
        if let Err(what) = last_look(&mut host) {
            world.fail(what);
        }
        DRAWN.set(None);
    }
    switch(Off::default());
    let mut inner = world.look();
    Outcome {
        seed,
        counters: inner.counters.clone(),
        trace: inner.trace(),
        failure: inner.failure().map(str::to_owned),
        lines: std::mem::take(&mut inner.lines),
    }
}

/// A world with an empty repository, and its key.
pub fn world(seed: u64, actors: usize, replays: bool) -> (Arc<World>, KeyMaterial) {
    let key = NewKey::from(&mut Entropy::new([7; 32])).material();
    let objects = Objects::new(empty_repository().clone(), actors);
    let access = Arc::new(Access::new(&key));
    let oracle = Oracle::new(access, &objects, actors).expect("an empty repository is sound");
    (Arc::new(World::new(seed, actors, objects, oracle, replays)), key)
}

/// When all is quiet a host without any cache restores all that nobody has forgotten, and a check
/// finds nothing lost. Nor does it after a last collection, which leaves nothing that nobody needs.
fn last_look(host: &mut Host) -> Result<(), String> {
    let mut repository = host.open().map_err(|e| format!("it cannot be opened in the end: {e}"))?;
    expect_wanted(&repository, host)?;
    let mut world = host.world.look();
    if world.oracle.expect_collected(&world.objects).is_err() {
        world.counters.count("worlds with something left to collect");
    }
    drop(world);
    for _ in 0..2 {
        collect(&mut repository, host, [0; 3])
            .map_err(|e| format!("the last collection fails: {e}"))?;
    }
    let world = host.world.look();
    world.oracle.expect_collected(&world.objects)?;
    drop(world);
    let repository = host.open().map_err(|e| format!("it cannot be opened in the end: {e}"))?;
    expect_wanted(&repository, host)
}

/// What nobody has forgotten is restored as it was.
fn expect_wanted(repository: &Repository, host: &mut Host) -> Result<(), String> {
    let saved = host.world.look().oracle.saved.clone();
    for (id, saved) in saved.iter().filter(|(_, saved)| saved.is_wanted) {
        let tree = read(repository, *id, &mut || ())
            .map_err(|e| format!("snapshot {id} cannot be restored in the end: {e}"))?;
        if tree != saved.tree {
            return Err(format!("snapshot {id} is another in the end"));
        }
    }
    if host.random.below(4) > 0 {
        return Ok(());
    }
    let lost = lost(repository).map_err(|e| format!("the check fails in the end: {e}"))?;
    let lost: Vec<_> =
        lost.iter().filter(|(id, _)| saved.get(id).is_some_and(|s| s.is_wanted)).collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("the check finds lost in the end: {lost:?}")) }
}

/// A folder for caches, in memory where there is one.
fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("esker-simulation-");
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() };
    made.or_else(|_| builder.tempdir()).expect("there is room for caches")
}

/// What every seed begins with.
fn empty_repository() -> &'static BTreeMap<String, Object> {
    static MADE: OnceLock<BTreeMap<String, Object>> = OnceLock::new();
    MADE.get_or_init(|| {
        let store = MemoryStore::new();
        let key = NewKey::from(&mut Entropy::new([7; 32]));
        let time = Time { seconds: 0, nanos: 0 };
        create(&store, &key, None, time, "a simulation", &mut Entropy::new([8; 32]))
            .expect("a repository can be made in memory");
        let mut names = Vec::new();
        store.list("", &mut |found| names.push(found.name)).expect("memory can be listed");
        let read = |name: String| {
            let mut bytes = Vec::new();
            store.get(&name, 1 << 20, &mut bytes).expect("what was listed is there");
            (name, Object { bytes: bytes.into(), is_durable: true })
        };
        names.into_iter().map(read).collect()
    })
}
