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
use super::keys::{Begin, begin};
use super::objects::Objects;
use super::oracle::Oracle;
use super::random::Random;
use super::world::World;
use crate::repository::Repository;
use crate::repository::access::Access;
use esker_format::key_material::KeyMaterial;
use esker_format::secret::Entropy;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

thread_local! {
    /// Where ids and nonces of this thread come from.
    static DRAWN: RefCell<Option<Random>> = const { RefCell::new(None) };
}

/// Draws ids and nonces of this thread from here on; returns where they came from before.
pub fn draw_from(random: Option<Random>) -> Option<Random> {
    DRAWN.replace(random)
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

/// An actor, its key, and how many processes it is.
struct Actor {
    part: Box<dyn Part>,
    key: KeyMaterial,
    processes: u64,
}

/// All of them.
fn cast(random: &mut Random) -> Vec<Actor> {
    let Begin { owner, hosts, stranger, forgetter, collector, .. } = begin();
    let third = if random.chance(3_000) { stranger } else { &hosts[1] };
    let second = if random.chance(3_000) { collector } else { owner };
    let mut actor = |part: Box<dyn Part>, key: &KeyMaterial, least: u64, most: u64| {
        let processes = least + random.below(most - least + 1);
        Actor { part, key: key.clone(), processes }
    };
    vec![
        actor(Box::<Writer>::default(), owner, 2, 4),
        actor(Box::<Writer>::default(), &hosts[0], 2, 4),
        actor(Box::<Writer>::default(), third, 2, 4),
        actor(Box::new(Collector), owner, 2, 4),
        actor(Box::new(Collector), second, 2, 5),
        actor(Box::new(Forgetter), forgetter, 3, 6),
        actor(Box::new(Reader), owner, 1, 4),
        actor(Box::new(Checker), owner, 0, 2),
    ]
}

/// Lets a seed happen. With `replays` every step is kept in words.
pub fn run(seed: u64, off: Off, replays: bool) -> Outcome {
    switch(off);
    let cast = cast(&mut Random::new(seed, 998));
    let world = world(seed, cast.len(), replays);
    let folder = folder();
    std::thread::scope(|scope| {
        for (number, Actor { mut part, key, processes }) in cast.into_iter().enumerate() {
            let random = Random::new(seed, 1 + number as u64);
            let own = folder.path().join(number.to_string());
            let world = Arc::clone(&world);
            scope.spawn(move || {
                draw_from(Some(Random::new(seed, 1_000 + number as u64)));
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
        draw_from(Some(Random::new(seed, 1_999)));
        let key = begin().owner.clone();
        let mut host = Host::new(Arc::clone(&world), 0, random, key, own);
        if let Err(what) = last_look(&mut host) {
            world.fail(what);
        }
        draw_from(None);
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

/// A world with an empty repository.
pub fn world(seed: u64, actors: usize, replays: bool) -> Arc<World> {
    let Begin { objects, owner, .. } = begin();
    let objects = Objects::new(objects.clone(), actors);
    let access = Arc::new(Access::new(owner));
    let oracle = Oracle::new(access, &objects, actors).expect("an empty repository is sound");
    Arc::new(World::new(seed, actors, objects, oracle, replays))
}

/// When all is quiet a host without any cache restores all that nobody has forgotten, and a check
/// finds nothing lost. Nor does it after a last collection, which leaves nothing that nobody needs.
fn last_look(host: &mut Host) -> Result<(), String> {
    let mut repository = host.open().map_err(|e| format!("it cannot be opened in the end: {e}"))?;
    expect_wanted(&mut repository, host)?;
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
    let mut repository = host.open().map_err(|e| format!("it cannot be opened in the end: {e}"))?;
    expect_wanted(&mut repository, host)
}

/// What nobody has forgotten is restored as it was.
fn expect_wanted(repository: &mut Repository, host: &mut Host) -> Result<(), String> {
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
