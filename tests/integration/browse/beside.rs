//! A mount beside those who save, forget and collect.

use super::{Mount, until};
use crate::support::{Draw, Home, Ran};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
    drop(open);
    let (status, said) = mount.end();
    assert!(status.success());
    // Of the later ones somebody may have looked at one a moment too late.
    let of_first = first.file_name().unwrap().to_str().unwrap();
    let told: Vec<&str> = said.lines().filter(|line| line.contains(of_first)).collect();
    let [told] = told[..] else { panic!("{said}") };
    assert!(told.contains("was forgotten, and a collection has taken what it needs"), "{said}");
}

#[test]
fn whoever_looks_while_others_forget_and_collect_gets_what_was_saved_or_nothing() {
    let home = Home::new();
    let (stays, label) = (Draw::new(0).noise(3 << 20), home.path("in"));
    let below = |name: &str| label.join(name).strip_prefix("/").unwrap().to_owned();
    // Half of what a round adds is left in its packs when it is forgotten, so that they are written anew.
    let save = |round: u64| {
        home.write("in/file", Draw::new(round).noise(1 << 20));
        home.write(&format!("in/kept-{round}"), Draw::new(1000 + round).noise(1 << 20));
        home.snapshot(&label).ok();
    };
    home.write("in/stays", &stays);
    save(1);
    let Some(mount) = Mount::of(&home, ["--memory", "1"]) else { return };
    let (stop, seen) = (AtomicBool::new(false), [0; 3].map(|_| AtomicUsize::new(0)));
    // Again and again until the end; whoever looks says whether he got something.
    let again = |who: usize, look: &dyn Fn() -> bool| {
        while !stop.load(Ordering::Relaxed) {
            seen[who].fetch_add(look().into(), Ordering::Relaxed);
        }
    };
    let is_right = |found: &Path| {
        let read = |name: &str| std::fs::read(found.join(name));
        let Ok(file) = read("file") else { return false };
        let is_known = (1..=ROUNDS).any(|round| file == Draw::new(round).noise(1 << 20));
        assert!(is_known, "{}", found.display());
        read("stays").is_ok_and(|read| {
            assert!(read == stays, "{}", found.display());
            true
        })
    };
    let what = format!("latest:{}", label.display());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            again(0, &|| is_right(&mount.latest(label.to_str().unwrap()).join(below(""))))
        });
        scope.spawn(|| {
            again(1, &|| {
                let target = home.path("target");
                let _ = std::fs::remove_dir_all(&target);
                let ran = home.run(["restore", &what, target.to_str().unwrap()]);
                ran.code == 0 && {
                    assert!(is_right(&target));
                    true
                }
            });
        });
        scope.spawn(|| {
            again(2, &|| {
                let mut command = home.command();
                let ran = command.args(["cat", &format!("{what}/stays")]).output().unwrap();
                ran.status.success() && {
                    assert!(ran.stdout == stays);
                    true
                }
            });
        });
        // Should something of this fail, the others end too.
        struct Ends<'s>(&'s AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _ends = Ends(&stop);
        for round in 2..=ROUNDS {
            save(round);
            home.run(["forget", "--keep-last", "1"]).ok();
            let collected: Ran = home.run(["gc", "--grace", "0", "--json"]).ok();
            assert!(!collected.json().is_empty());
        }
    });
    let seen = seen.map(AtomicUsize::into_inner);
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    assert!(is_right(&mount.latest(label.to_str().unwrap()).join(below(""))), "and at the end");
    home.run(["check", "--read-data"]).ok();
}

/// How often something is saved, forgotten and collected.
const ROUNDS: u64 = 8;
