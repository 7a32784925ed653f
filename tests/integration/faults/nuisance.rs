//! What somebody can do who has a host's credential for the store, and no right to delete or replace: be a nuisance.
//! Held to the table of `docs/guide/offsite.md`.

use super::{Site, saved};
use crate::support::Ran;
use std::path::PathBuf;

/// A site with a snapshot, and a way to put objects past all rules.
fn site(seed: u64) -> (Site, String) {
    let site = Site::new(seed);
    let first = saved(&site.save().ok());
    (site, first)
}

fn put(site: &Site, name: &str) -> PathBuf {
    let path = site.server.bucket().join("host").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(!path.exists(), "{name} is taken");
    std::fs::write(&path, "somebody was here").unwrap();
    path
}

/// What was saved can be read and restored, whatever else there is.
#[track_caller]
fn expect_readable(site: &Site, id: &str) {
    let listed = site.direct(&["snapshots", "--json"]).ok();
    assert!(listed.out.contains(id), "{listed:?}");
    let (what, target) = (format!("{id}:{}", site.source().display()), site.home.path("target"));
    site.direct(&["restore", &what, target.to_str().unwrap()]).ok();
    assert!(target.join("01").exists());
    std::fs::remove_dir_all(target).unwrap();
}

/// Runs the program as a machine that knows nothing of the repository.
fn anew(site: &Site, words: &[&str]) -> Ran {
    for folder in ["anew cache", "anew state"] {
        let _ = std::fs::remove_dir_all(site.home.path(folder));
    }
    let mut command = site.command("direct.toml", "key");
    command
        .env("XDG_CACHE_HOME", site.home.path("anew cache"))
        .env("XDG_STATE_HOME", site.home.path("anew state"));
    Ran::of(command.args(words))
}

#[test]
fn garbage_as_the_next_entry_stops_appends_and_nothing_else_until_it_is_removed() {
    let (site, id) = site(101);
    let next = site.objects("log");
    let garbage = put(&site, &format!("log/0/{next}"));
    site.save().exit(4).says(&[&format!("log/0/{next}")]);
    expect_readable(&site, &id);
    site.run(&["check"]).exit(4).says(&[&format!("log/0/{next} is damaged"), "esker repair"]);
    std::fs::remove_file(garbage).unwrap();
    site.save().ok();
    site.expect_sound();
}

#[test]
fn garbage_far_behind_the_end_stops_machines_that_read_the_log_anew() {
    let (site, id) = site(102);
    let source = site.source();
    let save = ["snapshot", source.to_str().unwrap()];
    for (name, can_be_passed) in [("log/0/900", false), ("log/1/15000", true)] {
        let garbage = put(&site, name);
        site.save().ok();
        anew(&site, &save).exit(4).says(&[name]);
        anew(&site, &["check"]).exit(4).says(&[name]);
        expect_readable(&site, &id);
        let passed = anew(&site, &[&save[..], &["--accept-history"]].concat());
        assert_eq!(passed.code, if can_be_passed { 0 } else { 4 }, "{passed:?}");
        std::fs::remove_file(garbage).unwrap();
        anew(&site, &save).ok();
    }
    site.save().ok();
    site.expect_sound();
}

#[test]
fn an_object_mirror_stops_appends_until_the_repository_is_promoted() {
    let (site, id) = site(103);
    put(&site, "mirror");
    site.save().exit(1).says(&["is a copy of a repository", "esker promote"]);
    expect_readable(&site, &id);
    site.run(&["promote"]).ok();
    site.save().ok();
    site.expect_sound();
}

#[test]
fn garbage_under_other_names_is_named_and_stops_nobody() {
    let (site, id) = site(104);
    let id_of_nothing = "12".repeat(32);
    let names = [
        format!("pack/12/{id_of_nothing}"),
        format!("snapshot/{id_of_nothing}"),
        format!("index/{id_of_nothing}"),
        format!("keys/{}", "12".repeat(16)),
        format!("checkpoint/0000000002-{id_of_nothing}"),
        "anything/at all".to_owned(),
    ];
    let put: Vec<PathBuf> = names.iter().map(|name| put(&site, name)).collect();
    site.save().ok();
    expect_readable(&site, &id);
    anew(&site, &["snapshots"]).ok();
    site.run(&["gc", "--grace", "0"]).ok();
    let checked = site.run(&["check"]);
    checked.says(&[&names[0], &names[1], &names[2], "remove it yourself"]);
    for path in put {
        // A collection may have come before us.
        let _ = std::fs::remove_file(path);
    }
    site.save().ok();
    site.expect_sound();
}

/// The worst of all keys, with a credential that may not delete: the log is taken back to before.
#[test]
fn what_a_thief_of_the_owners_key_gave_up_is_still_there_and_comes_back_with_the_log() {
    let (site, first) = site(105);
    site.change(1);
    let second = saved(&site.save().ok());
    let before = site.objects("log");
    site.proxy.rule("DELETE * answer 403 AccessDenied");
    for id in [&first, &second] {
        site.run(&["forget", "--whole-series", id]).ok();
    }
    let gone = site.run(&["gc", "--grace", "0"]).ok();
    gone.says(&["stays given up"]);
    assert!(site.run(&["snapshots", "--json"]).ok().json().is_empty());
    site.run(&["unforget", &second]).exit(1);

    for (folder, since) in [("log/0", before), ("checkpoint", before)] {
        let folder = site.server.bucket().join("host").join(folder);
        for path in
            std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path())
        {
            let name = path.file_name().unwrap().to_str().unwrap();
            let number: usize = name.split('-').next().unwrap().parse().unwrap();
            if number >= since {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    site.run(&["snapshots"]).ok().says(&["rolled back"]);
    site.run(&["--accept-history", "snapshots"]).ok();
    site.proxy.clear();
    let listed = site.run(&["snapshots", "--json"]).ok().json();
    assert_eq!(listed.len(), 2);
    anew(&site, &["check", "--read-data"]).ok();
    let saved_again = site.save().ok();
    assert_eq!(saved_again.json()[0]["counts"]["stored_bytes"], 0, "{saved_again:?}");
    expect_readable(&site, &first);
    site.expect_sound();
}
