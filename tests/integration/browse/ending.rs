//! How a mount begins and ends: nothing is hidden, and nothing stays.

use super::{Mount, has_fuse, is_mounted, until};
use crate::support::{Draw, Home, Ran};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Read;
use std::time::Duration;

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
fn what_is_in_use_goes_on_when_it_is_unmounted_until_nobody_uses_it_or_a_second_signal() {
    let home = Home::new();
    let (file, bytes) = (home.path("in/file"), Draw::new(4).noise(9 << 20));
    home.write("in/file", &bytes);
    home.snapshot(home.path("in")).ok();
    for is_patient in [true, false] {
        let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
        let mut open = File::open(mount.path(file.strip_prefix("/").unwrap())).unwrap();
        open.read_exact(&mut [0]).unwrap();
        mount.signal(Signal::INT);
        until("it is unmounted", || !is_mounted(&home.path("mnt")));
        // Longer than a moment.
        std::thread::sleep(Duration::from_millis(1500));
        let mut rest = Vec::new();
        if is_patient {
            open.read_to_end(&mut rest).unwrap();
            assert!(rest == bytes[1..]);
            drop(open);
            let (status, said) = mount.wait();
            assert!(status.success() && said.contains("still in use"), "{status} {said}");
        } else {
            let (status, _) = mount.end();
            assert!(!status.success());
            assert!(open.read_to_end(&mut rest).is_err());
        }
    }
}

#[test]
fn in_the_background_it_does_not_hold_the_place_where_it_was_begun() {
    let home = saved();
    if !has_fuse() {
        return;
    }
    let at = home.path("mnt");
    std::fs::create_dir(&at).unwrap();
    let mut command = home.command();
    command.args(["mount", "--detach", "--json", "mnt", "--cache-dir", "cache"]);
    let ran = Ran::of(command.current_dir(home.path(""))).ok();
    let process = ran.json()[0]["process"].as_u64().unwrap();
    let stands = std::fs::read_link(format!("/proc/{process}/cwd")).unwrap();
    assert_eq!(stands, std::path::Path::new("/"));
    let id = std::fs::read_dir(at.join("by-id")).unwrap().next().unwrap().unwrap().path();
    let file = home.path("in/file");
    assert_eq!(std::fs::read(id.join(file.strip_prefix("/").unwrap())).unwrap(), b"text");
    kill_process(Pid::from_raw(process as i32).unwrap(), Signal::TERM).unwrap();
    until("it is unmounted", || !is_mounted(&at));
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
fn that_nothing_has_this_label_yet_is_said_and_what_is_saved_later_shows_up() {
    let home = saved();
    let Some(mount) = Mount::of(&home, ["--label", "later"]) else { return };
    let count = || std::fs::read_dir(mount.path("by-id")).unwrap().count();
    assert_eq!(count(), 0);
    home.run([
        "snapshot".as_ref(),
        home.path("in").as_os_str(),
        "--label".as_ref(),
        "later".as_ref(),
    ])
    .ok();
    until("it is there", || count() == 1);
    let (_, said) = mount.end();
    assert!(said.contains("no such snapshot yet"), "{said}");
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
