//! How a mount begins and ends: nothing is hidden, and nothing stays.

use super::{Mount, has_fuse, is_mounted, until};
use crate::support::{Home, Ran};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Read;

fn saved() -> Home {
    let home = Home::new();
    home.write("in/file", "text");
    home.snapshot(home.path("in")).ok();
    home
}

#[test]
fn a_signal_unmounts_and_is_no_error() {
    let home = saved();
    for signal in [Signal::INT, Signal::TERM] {
        let Some(mount) = Mount::of(&home, [""; 0]) else { return };
        assert!(is_mounted(&home.path("mnt")));
        mount.signal(signal);
        let (status, said) = mount.wait();
        assert!(status.success() && said.is_empty(), "{status} {said}");
        assert!(!is_mounted(&home.path("mnt")));
    }
}

#[test]
fn whoever_unmounts_it_ends_the_program() {
    let home = saved();
    let Some(mount) = Mount::of(&home, [""; 0]) else { return };
    let mut command = std::process::Command::new("fusermount3");
    assert!(command.arg("-u").arg(home.path("mnt")).status().unwrap().success());
    let (status, said) = mount.wait();
    assert!(status.success() && said.is_empty(), "{status} {said}");
}

#[test]
fn what_is_in_use_when_it_ends_is_not_mounted_any_more() {
    let home = saved();
    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let file = home.path("in/file");
    let mut open = File::open(mount.path(file.strip_prefix("/").unwrap())).unwrap();
    let (status, _) = mount.end();
    assert!(status.success() && !is_mounted(&home.path("mnt")));
    // What the kernel has of it may still be read, and otherwise it is an error.
    let mut text = String::new();
    assert!(open.read_to_string(&mut text).is_err() || text == "text");
}

#[test]
fn nothing_stays_mounted_when_it_is_killed() {
    let home = saved();
    for options in [vec![], vec!["--detach"]] {
        if !has_fuse() {
            return;
        }
        let at = home.path("mnt");
        let _ = std::fs::create_dir(&at);
        if options.is_empty() {
            let Some(mount) = Mount::of(&home, [""; 0]) else { return };
            mount.signal(Signal::KILL);
            mount.wait();
        } else {
            let mut command = home.command();
            let ran = Ran::of(command.args(["mount", "--detach", "--json"]).arg(&at)).ok();
            assert!(std::fs::read_dir(at.join("by-id")).unwrap().count() == 1);
            let process = ran.json()[0]["process"].as_u64().unwrap();
            kill_process(Pid::from_raw(process as i32).unwrap(), Signal::KILL).unwrap();
        }
        until("it is unmounted", || !is_mounted(&at));
        assert_eq!(std::fs::read_dir(&at).unwrap().count(), 0);
    }
}

#[test]
fn in_the_background_it_goes_on_and_writes_what_goes_wrong_into_a_file() {
    let home = saved();
    if !has_fuse() {
        return;
    }
    let (at, log) = (home.path("mnt"), home.path("log"));
    std::fs::create_dir(&at).unwrap();
    let mut command = home.command();
    command.args(["mount", "--detach", "--json", "--log"]).args([&log, &at]);
    let ran = Ran::of(&mut command).ok();
    let process = Pid::from_raw(ran.json()[0]["process"].as_u64().unwrap() as i32).unwrap();
    // What is shown from now on cannot be read any more.
    let packs = home.repository().join("pack");
    std::fs::rename(&packs, home.path("away")).unwrap();
    let id = std::fs::read_dir(at.join("by-id")).unwrap().next().unwrap().unwrap().path();
    assert!(std::fs::read_dir(&id).is_err() || std::fs::read_dir(&id).unwrap().any(|e| e.is_err()));
    std::fs::rename(home.path("away"), &packs).unwrap();
    kill_process(process, Signal::TERM).unwrap();
    until("it is unmounted", || !is_mounted(&at));
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("cannot be read"), "{said:?}");
}

#[test]
fn a_place_where_nothing_can_be_mounted_is_refused_with_the_reason() {
    let home = saved();
    if !has_fuse() {
        return;
    }
    let refused = |at: &str, why: &str| {
        for options in [&[][..], &["--detach"]] {
            let mut command = home.command();
            let ran = Ran::of(command.arg("mount").arg(home.path(at)).args(options)).exit(1);
            assert!(ran.err.contains(why) && ran.err.contains(at), "{}", ran.err);
        }
    };
    refused("nowhere", "no such directory");
    refused("in", "not empty");
    refused("in/file", "no directory");
    let Some(_mount) = Mount::of(&home, [""; 0]) else { return };
    refused("mnt", "mounted there already");
}

#[test]
fn without_fusermount3_nothing_goes_on_in_the_background() {
    let home = saved();
    if !has_fuse() {
        return;
    }
    std::fs::create_dir(home.path("mnt")).unwrap();
    let mut command = home.command();
    command.args(["mount", "--detach"]).arg(home.path("mnt")).env("PATH", home.path("nothing"));
    let ran = Ran::of(&mut command).exit(1);
    assert!(ran.err.contains("fusermount3") && ran.err.contains("fuse3"), "{}", ran.err);
    assert!(!is_mounted(&home.path("mnt")));
}

#[test]
fn a_snapshot_that_is_not_there_is_said_before_anything_is_mounted() {
    let home = saved();
    for what in ["nope", "latest:/in"] {
        let mut command = home.command();
        command.args(["mount", "--snapshot", what]).arg(home.path("mnt"));
        let ran = Ran::of(&mut command).exit(1);
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
    }
}
