//! What does not come to a good end is not saved.

use super::{command, snapshots, stdin};
use crate::support::{Home, Ran};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A repository with one good snapshot, so that what fails can be seen to change nothing.
fn home() -> Home {
    let home = Home::new();
    command(&home, "db", "echo good", &[]).ok();
    home
}

#[track_caller]
fn refused(home: &Home, ran: Ran, why: &str) {
    ran.exit(1).says(&[why, "hint: no snapshot was made; the last one is as it was"]);
    assert_eq!(snapshots(home), 1);
    assert_eq!(home.run(["cat", "latest:/db"]).ok().out, "good\n");
}

#[test]
fn a_command_that_fails_saves_nothing_however_much_it_wrote() {
    let home = home();
    // Most of it is uploaded by then.
    let script = "head -c 30000000 /dev/urandom; echo cannot go on >&2; exit 2";
    let ran = command(&home, "db", script, &["--ok-exit", "3"]);
    assert!(ran.err.contains("db: cannot go on"), "{}", ran.err);
    refused(&home, ran, "error: db was not saved: sh ended with exit code 2");
    let ran = command(&home, "db", "seq 100000; kill -9 $$", &[]);
    refused(&home, ran, "error: db was not saved: sh was ended by signal 9");
    home.run(["check"]).ok();
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let home = home();
    let ran = home.run(["snapshot", "--command", "db", "--", "/no/such/program"]);
    refused(&home, ran, "db was not saved: /no/such/program cannot be run: No such file");
}

#[test]
fn one_bad_command_of_several_saves_none() {
    let home = home();
    let words = ["snapshot", "--command", "a", "--command", "b", "--", "echo", "a", ";", "false"];
    refused(&home, home.run(words), "b was not saved: false ended with exit code 1");
}

#[test]
fn an_empty_or_short_stream_and_one_without_its_trailer_are_refused() {
    let home = home();
    refused(&home, command(&home, "db", "true", &[]), "db was not saved: it is empty");
    let short = command(&home, "db", "seq 100", &["--min-size", "1K"]);
    refused(&home, short, "db was not saved: it has 292 bytes, and should have 1024");
    let trailer = ["--expect-trailer", "Dump completed"];
    let early = "echo Dump completed; seq 10000";
    let ran = command(&home, "db", early, &trailer);
    refused(&home, ran, "its last 4 KiB do not have \"Dump completed\" in them");
    let file = home.write("dump", "half of it");
    let ran = stdin(&home, "db", &file, &trailer);
    refused(&home, ran, "its last 4 KiB do not have \"Dump completed\" in them");
    command(&home, "db", "seq 10000; echo -- Dump completed on Monday", &trailer).ok();
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_began() {
    let home = home();
    let pids = home.path("pids");
    let script = format!("echo x; sleep 1000 & echo $! $$ >{}; sleep 1000", pids.display());
    let ran = command(&home, "db", &script, &["--timeout", "1s"]);
    refused(&home, ran, "db was not saved: it had not ended after 1 s");
    gone(&pids);
}

/// Waits until all processes whose numbers are in a file have ended.
#[track_caller]
fn gone(pids: &std::path::Path) {
    let text = std::fs::read_to_string(pids).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    for pid in text.split_whitespace() {
        let status = format!("/proc/{pid}/stat");
        let runs = || std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z "));
        while runs() {
            assert!(Instant::now() < until, "process {pid} still runs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_run_that_is_told_to_stop_ends_its_command() {
    let home = home();
    let pids = home.path("pids");
    let script = format!("echo x; echo $$ >{}; sleep 1000", pids.display());
    let mut run = home.command();
    run.args(["snapshot", "--command", "db", "--", "sh", "-c", &script]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 128 + 15, "{ran:?}");
    gone(&pids);
    assert_eq!(snapshots(&home), 1);
}

#[test]
fn what_does_not_want_to_end_has_to() {
    let home = home();
    let pids = home.path("pids");
    // The one in the background hears nothing, and the first one does.
    let script = format!("(trap '' TERM; sleep 1000) & echo $! $$ >{}; sleep 1000", pids.display());
    let ran = command(&home, "db", &script, &["--timeout", "1s"]);
    refused(&home, ran, "db was not saved: it had not ended after 1 s");
    gone(&pids);
}

#[test]
fn a_command_does_not_outlive_a_run_that_is_killed() {
    let home = home();
    let pids = home.path("pids");
    let script =
        format!("trap '' TERM PIPE; echo $$ >{}; while :; do sleep 1; done", pids.display());
    let mut run = home.command();
    run.args(["snapshot", "--command", "db", "--", "sh", "-c", &script]);
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    gone(&pids);
}

#[test]
fn no_time_limit_is_one_that_never_ends_it() {
    let home = home();
    command(&home, "db", "echo new", &["--timeout", "0"]).ok();
    assert_eq!(home.run(["cat", "latest:/db"]).ok().out, "new\n");
}

#[test]
fn words_that_make_no_sense_are_explained() {
    let home = home();
    let run = |option: &str, value: &str| {
        home.run(["snapshot", "--command", "a", option, value, "--", "echo", "a"]).exit(1)
    };
    run("--ok-exit", "300").says(&["300"]);
    run("--expect-trailer", "").says(&["--expect-trailer takes 1 to 4096 bytes, and this has 0"]);
    run("--expect-trailer", &"x".repeat(4097)).says(&["and this has 4097"]);
    let ran = home.run(["restore", "latest:/db", "--to-command", "/no/such/program"]).exit(1);
    assert!(!ran.err.contains("in part"), "{}", ran.err);
    let says = |words: &[&str], text: &str| {
        home.run(["snapshot"].iter().chain(words)).exit(1).says(&[text, "hint: "]);
    };
    says(&["--command", "a"], "--command without a command behind `--`");
    says(
        &["/etc/hosts", "--command", "a", "--", "true"],
        "paths cannot be in one snapshot with streams",
    );
    says(
        &["--command", "a", "--command", "b", "--", "true"],
        "2 names with --command, and 1 command",
    );
    says(&["--command", "a/../b", "--", "true"], "a/../b cannot be the name of a stream");
    says(
        &["--command", "a", "--command", "a/b", "--", "x", ";", "y"],
        "a is the name of two streams",
    );
    says(&["--min-size", "1K", "/etc/hosts"], "are about streams");
    says(&["--skip-if-unchanged", "--command", "a", "--", "x"], "--skip-if-unchanged is for files");
    assert_eq!(snapshots(&home), 1);
}
