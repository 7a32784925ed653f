//! A mount beside those who save, forget and collect.

use super::{Mount, until};
use crate::support::{Draw, Home};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

#[test]
fn snapshots_show_up_when_they_are_saved_and_go_when_they_are_forgotten() {
    let home = Home::new();
    home.write("in/file", "one");
    home.snapshot(home.path("in")).ok();
    let Some(mount) = Mount::of(&home, [""; 0]) else { return };
    let count = || std::fs::read_dir(mount.path("by-id")).unwrap().count();
    assert_eq!(count(), 1);
    let first = std::fs::read_dir(mount.path("by-id")).unwrap().next().unwrap().unwrap().path();
    let below = home.path("in/file");
    let below = below.strip_prefix("/").unwrap();
    let mut open = File::open(first.join(below)).unwrap();
    home.write("in/file", "two");
    home.snapshot(home.path("in")).ok();
    until("the second one is there", || count() == 2);
    let label = home.path("in");
    let latest = mount.latest(label.to_str().unwrap()).join(below);
    until("it is the latest", || std::fs::read(&latest).is_ok_and(|bytes| bytes == b"two"));
    home.run(["forget", first.file_name().unwrap().to_str().unwrap()]).ok();
    until("the first one is gone", || count() == 1 && !first.exists());
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one", "what is open stays while it can be read");
}

#[test]
fn what_is_collected_meanwhile_is_an_error_and_everything_else_is_read() {
    let home = Home::new();
    let bytes = |seed| Draw::new(seed).noise(5 << 20);
    home.write("in/stays", bytes(0));
    home.write("in/file", bytes(1));
    home.snapshot(home.path("in")).ok();
    // No more of it in memory than one frame.
    let Some(mount) = Mount::of(&home, ["--memory", "1"]) else { return };
    let first = std::fs::read_dir(mount.path("by-id")).unwrap().next().unwrap().unwrap().path();
    let below = |name: &str| {
        let path = home.path("in").join(name);
        path.strip_prefix("/").unwrap().to_owned()
    };
    let open = File::open(first.join(below("file"))).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, 0).unwrap();
    for round in 2..5 {
        home.write("in/file", bytes(round));
        home.snapshot(home.path("in")).ok();
        home.run(["forget", "--keep-last", "1"]).ok();
        home.run(["gc", "--grace", "0"]).ok();
        // Packs were written anew, and the log says where everything is now.
        let label = home.path("in");
        let latest = mount.latest(label.to_str().unwrap());
        until("the new one is there", || {
            std::fs::read(latest.join(below("file"))).is_ok_and(|read| read == bytes(round))
        });
        assert!(std::fs::read(latest.join(below("stays"))).unwrap() == bytes(0), "{round}");
    }
    let error = open.read_exact_at(&mut byte, 4 << 20).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    let (status, said) = mount.end();
    assert!(status.success());
    // Of the later ones somebody may have looked at one a moment too late.
    let of_first = first.file_name().unwrap().to_str().unwrap();
    let told = said.lines().filter(|line| line.contains(of_first) && line.contains("/in/file"));
    assert_eq!(told.count(), 1, "{said}");
}
