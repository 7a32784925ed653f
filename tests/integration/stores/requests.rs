//! What a store that is far away is asked, counted: every request costs a journey.

use crate::browse::has_fuse;
use crate::support::far::{Far, TIME};
use esker::browse::mount::{Options, Shown, Wanted, mount};
use esker::repository::view::View;
use esker::repository::{ChunkSource, Filter, select};
use esker::restore::{self, Change, Export, How};
use esker::store::{Call, Operation, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

impl Far {
    /// Restores the latest snapshot, or a path of it, and returns where.
    fn restore(&self, cache: &str, path: Option<&Path>) -> PathBuf {
        let repository = self.open(cache);
        let mut wanted = String::from("latest");
        if let Some(path) = path {
            wanted = format!("{wanted}:{}", path.display());
        }
        let selected = select(&repository, &wanted).unwrap();
        let target = self.home.path("restored");
        let _ = std::fs::remove_dir_all(&target);
        let (how, observe) = (How::default(), &|_: &Change<'_>| ());
        let request = restore::Request {
            selected: &selected,
            target: &target,
            called: &target,
            threads: 2,
            how: &how,
            observe,
        };
        let (progress, stop) = (Default::default(), AtomicBool::new(false));
        let report = restore::restore(&repository, &request, &progress, &stop).unwrap();
        assert!(report.problems.is_empty() && report.damaged.is_empty(), "{report:?}");
        target
    }
}

/// How often each pack was asked for.
fn of_packs(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let packs = calls.iter().filter(|call| call.name.starts_with("pack/"));
    let read = packs.filter(|call| [Operation::Get, Operation::GetRange].contains(&call.operation));
    for call in read {
        *counts.entry(call.name.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn far_away_a_restore_of_all_asks_for_each_pack_once_and_reads_no_byte_twice() {
    // More chunks than are planned at a time.
    let far = Far::new(17_500);
    let mut sizes = Vec::new();
    far.store.list("pack/", &mut |listed| sizes.push(listed.size)).unwrap();
    let (packs, stored) = (sizes.len(), sizes.iter().sum::<u64>());
    assert!(packs > 2, "{packs}");
    far.store.forget();
    let target = far.restore("cache", None);
    let asked = of_packs(&far.store.calls());
    assert_eq!(asked.len(), packs);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    let read = far.store.bytes_read();
    assert!(read < stored + 100_000, "{read} of {stored}");
    let below = target.join(far.work().strip_prefix("/").unwrap());
    for name in ["0/0/0", "0/0/license", "3/149/14983", "6/100/10002"] {
        let (saved, restored) = (far.work().join(name), below.join(name));
        assert!(std::fs::read(saved).unwrap() == std::fs::read(restored).unwrap(), "{name}");
    }
}

#[test]
fn far_away_one_file_of_many_takes_ten_requests_and_the_log_and_index_without_a_cache() {
    let far = Far::new(3000);
    // Entries of the log, what tells its end, and a segment come on top.
    for (cache, most) in [("cache", 8), ("another", 14)] {
        far.store.forget();
        let file = far.work().join("3/29/2992");
        let target = far.restore(cache, Some(&file));
        let restored = std::fs::read(target.join("2992")).unwrap();
        assert!(restored == std::fs::read(&file).unwrap());
        let calls = far.store.calls();
        assert!(calls.len() <= most, "{cache}: {} {calls:#?}", calls.len());
    }
}

#[test]
fn far_away_a_small_file_of_a_cold_mounted_snapshot_takes_eight_requests() {
    if !has_fuse() {
        return;
    }
    let far = Far::new(3000);
    let mountpoint = far.home.path("mnt");
    std::fs::create_dir(&mountpoint).unwrap();
    let view = View::new(Box::new(far.open("cold")), 64 << 20, 2);
    let shown = Shown::new(
        &view,
        Wanted::All(Filter::default()),
        TIME,
        Box::new(|event| panic!("{event:?}")),
    );
    let options = Options {
        mountpoint: mountpoint.clone(),
        allow_other: false,
        must_end: false,
        name: "far".to_owned(),
        threads: 2,
    };
    let mounted = mount(Arc::new(shown), &options).unwrap();
    let file = far.work().join("3/29/2992");
    far.store.forget();
    let id = std::fs::read_dir(mountpoint.join("by-id")).unwrap().next().unwrap().unwrap();
    let read = std::fs::read(id.path().join(file.strip_prefix("/").unwrap())).unwrap();
    assert!(read == std::fs::read(&file).unwrap());
    let calls = far.store.calls();
    assert!(calls.len() <= 8, "{} {calls:#?}", calls.len());
    drop(mounted);
}

#[test]
fn an_export_of_many_files_reads_what_lies_together_together() {
    let far = Far::new(3000);
    let repository = far.open("cache");
    let view = View::new(Box::new(far.open("another")), 8 << 20, 2);
    let selected = view.select("latest").unwrap();
    let from: [&dyn ChunkSource; 2] = [&repository, &*view];
    for (from, form) in from.into_iter().zip([Export::tar, Export::zip]) {
        far.store.forget();
        let export = Export { from, selected: &selected, threads: 2 };
        let mut out = Vec::new();
        let exported = form(&export, &mut out, &AtomicBool::new(false)).unwrap();
        assert!(exported.entries > 3000 && exported.problems.is_empty());
        let calls = far.store.calls().len();
        assert!(calls < 100, "{calls}");
    }
}

#[test]
fn far_away_a_snapshot_that_finds_nothing_new_takes_twelve_requests() {
    let far = Far::new(3000);
    far.store.forget();
    let report = far.snapshot();
    assert_eq!(report.summary.counts.added, 0);
    let calls = far.store.calls();
    let requests = calls.iter().filter(|call| call.operation != Operation::Barrier);
    assert!(requests.count() <= 12, "{calls:#?}");
}
