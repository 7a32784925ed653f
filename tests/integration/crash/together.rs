//! Several runs at once on one host, with the same caches: each has what it says, whatever happens
//! to the others.

use super::scene::{files, tell};
use crate::support::{Draw, Home, Ran, differences, needs};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// A home with two sources of 24 MiB, which share a third of it.
fn home(seed: u64) -> Home {
    let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
    for number in 0..240 {
        let shared = Draw::new(number).noise(100 << 10);
        let source = Draw::new(seed * 1000 + number).noise(100 << 10);
        home.write(&format!("first/{:02}/{number:03}", number / 9), &source);
        let other = if number % 3 == 0 { source } else { shared };
        home.write(&format!("second/{:02}/{number:03}", number / 7), other);
    }
    home
}

fn begin(home: &Home, source: &Path) -> Child {
    let mut command = home.command();
    command.args(["snapshot", "--json"]).arg(source);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Ran::from_output(child.wait_with_output().unwrap())
}

/// The snapshot of a run, and what it saved.
fn reported(ran: &Ran, source: &Path) -> Option<(String, PathBuf)> {
    let row = ran.json().pop()?;
    Some((row["snapshot"].as_str()?.to_owned(), source.to_owned()))
}

fn expect_restored(home: &Home, (id, source): &(String, PathBuf)) {
    if needs("rsync") {
        let target = home.path("target");
        home.restore(&format!("{id}:{}", source.display()), &target).ok();
        assert_eq!(differences(source, &target), Vec::<String>::new(), "{id}");
        std::fs::remove_dir_all(target).unwrap();
    }
}

#[test]
fn two_runs_at_once_of_one_source_both_save_it() {
    let home = home(1);
    home.snapshot(home.write("little", "")).ok();
    let source = home.path("first");
    for round in 0..4 {
        home.write(&format!("first/new-{round}"), Draw::new(500 + round).noise(1 << 20));
        let runs = [begin(&home, &source), begin(&home, &source)].map(|child| end(child).ok());
        for ran in &runs {
            expect_restored(&home, &reported(ran, &source).unwrap());
        }
        // What they left in the file table is true for the next one.
        let next = home.run(["snapshot".as_ref(), "--json".as_ref(), source.as_os_str()]).ok();
        expect_restored(&home, &reported(&next, &source).unwrap());
        assert_eq!(next.json()[0]["counts"]["files"], 241 + round);
    }
    home.run(["check", "--read-data"]).ok();
    assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 13);
}

#[test]
fn two_first_runs_of_all_at_once_make_one_repository() {
    for round in 0..6 {
        let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
        let source = home.write("work/file", Draw::new(round).text(2 << 20));
        let runs = [begin(&home, &source), begin(&home, &source), begin(&home, &source)].map(end);
        let ids: Vec<_> = runs.iter().filter_map(|ran| reported(ran, &source)).collect();
        assert!(!ids.is_empty(), "{runs:?}");
        for ran in runs.iter().filter(|ran| ran.code != 0) {
            assert!(ran.err.contains("\"error\":") && !ran.err.contains("panicked"), "{ran:?}");
        }
        home.run(["check", "--read-data"]).ok();
        for snapshot in &ids {
            let cat = home.run(["cat", &format!("{}:{}", snapshot.0, source.display())]).ok();
            assert!(cat.out == std::fs::read_to_string(&source).unwrap());
        }
        home.snapshot(&source).ok();
    }
}

#[test]
fn a_run_that_is_killed_beside_others_takes_nothing_from_them() {
    let home = home(3);
    home.snapshot(home.write("little", "")).ok();
    let mut draw = Draw::new(9);
    let (mut all, mut killed) = (Vec::new(), 0);
    for round in 0..10 {
        for source in ["first", "second"] {
            let noise = Draw::new(draw.below(1 << 40)).noise(6 << 20);
            home.write(&format!("{source}/new-{}", round % 3), noise);
        }
        let sources = [home.path("first"), home.path(draw.one_of(&["first", "second"]))];
        let mut runs = sources.each_ref().map(|source| begin(&home, source));
        std::thread::sleep(Duration::from_millis(draw.below(200)));
        // `kill` of a child that has ended already is an error, and none of ours.
        let _ = runs[draw.below(2) as usize].kill();
        let ended = runs.map(end);
        for (ran, source) in ended.iter().zip(&sources) {
            assert!(matches!(ran.code, 0 | 137), "{ran:?}");
            killed += usize::from(ran.code == 137);
            all.extend(reported(ran, source));
        }
        for saved in all.iter().rev().take(2).filter(|_| killed > 0) {
            let is_latest = all.iter().rev().find(|other| other.1 == saved.1) == Some(saved);
            let was_now = ended.iter().any(|ran| ran.out.contains(&saved.0));
            if is_latest && was_now {
                expect_restored(&home, saved);
            }
        }
        home.run(["check", "--read-data"]).ok();
    }
    tell(&format!("{killed} runs were killed, {} ended", all.len()));
    let listed = home.run(["snapshots", "--json"]).ok().json();
    for (id, source) in &all {
        assert!(listed.iter().any(|row| row["id"] == id.as_str()), "{id} is gone");
        let target = home.path("target");
        home.restore(&format!("{id}:{}", source.display()), &target).ok();
        std::fs::remove_dir_all(target).unwrap();
    }
    for source in [home.path("first"), home.path("second")] {
        let ran = home.run(["snapshot".as_ref(), "--json".as_ref(), source.as_os_str()]).ok();
        expect_restored(&home, &reported(&ran, &source).unwrap());
    }
}

#[test]
fn packs_of_a_run_that_still_lives_are_not_taken_over() {
    let home = home(4);
    home.snapshot(home.write("little", "")).ok();
    for number in 0..40 {
        home.write(&format!("first/more/{number}"), Draw::new(900 + number).noise(2 << 20));
    }
    let folder = home.repository().join("pack");
    let before = files(&folder).len();
    let mut first = begin(&home, &home.path("first"));
    while files(&folder).len() == before {
        assert!(first.try_wait().unwrap().is_none(), "it ended before its first pack");
        std::thread::sleep(Duration::from_millis(1));
    }
    // It stays where it is, with a pack that is in no entry of the log.
    let id = rustix::process::Pid::from_raw(first.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    let second = home.snapshot(home.path("second"));
    rustix::process::kill_process(id, rustix::process::Signal::CONT).unwrap();
    assert!(!second.ok().out.contains("took over"));
    let first = end(first).ok();
    expect_restored(&home, &reported(&first, &home.path("first")).unwrap());
    home.run(["check", "--read-data"]).ok();
}
