//! SIGKILL in the middle of a sync.

use super::{copy, home, ids, restores, save, sync, there};
use crate::support::{Draw, Ran};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The calls by which a sync changes the copy.
const CALLS: [&str; 5] = ["linkat", "mkdirat", "syncfs", "fsync", "write"];

/// At the calls that matter, whatever the machine: with strace, where it is there.
#[test]
fn a_sync_that_is_killed_at_any_call_leaves_whole_snapshots_and_the_next_one_goes_on() {
    let traced = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if !traced.is_ok_and(|status| status.success()) {
        crate::support::skipped("needs the program strace");
        return;
    }
    let home = home(21);
    let mut saved = vec![save(&home, "first")];
    sync(&home, &["-q"]).ok();
    let mut killed = 0;
    for call in CALLS {
        for when in 1..4 {
            saved.push(save(&home, &format!("{call}-{when}")));
            let before = ids(&there(&home, &["snapshots", "--json"]).ok());
            let inject = format!("inject={call}:signal=KILL:when={when}");
            let own = home.command();
            let mut command = Command::new("strace");
            for (name, value) in own.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(own.get_program());
            command.args(["sync", "-q"]).arg(copy(&home)).stdin(Stdio::null());
            killed += usize::from(Ran::of(&mut command).code == 137);
            let after = ids(&there(&home, &["snapshots", "--json"]).ok());
            assert!(after == before || after == saved, "{after:?}");
            there(&home, &["check", "--read-data"]).ok();
        }
    }
    assert!(killed > 6, "{killed}");
    sync(&home, &["-q"]).ok();
    assert_eq!(ids(&there(&home, &["snapshots", "--json"]).ok()), saved);
    restores(&home, saved.last().unwrap(), &home.path("work"));
}

/// At random moments of a first sync of some MiB.
#[test]
fn a_first_sync_that_is_killed_again_and_again_comes_to_its_end() {
    let home = home(22);
    let mut draw = Draw::new(22);
    for number in 0..60 {
        home.write(&format!("work/more/{number}"), draw.noise(900 << 10));
    }
    let id = save(&home, "first");
    for _ in 0..8 {
        let mut command = home.command();
        command.args(["sync", "-q"]).arg(copy(&home)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + draw.below(40)));
        let _ = child.kill();
        child.wait().unwrap();
        assert!(copy(&home).join("mirror").exists() || !copy(&home).join("config").exists());
    }
    sync(&home, &["-q"]).ok();
    assert_eq!(ids(&there(&home, &["snapshots", "--json"]).ok()), std::slice::from_ref(&id));
    there(&home, &["check", "--read-data"]).ok();
    restores(&home, &id, &home.path("work"));
}
