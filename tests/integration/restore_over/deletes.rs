//! `--delete`: what goes, and what never does.

use super::{counts, latest, restore, summary};
use crate::support::{Home, Ran, skipped};
use std::path::Path;
use std::process::Command;

#[test]
fn nothing_is_deleted_unless_that_is_asked_for() {
    let home = Home::new();
    home.write("work/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    let mine = home.write("work/mine", "mine");
    assert_eq!(counts(&restore(&home, &latest(&work), &work, &[]).ok())[4], 0);
    assert!(mine.exists());
    assert_eq!(counts(&restore(&home, &latest(&work), &work, &["--delete"]).ok())[4], 1);
    assert!(!mine.exists());
}

#[test]
fn directories_that_only_lead_to_a_source_keep_what_is_in_them() {
    let home = Home::new();
    home.write("a/b/source/file", "saved");
    home.write("a/b/source/empty/.keep", "");
    std::fs::remove_file(home.path("a/b/source/empty/.keep")).unwrap();
    home.snapshot(home.path("a/b/source")).ok();
    let target = home.path("target");
    restore(&home, "latest", &target, &[]).ok();
    let below = |path: &str| target.join(home.path(path).strip_prefix("/").unwrap());
    let (stay, go) = (["a/mine", "a/b/mine"], ["a/b/source/extra", "a/b/source/empty/extra"]);
    stay.iter().chain(&go).for_each(|path| std::fs::write(below(path), "").unwrap());
    std::fs::write(target.join("mine"), "").unwrap();
    let ran = restore(&home, "latest", &target, &["--delete"]).ok();
    assert_eq!(counts(&ran)[4], 2);
    assert!(stay.iter().all(|path| below(path).exists()) && target.join("mine").exists());
    assert!(!go.iter().any(|path| below(path).exists()));
    // The same when the path in the snapshot is above the source.
    std::fs::write(below("a/b/source/extra"), "").unwrap();
    let what = latest(&home.path("a"));
    let ran = restore(&home, &what, &below("a"), &["--delete"]).ok();
    assert_eq!(counts(&ran)[4], 1);
    assert!(stay.iter().all(|path| below(path).exists()));
}

#[test]
fn nothing_is_deleted_across_a_mount() {
    let home = Home::new();
    home.write("work/kept/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    let (other, kept) = (work.join("other"), work.join("kept"));
    std::fs::create_dir(&other).unwrap();
    let mut mounted = Vec::new();
    for place in [&other, &kept] {
        let done = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(place).output();
        if !done.is_ok_and(|done| done.status.success()) {
            break;
        }
        mounted.push(place);
        std::fs::write(place.join("mine"), "mine").unwrap();
    }
    let is_mounted = mounted.len() == 2;
    let ran = is_mounted.then(|| restore(&home, &latest(&work), &work, &["--delete"]));
    let stays = [&other, &kept].map(|place| place.join("mine").exists());
    let restored = kept.join("file").exists();
    mounted.iter().for_each(|place| {
        assert!(Command::new("umount").arg(place).status().unwrap().success());
    });
    let Some(ran) = ran else { return skipped("needs the right to mount a file system") };
    let ran = ran.ok();
    assert_eq!((stays, restored), ([true, true], true), "{}", ran.out);
    assert_eq!(counts(&ran)[3..], [1, 0]);
}

#[test]
fn what_could_not_be_saved_is_not_deleted() {
    if !rustix::process::geteuid().is_root() {
        return skipped("needs root");
    }
    let home = Home::new();
    home.write("work/shut/file", "secret");
    home.write("work/file", "secret");
    home.write("work/open", "open");
    let run = |arguments: &[&str]| Ran::of(home.command_without_root().args(arguments));
    run(&["init"]).ok();
    for path in ["work/shut", "work/file"] {
        let mode = rustix::fs::Mode::empty();
        rustix::fs::chmod(home.path(path), mode).unwrap();
    }
    let work = home.path("work");
    run(&["snapshot", work.to_str().unwrap()]).exit(3);
    let ran = restore(&home, &latest(&work), &work, &["--delete"]).exit(3);
    assert_eq!(counts(&ran)[4], 0);
    assert_eq!(std::fs::read(home.path("work/shut/file")).unwrap(), b"secret");
    assert_eq!(std::fs::read(home.path("work/file")).unwrap(), b"secret");
}

#[test]
fn the_root_of_the_system_needs_to_know_what_is_meant_and_asks() {
    let home = Home::new();
    let file = home.write("work/file", "saved");
    home.snapshot(&file).ok();
    let ran = restore(&home, "latest", Path::new("/"), &["--delete"]).exit(1);
    ran.says(&["error: ", "hint: name the PATH"]);
    std::fs::write(home.path("work/mine"), "").unwrap();
    home.snapshot(home.path("work")).ok();
    std::fs::remove_file(home.path("work/mine")).unwrap();
    let mine = home.write("work/other", "");
    let include = home.path("work").display().to_string();
    let options = ["--delete", "--include", &include];
    // The snapshot of the file is of another series.
    let ran = restore(&home, "latest", Path::new("/"), &options).exit(1);
    ran.says(&["is that of several series", "hint: name the snapshot"]);
    let options = [&options[..], &["--label", &include]].concat();
    let ran = restore(&home, "latest", Path::new("/"), &options).exit(1);
    ran.says(&["would delete 1 entry", "hint: look at it with --dry-run, and give --yes"]);
    assert!(mine.exists() && !home.path("work/mine").exists());
    let ran = restore(&home, "latest", Path::new("/"), &[&options[..], &["--dry-run"]].concat());
    assert_eq!(summary(&ran.ok())["deleted"], 1);
    restore(&home, "latest", Path::new("/"), &[&options[..], &["--yes"]].concat()).ok();
    assert!(!mine.exists() && home.path("work/mine").exists());
}

#[test]
fn a_link_to_a_directory_is_deleted_and_not_what_it_leads_to() {
    let home = Home::new();
    home.write("work/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    let mine = home.write("outside/mine", "mine");
    std::fs::create_dir(work.join("extra")).unwrap();
    for place in ["link", "extra/link"] {
        std::os::unix::fs::symlink(home.path("outside"), work.join(place)).unwrap();
    }
    assert_eq!(counts(&restore(&home, &latest(&work), &work, &["--delete"]).ok())[4], 3);
    assert!(mine.exists());
}

#[test]
fn the_repository_the_cache_and_the_key_below_the_target_stay() {
    let home = Home::new();
    let file = home.write("file", "saved");
    let all = home.path("");
    home.snapshot(&all).ok();
    let key = home.path("config/esker/key");
    let (key_before, cache) = (std::fs::read(&key).unwrap(), home.path("cache/esker"));
    let mine = home.write("mine", "mine");
    home.write("data/esker/mine", "mine");
    let ran = restore(&home, &latest(&all), &all, &["--delete", "--dry-run"]);
    assert!(!ran.out.contains("repository") && !ran.out.contains("key"), "{}", ran.out);
    restore(&home, &latest(&all), &all, &["--delete"]).ok();
    assert!(!mine.exists() && !home.path("data/esker/mine").exists());
    assert!(home.repository().join("config").exists() && cache.exists());
    assert_eq!(std::fs::read(&key).unwrap(), key_before);
    std::fs::remove_file(&file).unwrap();
    restore(&home, &latest(&all), &all, &["--delete"]).ok();
    assert_eq!(std::fs::read(&file).unwrap(), b"saved");
}

#[test]
fn the_repository_stays_where_the_snapshot_has_something_else() {
    for has_file in [true, false] {
        let home = Home::new();
        let place = home.path("work/place");
        if has_file {
            home.write("work/place", "saved");
        } else {
            home.write("work/place/pack/file", "saved");
        }
        let work = home.path("work");
        home.snapshot(&work).ok();
        if has_file {
            std::fs::remove_file(&place).unwrap();
        } else {
            std::fs::remove_dir_all(&place).unwrap();
        }
        std::fs::rename(home.repository(), &place).unwrap();
        let (repo, key) = (place.to_str().unwrap(), home.path("config/esker/key"));
        let options = ["--delete", "--repo", repo, "--key-file", key.to_str().unwrap()];
        for _ in 0..2 {
            let ran = restore(&home, &latest(&work), &work, &options).exit(3);
            ran.says(&[repo, "the repository in use is there"]);
            assert!(!place.join("pack/file").exists());
        }
        home.run(["check", "--repo", repo, "--key-file", key.to_str().unwrap()]).ok();
    }
}

#[test]
fn a_target_in_the_repository_is_refused() {
    let home = Home::new();
    home.write("work/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    for target in [home.repository(), home.repository().join("pack"), home.path("cache/esker/a/b")]
    {
        let ran = restore(&home, &latest(&work), &target, &["--delete"]).exit(1);
        ran.says(&["is in the ", "hint: restore into another directory"]);
        assert!(home.repository().join("config").exists() && !target.join("file").exists());
    }
}
