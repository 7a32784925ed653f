//! What a sync asks of the stores: the same on every machine.

use super::scene::{Scene, sync};
use crate::store::{Call, MemoryStore, Operation, RecordingStore};

#[test]
fn a_sync_of_what_has_not_changed_is_one_listing_of_each_and_one_look_at_the_end_of_the_log() {
    let scene = Scene::new(40);
    let copy = RecordingStore::new(MemoryStore::new());
    sync(&scene.store, &copy).unwrap();
    let source = RecordingStore::new(&scene.store);
    copy.forget();
    let report = sync(&source, &copy).unwrap();
    assert_eq!((report.objects, report.entries, report.listings), (0, 0, 1));
    let call = |operation, name: &str| Call { operation, name: name.to_owned() };
    let of_source = [
        call(Operation::Get, "log/0/39"),
        call(Operation::Size, "log/0/40"),
        call(Operation::List, ""),
    ];
    assert_eq!(source.calls(), of_source);
    assert_eq!(copy.calls(), [call(Operation::List, ""), call(Operation::Get, "log/0/39")]);
}

#[test]
fn each_object_is_read_once_and_put_once() {
    let scene = Scene::new(30);
    let (source, copy) =
        (RecordingStore::new(&scene.store), RecordingStore::new(MemoryStore::new()));
    let report = sync(&source, &copy).unwrap();
    assert_eq!(source.count(Operation::List), 1);
    // One more for the config, which says whose copy it will be.
    assert_eq!(source.count(Operation::Get) as u64, report.objects + report.entries + 1);
    assert_eq!(copy.count(Operation::PutNew) as u64, report.objects + report.entries + 1);
    assert_eq!(copy.count(Operation::List), 1);
}
