//! Runs that are killed in the middle.

use super::{noise, save, sparse};
use crate::support::loops::{Loop, assert_equal};
use crate::support::{Draw, Home, Ran};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Bytes of the image.
const LEN: u64 = 72 << 20;

/// Runs a command and kills it after a while; whether it was still there.
fn kill(command: &mut Command, after: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let is_running = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    is_running
}

/// Kills a command at several moments, and at an earlier one whenever it was through already.
fn kill_often(draw: &mut Draw, command: impl Fn() -> Command) {
    let (mut killed, mut latest) = (0, 400);
    for _ in 0..40 {
        if kill(&mut command(), Duration::from_millis(5 + draw.below(latest))) {
            killed += 1;
        } else {
            latest = (latest * 2 / 3).max(1);
        }
        if killed == 4 {
            return;
        }
    }
    panic!("killed only {killed} times");
}

#[test]
fn a_snapshot_that_is_killed_begins_again_without_storing_anything_twice() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", LEN, &[(0, &noise(64 << 20, 10))]);
    home.run(["init"]).ok();
    kill_often(&mut Draw::new(1), || {
        let mut command = home.command();
        command.args(["snapshot", "--force", "--image"]).arg(&image);
        command
    });
    save(&home, &[&image], &[]).ok();
    home.run(["check", "--read-data"]).ok();
    home.restore("latest", home.path("out")).ok();
    let copy = home.path("out").join(image.canonicalize().unwrap().strip_prefix("/").unwrap());
    assert_equal(&image, &copy, LEN);
    let used = Command::new("du").arg("-sb").arg(home.repository()).output().unwrap();
    let used = String::from_utf8(used.stdout).unwrap();
    let used: u64 = used.split_whitespace().next().unwrap().parse().unwrap();
    // What was in memory when it was killed comes again: a few packs that were being filled.
    assert!(used < (64 << 20) * 5 / 4 + (16 << 20), "{used} bytes for 64 MiB");
}

#[test]
fn a_restore_and_a_clone_that_are_killed_are_finished_by_the_next() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", LEN, &[(0, &noise(64 << 20, 11))]);
    save(&home, &[&image], &[]).ok();
    for verb in ["restore", "clone"] {
        let there = sparse(&home, "there.img", LEN, &[(0, &noise(70 << 20, 12))]);
        let Some(to) = Loop::over(&there) else { return };
        let command = || {
            let mut command = home.command();
            match verb {
                "restore" => command.args(["restore", "latest"]).arg(to.path()).arg("--device"),
                _ => command.arg("clone").arg(&image).arg(to.path()),
            };
            command.args(["--yes", "--json"]);
            command
        };
        kill_often(&mut Draw::new(2), || {
            // What is there is made worse each time, so that there is something to do.
            let mut bytes = noise(4 << 20, 13);
            bytes.truncate(4 << 20);
            let file = std::fs::OpenOptions::new().write(true).open(to.path()).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 50 << 20).unwrap();
            command()
        });
        let ran = Ran::of(&mut command()).ok();
        assert!(ran.json()[0]["unchanged"].as_u64().unwrap() > 0);
        assert_equal(&image, to.path(), LEN);
    }
}
