//! Signals that ask for an end: the run stops cleanly, and what it has uploaded is not lost.

use super::scene::files;
use crate::support::{Draw, Home, Ran, differences, needs};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_run_that_is_asked_to_stop_commits_nothing_and_the_next_one_takes_over_its_packs() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
        home.snapshot(home.write("little/file", "little")).ok();
        // Eight packs of some 16 MiB.
        for number in 0..32 {
            home.write(&format!("work/{number}"), Draw::new(number).noise(4 << 20));
        }
        let folder = home.repository().join("pack");
        let before = files(&folder).len();
        let mut command = home.command();
        command.arg("snapshot").arg(home.path("work"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while files(&folder).len() <= before {
            assert!(began.elapsed() < Duration::from_secs(60), "no pack came");
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
        let ran = Ran::from_output(child.wait_with_output().unwrap()).exit(code);
        ran.says(&["error: stopped by a signal"]);
        assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 1);
        home.run(["check", "--read-data"]).ok();

        let left = files(&folder);
        let ran = home.snapshot(home.path("work")).ok();
        let packs = left.len() - before;
        let told = if packs == 1 { "1 pack of".to_owned() } else { format!("{packs} packs of") };
        assert!(ran.out.contains(&format!("took over {told} a run that did not end")), "{ran:?}");
        // The last pack of each run is not full, and has a header and a directory of its own.
        let all: u64 = files(&folder).values().sum();
        assert!(all < (128 << 20) + (256 << 10), "{all} bytes, {packs} packs taken over");
        home.run(["check", "--read-data"]).ok();
        if needs("rsync") {
            let target = home.path("target");
            home.restore(&format!("latest:{}", home.path("work").display()), &target).ok();
            assert_eq!(differences(&home.path("work"), &target), Vec::<String>::new());
        }
    }
}
