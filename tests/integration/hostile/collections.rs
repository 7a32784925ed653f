//! Collections at once, and one whose machine knows what was before another.

use super::{expect_restored, listed, save, saved};
use crate::roles::{Host, objects};
use crate::support::{Home, Ran};
use std::process::{Child, Stdio};

/// The program on the machine of this name, with the owner's key.
fn begin(home: &Home, machine: &str, words: &[&str]) -> Child {
    let mut command = home.command();
    for (variable, folder) in [("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state")] {
        command.env(variable, home.path(format!("{machine}/{folder}")));
    }
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Ran {
    Ran::from_output(child.wait_with_output().unwrap())
}

#[test]
fn collections_at_once_each_end_well_and_take_only_what_nobody_needs() {
    let (home, source, ids) = saved(6);
    for round in 0..3 {
        // Most of each snapshot is in no other.
        for number in 0..3 {
            home.write("source/5", crate::support::Draw::new(round * 9 + number).noise(300_000));
            save(&home, &source, &["--tag", "short"]);
        }
        let short = home.run(["snapshots", "--json", "--tag", "short"]).ok().json();
        let mut forget = vec!["forget", "--whole-series"];
        forget.extend(short.iter().map(|row| row["id"].as_str().unwrap()));
        home.run(forget).ok();
        let gc = ["gc", "--grace", "0"];
        let all: Vec<Child> = (0..4).map(|n| begin(&home, &format!("host{n}"), &gc)).collect();
        for ran in all.into_iter().map(end) {
            ran.ok().says_nothing();
        }
    }
    home.run(["gc", "--grace", "0"]).ok().says_nothing();
    assert_eq!(listed(&home), ids);
    home.write("source/5", crate::support::Draw::new(5).noise(100_000));
    for (number, id) in ids.iter().enumerate() {
        expect_restored(&home, id, &source, number as u64 + 1);
    }
    let check = home.run(["check", "--read-data", "--json"]).ok().json();
    assert_eq!(check.len(), 1, "{check:?}");
    let packs = objects(&home.repository()).into_keys().filter(|name| name.starts_with("pack"));
    assert_eq!(packs.count() as u64, check[0]["packs"].as_u64().unwrap());
}

/// A cache folder that was put back from a backup of the machine, say.
#[test]
fn an_index_database_from_before_a_collection_misleads_nobody() {
    let (home, source, ids) = saved(4);
    let before = home.path("cache.before");
    copy(&home.path("cache"), &before);
    // Nothing stays where it was: all that is left is written anew, elsewhere.
    for (words, machine) in [
        (&["forget", ids[0].as_str(), &ids[1], &ids[2]][..], "other"),
        (&["gc", "--grace", "0", "--abort-after", "0"][..], "other"),
    ] {
        end(begin(&home, machine, words)).ok();
    }
    let put_back = || {
        std::fs::remove_dir_all(home.path("cache")).unwrap();
        copy(&before, &home.path("cache"));
    };
    put_back();
    expect_restored(&home, &ids[3], &source, 4);
    put_back();
    home.run(["check", "--read-data"]).ok().says_nothing();
    put_back();
    home.run(["gc", "--grace", "0"]).ok().says_nothing();
    put_back();
    home.restore(&ids[0], home.path("gone")).exit(1).says(&["no snapshot"]);
    put_back();
    // What was forgotten with it is not relied on.
    let _ = std::fs::remove_file(source.join("3"));
    let new = save(&home, &source, &[]);
    expect_restored(&home, &new, &source, 3);
    put_back();
    let forced = save(&home, &source, &["--force"]);
    expect_restored(&home, &forced, &source, 3);
    home.run(["check", "--read-data"]).ok().says_nothing();
}

/// Somebody who may collect and cannot read.
#[test]
fn a_keeper_and_an_owner_collect_at_once() {
    let (home, source, ids) = saved(5);
    let options = ["--scope", "0", "--role", "forget,collect"];
    let keeper = Host::enrolled(&home, "keeper", &options);
    home.run(["forget", &ids[0], &ids[1]]).ok();
    let gc = ["gc", "--grace", "0"];
    let owner = begin(&home, "other", &gc);
    let keeper = keeper.command().args(gc).output().unwrap();
    Ran::from_output(keeper).ok().says_nothing();
    end(owner).ok().says_nothing();
    assert_eq!(listed(&home), ids[2..]);
    for (at, id) in ids.iter().enumerate().skip(2) {
        expect_restored(&home, id, &source, at as u64 + 1);
    }
    home.run(["check", "--read-data"]).ok().says_nothing();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let ran = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(ran.success());
}
