//! What every seed begins with: a repository, and the keys of those who use it.

use super::objects::Object;
use super::random::Random;
use super::seed::draw_from;
use crate::repository::{NewKey, Repository, Unlock, create};
use crate::store::{MemoryStore, Store};
use esker_format::key_material::KeyMaterial;
use esker_format::log_entry::{ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET};
use esker_format::node::Time;
use esker_format::secret::Entropy;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A repository that nobody has used yet.
pub struct Begin {
    pub objects: BTreeMap<String, Object>,
    pub owner: KeyMaterial,
    /// Two hosts that may append, and cannot read.
    pub hosts: [KeyMaterial; 2],
    /// One in a scope of its own.
    pub stranger: KeyMaterial,
    /// May forget.
    pub forgetter: KeyMaterial,
    /// May collect, and cannot read.
    pub collector: KeyMaterial,
}

/// The same one for all seeds.
pub fn begin() -> &'static Begin {
    static MADE: OnceLock<Begin> = OnceLock::new();
    MADE.get_or_init(|| {
        let drawn = draw_from(Some(Random::new(0, 10_000)));
        let made = make();
        draw_from(drawn);
        made
    })
}

fn make() -> Begin {
    let store = Arc::new(MemoryStore::new());
    let key = NewKey::from(&mut Entropy::new([7; 32]));
    let (time, owner) = (Time { seconds: 0, nanos: 0 }, key.material());
    create(&*store, &key, None, time, "a simulation", &mut Entropy::new([8; 32]))
        .expect("a repository can be made in memory");
    let cache = tempfile::tempdir().expect("there is room for a cache");
    let unlock = Unlock::File(owner.clone());
    let mut repository = Repository::open(store.clone(), unlock, cache.path())
        .expect("a new repository can be opened");
    let mut enrol = |name: &str, scope: Option<u32>, roles: u32| {
        let draft = repository.draft_writer(name, scope, roles).expect("the owner may enrol");
        repository.enrol(&draft).expect("the owner may enrol");
        draft.material().clone()
    };
    let hosts = ["one", "two"].map(|name| enrol(name, Some(0), ROLE_APPEND));
    let stranger = enrol("three", None, ROLE_APPEND);
    let forgetter = enrol("four", Some(0), ROLE_FORGET);
    let collector = enrol("five", Some(0), ROLE_COLLECT);
    let mut names = Vec::new();
    store.list("", &mut |found| names.push(found.name)).expect("memory can be listed");
    let read = |name: String| {
        let mut bytes = Vec::new();
        store.get(&name, 1 << 20, &mut bytes).expect("what was listed is there");
        (name, Object { bytes: bytes.into(), is_durable: true })
    };
    let objects = names.into_iter().map(read).collect();
    Begin { objects, owner, hosts, stranger, forgetter, collector }
}
