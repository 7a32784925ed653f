//! Trees that are deeper than a path can be long, and directories that are very large.

use crate::support::{Home, Ran};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

fn enter(above: &OwnedFd, name: &str) -> OwnedFd {
    openat(above, name, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .unwrap()
}

fn open(path: &Path) -> OwnedFd {
    openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

#[test]
fn a_tree_deeper_than_any_path_is_saved_and_restored() {
    let home = Home::new();
    std::fs::create_dir(home.path("work")).unwrap();
    let name = |level: u32| format!("{level:03}{}", "x".repeat(197));
    let mut at = open(&home.path("work"));
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    for level in 0..100 {
        let file = openat(&at, "file", create, Mode::from_raw_mode(0o640)).unwrap();
        std::fs::File::from(file).write_all(format!("level {level}").as_bytes()).unwrap();
        mkdirat(&at, name(level), Mode::RWXU).unwrap();
        at = enter(&at, &name(level));
        rustix::fs::fchmod(&at, Mode::from_raw_mode(0o700 + level % 8)).unwrap();
    }
    home.snapshot(home.path("work")).ok();
    home.snapshot(home.path("work")).ok();
    home.run(["check", "--read-data"]).ok();
    let (what, target) = (format!("latest:{}", home.path("work").display()), home.path("target"));
    home.restore(&what, &target).ok();
    let mut at = open(&target);
    for level in 0..100 {
        let file = openat(&at, "file", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut text = String::new();
        std::fs::File::from(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("level {level}"));
        at = enter(&at, &name(level));
        let mode = rustix::fs::fstat(&at).unwrap().st_mode & 0o7777;
        assert_eq!(mode, 0o700 + level % 8);
    }
    let listed = home.run(["ls", &what]).ok().out.lines().count();
    assert_eq!(listed, 200);
}

/// Opens a directory at `work` whose path is longer than the parent of any entry can be.
fn too_deep(home: &Home) -> OwnedFd {
    std::fs::create_dir_all(home.path("work")).unwrap();
    let (mut at, name) = (open(&home.path("work")), "x".repeat(255));
    for _ in 0..258 {
        mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = enter(&at, &name);
    }
    at
}

#[test]
fn a_sparse_file_deeper_than_a_map_can_say_is_named_and_the_rest_is_saved() {
    let home = Home::new();
    let good = home.write("work/a/good", "saved");
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let sparse = openat(too_deep(&home), "sparse", create, Mode::RUSR).unwrap();
    std::fs::File::from(sparse).set_len(1 << 20).unwrap();
    let ran = home.snapshot(home.path("work")).exit(3);
    ran.says(&["xxx/sparse cannot be stored: path: "]);
    assert_eq!(home.run(["cat", &format!("latest:{}", good.display())]).ok().out, "saved");
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn problems_with_long_paths_are_all_counted_and_listed_as_far_as_there_is_room() {
    let home = Home::new();
    let at = too_deep(&home);
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    for number in 0..1000 {
        openat(&at, format!("{number}"), create, Mode::RUSR).unwrap();
    }
    let ran = home.run(["snapshot".as_ref(), "--json".as_ref(), home.path("work").as_os_str()]);
    let made = ran.exit(3).json().remove(0);
    let listed = made["problems"].as_array().unwrap();
    assert!(made["problems_total"].as_u64().unwrap() >= 1000, "{}", made["problems_total"]);
    assert!(listed.len() >= 10 && made["problems"].to_string().len() < 2 << 20);
}

#[test]
fn a_directory_of_200_000_files_is_saved_and_restored() {
    const FILES: u64 = 200_000;
    let memory = Home::within(Path::new("/dev/shm"));
    let home = memory.unwrap_or_else(|_| Home::new());
    std::fs::create_dir(home.path("work")).unwrap();
    let work = open(&home.path("work"));
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    for number in 0..FILES {
        let file = openat(&work, format!("{number}"), create, Mode::from_raw_mode(0o644)).unwrap();
        rustix::io::write(&file, number.to_string().as_bytes()).unwrap();
    }
    let began = Instant::now();
    let json = |ran: Ran| ran.ok().json().remove(0);
    let arguments = ["snapshot", "--json", home.path("work").to_str().unwrap()].map(String::from);
    let counts = json(home.run(&arguments))["counts"].take();
    assert_eq!((&counts["files"], counts["new"].as_u64().unwrap() > FILES), (&FILES.into(), true));
    let counts = json(home.run(&arguments))["counts"].take();
    assert!(counts["unchanged"].as_u64().unwrap() >= FILES, "{counts}");
    let (what, target) = (format!("latest:{}", home.path("work").display()), home.path("target"));
    home.restore(&what, &target).ok();
    let limit = Duration::from_secs(90);
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
    let mut found = 0;
    for entry in std::fs::read_dir(&target).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(std::fs::read(entry.path()).unwrap(), entry.file_name().as_encoded_bytes());
        found += 1;
    }
    assert_eq!(found, FILES);
}
