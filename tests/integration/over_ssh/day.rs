//! A day with a repository far away.

use super::Away;
use crate::support::{Sshd, differences, needs};
use std::fs;
use std::path::PathBuf;
use tempfile::{TempDir, tempdir};

/// Saves, changes, saves, restores, forgets and checks; returns what must live as long as the place.
fn a_day(scheme: &str, before_key: impl Fn(&str) -> String) -> Option<(Away, TempDir, PathBuf)> {
    let parent = tempdir().unwrap();
    let folder = parent.path().join("back up");
    let before_key = before_key(parent.path().to_str().unwrap());
    let sshd = Sshd::begin_with("", &before_key)?;
    let away = Away::new(sshd, scheme, &parent.path().join("back%20up"));

    let first = away.run(&["snapshot", "/etc/hostname"]).exit(10).err;
    assert!(first.contains("holds no esker repository"), "{first}");
    away.run(&["init"]).ok();
    let data = away.home.path("tree");
    away.home.write("tree/small", "one");
    away.home.write("tree/folder/large", vec![7; 3_000_000]);
    let data = data.to_str().unwrap();
    away.run(&["snapshot", data]).ok();
    away.home.write("tree/new", "two");
    away.run(&["snapshot", data]).ok().says_nothing();
    let restored = away.home.path("restored");
    away.run(&["restore", "latest", restored.to_str().unwrap()]).ok();
    let back = restored.join(data.trim_start_matches('/'));
    let back = if back.exists() { back } else { restored.clone() };
    assert_eq!(fs::read(back.join("new")).unwrap(), b"two");
    if needs("rsync") {
        assert_eq!(differences(data.as_ref(), &back), [""; 0]);
    }
    away.run(&["check", "--read-data"]).ok();
    Some((away, parent, folder))
}

#[test]
fn a_day_over_sftp() {
    let Some((away, _parent, folder)) = a_day("sftp", |_| String::new()) else { return };
    away.run(&["forget", "latest"]).ok();
    away.run(&["gc"]).ok();
    away.run(&["check", "--read-data"]).ok();
    // The folder is a repository like any other.
    away.home
        .run([
            "--repo",
            folder.to_str().unwrap(),
            "--key-file",
            away.home.path("key").to_str().unwrap(),
            "check",
        ])
        .ok();
    let again = away.run(&["init"]).exit(1);
    assert!(again.err.contains("not empty"), "{}", again.err);
}

#[test]
fn a_day_over_ssh() {
    let Some((away, _parent, _)) = a_day("ssh", |_| String::new()) else { return };
    away.run(&["forget", "latest"]).ok();
    away.run(&["gc"]).ok();
    away.run(&["check", "--read-data"]).ok();
}

#[test]
fn a_day_over_ssh_with_append_only_in_authorized_keys() {
    let before_key = |parent: &str| {
        let program = env!("CARGO_BIN_EXE_esker");
        format!("command=\"{program} store-serve --append-only {parent}\",restrict")
    };
    let Some((away, parent, folder)) = a_day("ssh", before_key) else { return };
    let probed = away.run(&["probe", "--json"]).ok().json().remove(0);
    assert_eq!(
        (&probed["mode"], &probed["probe"]["can_delete"]),
        (&"shared".into(), &false.into())
    );
    assert!(away.run(&["probe"]).ok().out.contains("delete         refused"));
    let objects = || fs::read_dir(folder.join("snapshot")).unwrap().count();
    let before = objects();
    away.run(&["forget", "latest"]).ok();
    let collected = away.run(&["gc", "--grace", "0"]).ok();
    assert!(collected.out.contains("the store refused to remove"), "{collected:?}");
    collected.says(&["hint:", "stays given up", "may delete there"]);
    assert_eq!(objects(), before, "nothing is gone");
    // On the server itself, whoever may delete there.
    let (folder_there, key) = (folder.to_str().unwrap(), away.home.path("key"));
    let there = ["--repo", folder_there, "--key-file", key.to_str().unwrap()];
    let shown = away.home.run(there.iter().chain(&["stats"])).ok();
    assert!(shown.out.contains("given up and still there"), "{shown:?}");
    away.home.run(there.iter().chain(&["gc", "--grace", "0"])).ok();
    assert_eq!(objects(), before - 1);
    away.run(&["check", "--read-data"]).ok();
    // Outside of what the key is for, there is nothing.
    let outside = tempdir().unwrap();
    let elsewhere =
        Away { repository: format!("ssh://{}", away.sshd.address(outside.path())), ..away };
    elsewhere.run(&["snapshots"]).exit(1).says(&["permission denied", "the server gives only"]);
    drop(parent);
}

#[test]
fn a_far_end_without_the_program_or_out_of_reach_says_so() {
    let Some(sshd) = Sshd::begin() else { return };
    let folder = tempdir().unwrap();
    let mut away = Away::new(sshd, "ssh", folder.path());
    let here = away.repository.clone();
    away.repository = here.replace(env!("CARGO_BIN_EXE_esker"), "/no/such/esker");
    away.run(&["snapshots"]).exit(1).says(&["/no/such/esker"]);
    away.repository = "ssh://127.0.0.1:1/x".to_owned();
    away.run(&["snapshots"]).exit(5).says(&["Connection refused"]);
    away.repository = "sftp://me:secret@host/x".to_owned();
    let refused = away.run(&["snapshots"]).exit(1).says(&["password", "agent"]);
    assert!(!refused.err.contains("secret"), "{}", refused.err);
}
