//! Copies of small made-up repositories: what has the right names, headers and checksums is all that a
//! sync can tell.

mod costs;
mod cut_off;
mod damage;
mod mending;
mod moving;
mod promoting;
mod refused;
mod scene;

use super::*;
use crate::store::{MemoryStore, Operation, RecordingStore};
use scene::{Scene, names_of, same, sync};

#[test]
fn a_copy_has_all_objects_and_a_mark() {
    let scene = Scene::new(5);
    let copy = MemoryStore::new();
    let report = sync(&scene.store, &copy).unwrap();
    assert_eq!((report.entries, report.end, report.listings), (5, 5, 1));
    assert_eq!(report.objects as usize, names_of(&scene.store).len() - 5);
    assert_eq!(report.bad, []);
    same(&scene.store, &copy);
    assert!(is_marked(&copy).unwrap() && !is_marked(&scene.store).unwrap());
}

#[test]
fn a_copy_can_be_the_source_of_another() {
    let scene = Scene::new(3);
    let (first, second) = (MemoryStore::new(), MemoryStore::new());
    sync(&scene.store, &first).unwrap();
    sync(&first, &second).unwrap();
    same(&scene.store, &second);
    assert!(is_marked(&second).unwrap());
}

#[test]
fn a_later_sync_copies_what_is_new_and_nothing_else() {
    let mut scene = Scene::new(4);
    let copy = RecordingStore::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    scene.save(b"more");
    let source = RecordingStore::new(&scene.store);
    copy.forget();
    let plan = plan(&source, &copy).unwrap();
    assert_eq!((plan.from, plan.to, plan.objects, plan.is_new), (4, 5, 3, false));
    let report = sync(&source, &copy).unwrap();
    assert_eq!((report.objects, report.entries), (3, 1));
    assert_eq!(plan.bytes, report.bytes);
    assert_eq!(copy.bytes_written(), report.bytes);
    same(&scene.store, &copy);
}

/// Marker, config, slots, data, and then the log from the newest entry downwards.
#[test]
fn what_leads_to_others_is_put_after_them() {
    let scene = Scene::new(4);
    let copy = RecordingStore::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    let puts = copy.calls().into_iter();
    let puts: Vec<String> =
        puts.filter(|call| call.operation == Operation::PutNew).map(|call| call.name).collect();
    assert_eq!(puts[..2], ["mirror", "config"]);
    assert!(puts[2].starts_with("keys/"), "{}", puts[2]);
    assert_eq!(puts[puts.len() - 4..], ["log/0/3", "log/0/2", "log/0/1", "log/0/0"]);
    let barriers = copy.calls().into_iter().enumerate();
    let barriers = barriers.filter(|(_, call)| call.operation == Operation::Barrier);
    let at = |name: &str| copy.calls().iter().position(|call| call.name == name).unwrap();
    let barriers: Vec<usize> = barriers.map(|(at, _)| at).collect();
    assert!(barriers[0] < at("log/0/3"), "objects are durable before an entry is there");
    assert!(at("log/0/1") < barriers[1] && barriers[1] < at("log/0/0"), "{barriers:?}");
}

#[test]
fn the_end_of_a_log_is_found_from_wherever_one_begins() {
    for len in [0u64, 1, 2, 3, 7, 8, 9, 100] {
        let store = MemoryStore::new();
        for seq in 0..len {
            let name = names::entry(esker_format::ids::Seq(seq));
            let _ = store.put_new(&name, &[b"x"], Durability::Now).unwrap();
        }
        for from in 0..=len {
            assert_eq!(log::find_end(&store, from).unwrap(), len, "{from} of {len}");
        }
    }
}

#[test]
fn a_checkpoint_of_an_entry_that_the_copy_will_not_have_waits_for_the_next_sync() {
    let mut scene = Scene::new(3);
    let early = scene.checkpoint(3);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    assert_eq!(copy.size(&early).unwrap(), None);
    scene.save(b"more");
    sync(&scene.store, &copy).unwrap();
    same(&scene.store, &copy);
}

#[test]
fn what_no_rule_names_is_told_and_stays_behind() {
    let scene = Scene::new(2);
    for name in ["notes", "pack/zz/what", "log/0/007"] {
        let _ = scene.store.put_new(name, &[b"?"], Durability::Now).unwrap();
    }
    let copy = MemoryStore::new();
    let mut plan = plan(&scene.store, &copy).unwrap();
    plan.strange.names.sort();
    assert_eq!(plan.strange.names, ["log/0/007", "notes", "pack/zz/what"]);
    assert_eq!(sync(&scene.store, &copy).unwrap().bad, []);
    assert_eq!(copy.size("notes").unwrap(), None);
}

#[test]
fn a_key_slot_that_the_source_lost_stays_and_is_told() {
    let scene = Scene::new(2);
    let copy = MemoryStore::new();
    sync(&scene.store, &copy).unwrap();
    let slot = names_of(&scene.store).into_iter().find(|name| name.starts_with("keys/")).unwrap();
    scene.store.delete(&slot).unwrap();
    let plan = plan(&scene.store, &copy).unwrap();
    assert_eq!(plan.old_slots, std::slice::from_ref(&slot));
    sync(&scene.store, &copy).unwrap();
    assert!(copy.size(&slot).unwrap().is_some());
}
