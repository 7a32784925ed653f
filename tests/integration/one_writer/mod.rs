//! Repositories that one machine writes to: who may, who may not, and how that changes hands.

mod away;
mod probes;

use crate::support::{Home, Ran};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository in a folder, and machines that reach it.
struct Scene {
    home: Home,
    repository: String,
    stores: Option<PathBuf>,
}

/// Machines, each with a state and a cache of its own, and with the owner's key.
const HERE: &str = "here";
const THERE: &str = "there";

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let repository = home.path("repository").display().to_string();
        home.write("source/file", "what is saved");
        Self { home, repository, stores: None }
    }

    /// The same in a service.
    fn at(address: &str, stores: &Path) -> Self {
        Self { repository: address.to_owned(), stores: Some(stores.to_owned()), ..Self::new() }
    }

    /// A repository that the first machine has made with these options.
    fn made(self, options: &[&str]) -> Self {
        self.run(HERE, &[&["init"], options].concat()).ok();
        self
    }

    fn command(&self, machine: &str) -> Command {
        let mut command = self.home.command();
        command
            .env("XDG_STATE_HOME", self.home.path(machine).join("state"))
            .env("XDG_CACHE_HOME", self.home.path(machine).join("cache"))
            .env("ESKER_REPOSITORY", &self.repository)
            .env("ESKER_KEY_FILE", self.home.path("key"));
        if let Some(stores) = &self.stores {
            command.env("ESKER_STORES_FILE", stores);
        }
        command
    }

    #[track_caller]
    fn run(&self, machine: &str, words: &[&str]) -> Ran {
        Ran::of(self.command(machine).args(words))
    }

    #[track_caller]
    fn snapshot(&self, machine: &str) -> Ran {
        self.run(machine, &["snapshot", self.home.path("source").to_str().unwrap()])
    }

    /// What `probe` says on a machine.
    #[track_caller]
    fn probe(&self, machine: &str, words: &[&str]) -> serde_json::Value {
        self.run(machine, &[&["probe", "--json"], words].concat()).ok().json().remove(0)
    }
}

#[test]
fn a_repository_in_a_folder_is_for_every_machine_unless_asked_otherwise() {
    let scene = Scene::new();
    let made = scene.run(HERE, &["init", "--json"]).ok().json().remove(0);
    assert_eq!((&made["mode"], &made["holder"]), (&"shared".into(), &serde_json::Value::Null));
    assert_eq!(made["probe"]["put_if_absent"], "good");
    scene.snapshot(HERE).ok().says_nothing();
    scene.snapshot(THERE).ok().says_nothing();
    scene.run(HERE, &["takeover"]).exit(1).says(&["nothing to take over", "--single-writer"]);

    let scene = Scene::new();
    let made = scene.run(HERE, &["init", "--single-writer"]).ok();
    assert!(made.out.contains("who may write: only this machine ("), "{}", made.out);
}

#[test]
fn on_other_machines_everything_reads_and_nothing_writes() {
    let scene = Scene::new().made(&["--single-writer"]);
    scene.snapshot(HERE).ok().says_nothing();
    let holder = scene.probe(HERE, &[]);
    assert_eq!(
        (&holder["mode"], &holder["holder_is_here"]),
        (&"single-writer".into(), &true.into())
    );
    let holder = holder["holder"].as_str().unwrap();

    let target = scene.home.path("target");
    for words in [
        &["snapshots"][..],
        &["ls", "latest"],
        &["restore", "latest", target.to_str().unwrap()],
        &["check", "--read-data"],
        &["find", "file"],
        &["stats"],
        &["gc", "--dry-run"],
    ] {
        scene.run(THERE, words).ok().says_nothing();
    }
    let source = scene.home.path("source");
    let source = source.to_str().unwrap();
    let before = scene.run(THERE, &["snapshots", "--json"]).ok().out;
    for words in [
        &["snapshot", source][..],
        &["forget", "latest", "--whole-series"],
        &["hold", "latest"],
        &["tag", "latest", "--add", "x"],
        &["gc"],
        &["key", "export-writer", "--name", "w", "w.key"],
    ] {
        let refused = scene.run(THERE, words).exit(1);
        refused.says(&["only", holder, "may write to this repository", "hint:", "esker takeover"]);
    }
    assert_eq!(scene.run(THERE, &["snapshots", "--json"]).ok().out, before);
    assert!(!scene.home.path("w.key").exists());
    assert_eq!(scene.probe(THERE, &[])["holder_is_here"], false);
}

#[test]
fn a_copy_takes_nothing_into_a_repository_that_another_machine_writes_to() {
    let scene = Scene::new().made(&[]);
    scene.snapshot(HERE).ok();
    let other = Scene::new().made(&["--single-writer"]);
    let copy = |machine| {
        let mut command = scene.command(machine);
        command.args(["copy", "latest", "--to", &other.repository, "--to-key-file"]);
        Ran::of(command.arg(other.home.path("key")))
    };
    copy(HERE).exit(1).says(&["may write to this repository"]);
    assert_eq!(other.run(HERE, &["snapshots", "--json"]).ok().out, "");
}

#[test]
fn a_run_that_meets_another_one_on_the_machine_that_writes_is_told_that_it_is_busy() {
    let scene = Scene::new().made(&["--single-writer"]);
    scene.snapshot(HERE).ok();
    let locks = scene.home.path("here/state/esker/lock");
    let lock = std::fs::read_dir(locks).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::File::open(&lock).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    scene.snapshot(HERE).exit(6).says(&["another run on this machine", lock.to_str().unwrap()]);
    scene.run(HERE, &["gc"]).exit(6);
    scene.run(HERE, &["takeover"]).exit(6);
    scene.run(HERE, &["snapshots"]).ok().says_nothing();
    scene.run(HERE, &["check"]).ok().says_nothing();
    drop(file);
    scene.snapshot(HERE).ok().says_nothing();
    scene.run(HERE, &["forget", "--keep-last", "1", "--gc"]).ok();
}

#[test]
fn of_many_runs_at_once_on_the_machine_that_writes_each_is_whole_or_busy() {
    let scene = Scene::new().made(&["--single-writer"]);
    let source = scene.home.path("source");
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let mut command = scene.command(HERE);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.arg("snapshot").arg(&source).spawn().unwrap()
        })
        .collect();
    let ended: Vec<i32> = runs
        .into_iter()
        .map(|run| Ran::from_output(run.wait_with_output().unwrap()).code)
        .collect();
    assert!(ended.iter().all(|code| [0, 6].contains(code)), "{ended:?}");
    let saved = ended.iter().filter(|code| **code == 0).count();
    assert!(saved > 0);
    assert_eq!(scene.run(HERE, &["snapshots", "--json"]).ok().json().len(), saved);
    scene.run(HERE, &["check", "--read-data"]).ok();
}

#[test]
fn a_takeover_moves_the_right_to_write_and_back() {
    let scene = Scene::new().made(&["--single-writer"]);
    scene.snapshot(HERE).ok();
    let reason = ["takeover", "--reason", "the other one is on fire", "--json"];
    let taken = scene.run(THERE, &reason).ok().json().remove(0);
    assert_eq!((&taken["mode"], &taken["holder_is_here"]), (&"single-writer".into(), &true.into()));
    assert!(taken["sequence"].as_u64().is_some() && taken["previous_holder"].as_str().is_some());
    scene.snapshot(THERE).ok().says_nothing();
    scene.snapshot(HERE).exit(1).says(&["may write to this repository, and this is "]);

    let again = scene.run(THERE, &["takeover", "--json"]).ok().json().remove(0);
    assert_eq!(again["sequence"], serde_json::Value::Null, "it was so before");
    let back = scene.run(HERE, &["takeover"]).ok();
    assert!(back.out.contains("from now on only this machine"), "{}", back.out);
    scene.snapshot(HERE).ok();
    scene.snapshot(THERE).exit(1);

    // A folder is for every machine, once the owner says so.
    scene.run(THERE, &["takeover", "--shared"]).ok();
    scene.snapshot(HERE).ok();
    scene.snapshot(THERE).ok();
    scene.run(HERE, &["takeover", "--single-writer"]).ok();
    scene.snapshot(THERE).exit(1);
    assert_eq!(scene.run(THERE, &["snapshots", "--json"]).ok().json().len(), 5);
    scene.run(THERE, &["check", "--read-data"]).ok().says_nothing();
}

#[test]
fn a_writers_key_takes_nothing_over() {
    let scene = Scene::new().made(&["--single-writer"]);
    let key = scene.home.path("writer.key");
    let words = ["key", "export-writer", "--name", "w", key.to_str().unwrap()];
    scene.run(HERE, &words).ok();
    let as_writer = |machine, words: &[&str]| {
        Ran::of(scene.command(machine).env("ESKER_KEY_FILE", &key).args(words))
    };
    as_writer(THERE, &["takeover"]).exit(12).says(&["owner's key"]);
    let source = scene.home.path("source");
    as_writer(HERE, &["snapshot", source.to_str().unwrap()]).ok();
    as_writer(THERE, &["snapshot", source.to_str().unwrap()]).exit(1).says(&["may write"]);
}

#[test]
fn a_copy_of_a_repository_with_one_writer_is_promoted_and_then_taken_over() {
    let scene = Scene::new().made(&["--single-writer"]);
    scene.snapshot(HERE).ok();
    let copy = scene.home.path("copy").display().to_string();
    scene.run(THERE, &["sync", &copy]).ok();
    scene.run(THERE, &["sync", &copy]).ok();
    let copy = Scene { repository: copy, ..scene };
    copy.run(THERE, &["takeover"]).exit(1).says(&["is a copy"]);
    // Collecting in a copy appends nothing.
    copy.run(THERE, &["gc"]).ok();
    copy.run(THERE, &["promote"]).ok();
    copy.snapshot(THERE).exit(1).says(&["esker takeover"]);
    copy.run(THERE, &["takeover"]).ok();
    copy.snapshot(THERE).ok();
    copy.run(THERE, &["check", "--read-data"]).ok();
}

#[test]
fn a_machine_without_a_state_folder_is_no_holder() {
    let scene = Scene::new();
    let state = scene.home.write("no-folder", "");
    let words = ["--state-dir", state.to_str().unwrap()];
    let made = scene.run(HERE, &[&["init", "--single-writer"][..], &words].concat()).exit(1);
    made.says(&["keep a number of this machine"]);
    assert!(!scene.home.path("key").exists());
    // What the probe left is no reason to refuse.
    scene.run(HERE, &["init", "--single-writer"]).ok();
    scene.snapshot(HERE).ok();
}
