//! Ends in the middle: asked for, and without asking.

use crate::support::{Draw, Home, Ran, differences, needs};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A source that takes long enough to be interrupted: twelve packs.
fn source(home: &Home) {
    for number in 0..12 {
        home.write(&format!("work/{number}"), Draw::new(number).noise(16 << 20));
    }
}

/// Begins a snapshot, sends it a signal when its first pack is there, and waits for its end.
fn interrupt(home: &Home, signal: Signal, packs: usize) -> Ran {
    let mut command = home.command();
    command.arg("snapshot").arg(home.path("work")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let began = Instant::now();
    while count(&home.repository().join("pack")) <= packs {
        assert!(began.elapsed() < Duration::from_secs(60), "no pack came");
        std::thread::sleep(Duration::from_millis(1));
    }
    let id = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(id, signal).unwrap();
    Ran::from_output(child.wait_with_output().unwrap())
}

/// Files below a folder.
fn count(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { count(&p) } else { 1 }).sum()
}

#[test]
fn an_interrupted_snapshot_leaves_a_sound_repository_and_the_next_one_works() {
    let Ok(home) =
        Home::within(Path::new("/dev/shm")).or_else(|_| Home::within(&std::env::temp_dir()))
    else {
        unreachable!("there is a folder for temporary files");
    };
    source(&home);
    home.snapshot(home.write("small/file", "before")).ok();
    for (signal, code) in
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::KILL, 137), (Signal::KILL, 137)]
    {
        let packs = count(&home.repository().join("pack"));
        let ran = interrupt(&home, signal, packs).exit(code);
        assert!(!ran.out.contains("restore it with"), "{}", ran.out);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 1);
        home.run(["check", "--read-data"]).ok();
    }
    home.snapshot(home.path("work")).ok();
    home.run(["check", "--read-data"]).ok();
    if needs("rsync") {
        let (work, target) = (home.path("work"), home.path("target"));
        home.restore(&format!("latest:{}", work.display()), &target).ok();
        assert_eq!(differences(&work, &target), Vec::<String>::new());
    }
    // Whoever was killed left nothing that is not an object.
    let strange: Vec<_> = walk(&home.repository())
        .into_iter()
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn an_interrupted_restore_or_check_says_so_by_its_exit_code() {
    let home = Home::new();
    source(&home);
    home.snapshot(home.path("work")).ok();
    let target = home.path("target");
    for arguments in
        [&["restore", "latest", target.to_str().unwrap()][..], &["check", "--read-data"]]
    {
        let mut command = home.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(120));
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
        let ran = Ran::from_output(child.wait_with_output().unwrap());
        // It may have been done before, or not have begun to watch for signals.
        assert!(matches!(ran.code, 130 | 0), "{ran:?}");
    }
}

#[test]
fn a_command_that_only_prints_ends_at_once() {
    let home = Home::new();
    let file = home.write("work/file", Draw::new(1).noise(8 << 20));
    home.snapshot(&file).ok();
    let mut command = home.command();
    command.args(["cat", &format!("latest:{}", file.display())]);
    // Nobody reads, so that it waits with a full pipe.
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let id = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(id, Signal::INT).unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}
