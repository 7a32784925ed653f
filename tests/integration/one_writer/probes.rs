//! What machines find out of a store, and what they leave there.

use super::{HERE, Scene, THERE};
use crate::support::Ran;
use std::path::PathBuf;

/// What lies below `probe/` in a repository that is a folder.
fn left(scene: &Scene) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(PathBuf::from(&scene.repository).join("probe")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The files where a machine remembers what it found.
fn remembered(scene: &Scene, machine: &str) -> usize {
    let folder = scene.home.path(machine).join("state/esker/probe");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn each_machine_tries_a_store_once_before_it_writes_and_readers_never() {
    let scene = Scene::new().made(&[]);
    assert_eq!((remembered(&scene, HERE), left(&scene).len()), (1, 0));
    scene.snapshot(HERE).ok();
    scene.run(THERE, &["snapshots"]).ok();
    scene.run(THERE, &["check"]).ok();
    assert_eq!(remembered(&scene, THERE), 0, "readers try nothing");
    scene.snapshot(THERE).ok().says_nothing();
    assert_eq!((remembered(&scene, THERE), left(&scene).len()), (1, 0));

    let first = scene.probe(HERE, &[]);
    assert_eq!(scene.probe(HERE, &[]), first, "what is remembered is shown");
    for what in ["put_if_absent", "listing", "ranges"] {
        assert_eq!(first["probe"][what], "good");
    }
    assert_eq!(first["probe"]["can_delete"], true);
    let shown = scene.run(HERE, &["probe"]).ok();
    for line in ["put if absent  good", "delete         good", "who may write  every machine"] {
        assert!(shown.out.contains(line), "{}", shown.out);
    }
}

#[test]
fn what_a_machine_remembers_can_be_lost_and_is_found_out_again() {
    let scene = Scene::new().made(&[]);
    let folder = scene.home.path("here/state/esker/probe");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "nonsense").unwrap();
    scene.snapshot(HERE).ok().says_nothing();
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("esker probe 1\n"));
    std::fs::remove_dir_all(&folder).unwrap();
    scene.snapshot(HERE).ok().says_nothing();
    assert_eq!(remembered(&scene, HERE), 1);
    let _ = scene.probe(HERE, &["--again"]);
    assert_eq!((remembered(&scene, HERE), left(&scene).len()), (1, 0));
}

#[test]
fn a_writer_deletes_nothing_and_what_it_left_is_no_damage_and_not_copied() {
    let scene = Scene::new().made(&[]);
    let key = scene.home.path("writer.key");
    let words = ["key", "export-writer", "--name", "w", key.to_str().unwrap()];
    scene.run(HERE, &words).ok();
    let source = scene.home.path("source");
    let mut command = scene.command(THERE);
    command.env("ESKER_KEY_FILE", &key).arg("snapshot").arg(&source);
    Ran::of(&mut command).ok().says_nothing();
    let objects = left(&scene);
    assert_eq!(objects.len(), 6, "five names that were raced for, and one");

    let checked = scene.run(HERE, &["check", "--read-data"]).ok().says_nothing();
    assert!(!checked.out.contains("probe/"), "{}", checked.out);
    let copy = scene.home.path("copy");
    let synced = scene.run(HERE, &["sync", copy.to_str().unwrap()]).ok();
    assert!(!synced.out.contains("probe") && !copy.join("probe").exists(), "{}", synced.out);

    // They may still be in use, for all that anybody knows; two days later they are not.
    scene.run(HERE, &["gc"]).ok();
    assert_eq!(left(&scene).len(), 6);
    for object in &objects {
        let name = object.file_name().unwrap().to_str().unwrap();
        let (time, random) = name.split_once('-').unwrap();
        let old = time.parse::<u64>().unwrap() - 2 * 86_400;
        std::fs::rename(object, object.with_file_name(format!("{old}-{random}"))).unwrap();
    }
    scene.run(HERE, &["gc"]).ok();
    assert_eq!(left(&scene).len(), 0);
}

#[test]
fn a_store_that_this_user_may_not_write_to_is_said_so() {
    let scene = Scene::new().made(&[]);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Root writes everywhere; somebody else reads what it may.
    let given =
        std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(scene.home.path("")).status();
    assert!(given.unwrap().success());
    let mut command = scene.home.command_without_root();
    let given = std::process::Command::new("chown").args(["-R", "0:0", &scene.repository]).status();
    assert!(given.unwrap().success());
    command
        .env("ESKER_REPOSITORY", &scene.repository)
        .env("ESKER_KEY_FILE", scene.home.path("key"));
    command.env("XDG_STATE_HOME", scene.home.path("new-state"));
    command.arg("snapshot").arg(scene.home.path("source"));
    Ran::of(&mut command).exit(1).says(&["permission denied", "write access"]);
}
