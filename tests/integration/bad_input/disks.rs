//! Full disks: below the store, and below the target.

use super::mounted::Mounted;
use crate::support::{Draw, Home, differences, needs};

#[test]
fn a_full_store_takes_no_snapshot_and_loses_none() {
    let home = Home::new();
    let Some(disk) = Mounted::new(home.path("disk"), 24) else { return };
    let (repository, key) = (disk.path().join("repository"), home.path("key"));
    let run = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["-r", repository.to_str().unwrap(), "-k", key.to_str().unwrap()]);
        home.run(all)
    };
    run(&["init"]).ok();
    let small = home.write("small/file", Draw::new(1).noise(1 << 20));
    let large = home.write("large/file", Draw::new(2).noise(60 << 20));
    let (small, large) = (small.parent().unwrap(), large.parent().unwrap());
    run(&["snapshot", small.to_str().unwrap()]).ok();
    for _ in 0..2 {
        let ran = run(&["snapshot", large.to_str().unwrap()]).exit(1);
        ran.says(&["error: ", repository.to_str().unwrap(), "hint: make room"]);
    }
    assert_eq!(run(&["snapshots", "--json"]).ok().json().len(), 1);
    run(&["check", "--read-data"]).ok();
    disk.resize(200);
    run(&["snapshot", large.to_str().unwrap()]).ok();
    run(&["check", "--read-data"]).ok();
    if needs("rsync") {
        for (number, folder) in [small, large].into_iter().enumerate() {
            let what = format!("latest~{}:{}", 1 - number, folder.display());
            let target = home.path(format!("target {number}"));
            run(&["restore", &what, target.to_str().unwrap()]).ok();
            assert_eq!(differences(folder, &target), Vec::<String>::new());
        }
    }
}

#[test]
fn no_repository_is_half_made_on_a_full_disk() {
    let home = Home::new();
    let Some(disk) = Mounted::new(home.path("disk"), 1) else { return };
    std::fs::write(home.path("filler"), "").unwrap();
    // Not a byte is left.
    let filler = std::fs::File::create(disk.path().join("filler")).unwrap();
    rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, (1 << 20) - 8192)
        .unwrap();
    let _ = rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, 1 << 20);
    let (repository, key) = (disk.path().join("repository"), home.path("key"));
    let init = || {
        home.run([
            "init".as_ref(),
            "-r".as_ref(),
            repository.as_os_str(),
            "-k".as_ref(),
            key.as_os_str(),
        ])
    };
    init().exit(1).says(&["error: "]);
    assert!(!repository.join("config").exists());
}

#[test]
fn a_full_target_is_told_as_that_and_what_to_do() {
    let home = Home::new();
    let Some(disk) = Mounted::new(home.path("disk"), 8) else { return };
    for number in 0..20 {
        home.write(&format!("work/{number}"), Draw::new(number).noise(1 << 20));
    }
    home.snapshot(home.path("work")).ok();
    let target = disk.path().join("target");
    let ran = home.restore("latest", &target).exit(1);
    ran.says(&["error: ", target.to_str().unwrap(), "hint: make room"]);
    home.run(["check", "--read-data"]).ok();
}
