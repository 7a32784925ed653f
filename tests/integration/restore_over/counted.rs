//! How much of a repository a restore reads, counted by the store.

use super::mutate::change_unseen;
use super::summary;
use crate::support::{Draw, Home};
use esker::repository::{Repository, Unlock, select};
use esker::restore::{Change, Counts, How, Overwrite, Progress, Request, restore};
use esker::store::{LocalStore, RecordingStore};
use esker_format::recovery;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static NEVER: AtomicBool = AtomicBool::new(false);

/// A repository with a large snapshot, and the key that opens it.
fn grow(home: &Home) -> String {
    let ran = home.run(["init", "--json"]).ok();
    let mut draw = Draw::new(8);
    for folder in 0..10 {
        for number in 0..96 {
            home.write(&format!("work/{folder}/{number}"), draw.noise(100 << 10));
        }
    }
    home.snapshot(home.path("work")).ok();
    summary(&ran)["recovery_key"].as_str().unwrap().to_owned()
}

/// Restores over the source; returns what was done, and the bytes that were read from the store
/// for that.
fn restored(home: &Home, key: &str, target: &Path, overwrite: Overwrite) -> (Counts, u64) {
    let store = Arc::new(RecordingStore::new(LocalStore::open(home.repository()).unwrap()));
    let unlock = Unlock::Recovery(recovery::decode(key).unwrap());
    let repository = Repository::open(Arc::clone(&store) as _, unlock, &home.path("cache/esker"));
    let repository = repository.unwrap();
    let what = format!("latest:{}", home.path("work").display());
    let selected = select(&repository, &what).unwrap();
    store.forget();
    let (how, observe) = (How { overwrite, ..How::default() }, &|_: &Change<'_>| ());
    let request =
        Request { selected: &selected, target, called: target, threads: 2, how: &how, observe };
    let report = restore(&repository, &request, &Progress::default(), &NEVER).unwrap();
    assert_eq!((report.problems, report.damaged), (Vec::new(), Vec::new()));
    (report.counts, store.bytes_read())
}

#[test]
fn to_change_one_file_in_a_hundred_takes_less_than_a_twentieth_of_the_repository() {
    let home = Home::new();
    let key = grow(&home);
    let work = home.path("work");
    // The six changed files lie in one frame of 2 MiB or in two.
    // The six changed files lie in one frame of 2 MiB, or in two.
    let all = 10 * 96 * (100 << 10);
    let (counts, nothing) = restored(&home, &key, &work, Overwrite::Always);
    assert_eq!((counts.changed, counts.fetched), (0, 0));
    // Pages of the map alone.
    assert!(nothing < all / 200, "{nothing} of {all}");
    let sound = std::fs::read(work.join("4/20")).unwrap();
    (20..26).for_each(|number| change_unseen(&work.join(format!("4/{number}")), 50_000));
    let (counts, some) = restored(&home, &key, &work, Overwrite::Always);
    assert_eq!((counts.changed, counts.fetched), (6, 6 * (100 << 10)));
    assert!(some < all / 20, "{some} of {all}");
    assert!(std::fs::read(work.join("4/20")).unwrap() == sound);
}
