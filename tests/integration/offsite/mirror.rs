//! What a copy is like: read from like the repository, written to by nobody.

use super::{copy, files, home, ids, last, restores, save, sync, there};
use std::fs;

#[test]
fn a_copy_restores_like_the_repository_and_costs_what_is_new() {
    let home = home(1);
    let first = save(&home, "first");
    let dry = sync(&home, &["--dry-run"]).ok();
    assert!(dry.out.starts_with("would make a copy in "), "{}", dry.out);
    assert!(!copy(&home).exists());
    let done = last(&sync(&home, &["--json"]).ok());
    assert_eq!((done["entries"].as_u64(), done["damaged"].as_array().unwrap().len()), (Some(3), 0));
    let mut here = files(&home.repository());
    here.push("mirror".to_owned());
    here.sort();
    assert_eq!(files(&copy(&home)), here);
    restores(&home, &first, &home.path("work"));
    there(&home, &["check", "--read-data"]).ok();

    let unchanged = sync(&home, &[]).ok().says_nothing();
    assert!(unchanged.out.contains("has all there is: 3 log entries; last synced "));
    let second = save(&home, "second");
    let behind = sync(&home, &["-n"]).ok();
    assert!(behind.out.contains(" is 1 log entry behind, and lacks 3 objects, "), "{}", behind.out);
    // Whoever reads there while the repository goes on is not told of a history that was rolled back.
    home.run(["snapshots"]).ok();
    let listed = there(&home, &["snapshots", "--json"]).ok();
    assert_eq!(ids(&listed), [first.as_str()]);
    assert!(listed.err.contains("this copy is 1 log entry behind"), "{}", listed.err);
    let done = last(&sync(&home, &["--json"]).ok());
    assert_eq!((done["objects"].as_u64(), done["entries"].as_u64()), (Some(3), Some(1)));
    assert_eq!(ids(&there(&home, &["snapshots", "--json"]).ok()), [first, second.clone()]);
    restores(&home, &second, &home.path("work"));
}

#[test]
fn nobody_writes_to_a_copy_until_it_is_promoted() {
    let home = home(2);
    let id = save(&home, "first");
    sync(&home, &["-q"]).ok();
    let before = files(&copy(&home));
    let work = home.path("work");
    let (work, export) = (work.to_str().unwrap(), home.path("writer"));
    let words: &[&[&str]] = &[
        &["snapshot", work],
        &["forget", "latest", "--whole-series"],
        &["hold", "latest"],
        &["tag", "latest", "--add", "x"],
        &["key", "export-writer", export.to_str().unwrap(), "--name", "host"],
    ];
    for words in words {
        let refused = there(&home, words).exit(1);
        refused
            .says(&["is a copy of a repository: nothing may be appended to it", "esker promote"]);
    }
    assert!(!export.exists(), "a key that opens nothing");
    let mut add = home.command();
    add.env("ESKER_NEW_PASSWORD", "secret").arg("-r").arg(copy(&home));
    add.arg("-k").arg(home.path("config/esker/key")).args(["key", "add"]);
    crate::support::Ran::of(&mut add).exit(1).says(&["is a copy of a repository"]);
    there(&home, &["gc", "--grace", "0"]).ok();
    assert_eq!(files(&copy(&home)), before);

    let dry = there(&home, &["promote", "--dry-run"]).ok();
    assert!(dry.out.contains("would be in service, with 3 log entries"), "{}", dry.out);
    assert!(copy(&home).join("mirror").exists());
    there(&home, &["promote"]).ok();
    there(&home, &["promote"]).exit(1).says(&["is not marked as a copy"]);
    there(&home, &["snapshot", work]).ok();
    assert_eq!(ids(&there(&home, &["snapshots", "--json"]).ok())[0], id);
    there(&home, &["check", "--read-data"]).ok();
    // From here on it is no copy of the other one.
    sync(&home, &[]).exit(1).says(&["not marked as a copy", "a copy that was promoted"]);
}

#[test]
fn promoting_needs_no_key_and_an_unfinished_copy_is_refused() {
    let home = home(3);
    save(&home, "first");
    sync(&home, &["-q"]).ok();
    for name in ["second", "third"] {
        save(&home, name);
    }
    sync(&home, &["-q"]).ok();
    // As a sync leaves it that was killed before its last entry.
    fs::remove_file(copy(&home).join("log/0/3")).unwrap();
    let listed = there(&home, &["snapshots", "--json"]).ok();
    assert_eq!(ids(&listed).len(), 1);
    assert!(listed.err.contains("the last sync to this copy is not finished"), "{}", listed.err);
    there(&home, &["check"]).ok();
    let place = copy(&home);
    let promote = ["-r", place.to_str().unwrap(), "promote"];
    fs::rename(home.path("config"), home.path("no config")).unwrap();
    home.run(promote).exit(1).says(&["log/0/3 is missing, and log/0/4 is there", "--cut-off"]);
    let cut = home.run(promote.iter().chain(&["--cut-off"])).ok();
    assert!(cut.out.starts_with("removed 1 log entry of an unfinished sync\n"), "{}", cut.out);
    fs::rename(home.path("no config"), home.path("config")).unwrap();
    fs::remove_dir_all(home.path("state")).unwrap();
    there(&home, &["snapshot", home.path("work").to_str().unwrap()]).ok();
    there(&home, &["check", "--read-data"]).ok();
}

#[test]
fn a_collection_in_a_copy_gives_back_what_the_repository_gave_up() {
    let home = home(4);
    let first = save(&home, "first");
    fs::remove_file(home.path("work/00")).unwrap();
    let second = save(&home, "second");
    sync(&home, &["-q"]).ok();
    home.run(["forget", &first]).ok();
    home.run(["gc", "--grace", "0"]).ok();
    sync(&home, &["-q"]).ok();
    let more = files(&copy(&home)).len();
    let dry = there(&home, &["gc", "--dry-run"]).ok();
    assert!(dry.out.contains("this is a copy"), "{}", dry.out);
    assert_eq!(files(&copy(&home)).len(), more);
    let rows = there(&home, &["gc", "--json"]).ok().json();
    assert_eq!(
        (rows[0]["copy"].as_bool(), rows[1]["written"]["count"].as_u64()),
        (Some(true), Some(0))
    );
    assert!(rows[1]["freed"].as_i64().unwrap() > 0);
    let left: Vec<String> =
        files(&copy(&home)).into_iter().filter(|name| name != "mirror").collect();
    assert_eq!(left, files(&home.repository()));
    restores(&home, &second, &home.path("work"));
    // And nothing comes back.
    let again = last(&sync(&home, &["--json"]).ok());
    assert_eq!(again["objects"], 0);
}

#[test]
fn a_passphrase_that_was_removed_opens_the_copy_until_it_is_removed_there() {
    let home = home(5);
    save(&home, "first");
    let mut add = home.command();
    add.env("ESKER_NEW_PASSWORD", "secret").args(["key", "add", "--json"]);
    let slot =
        crate::support::Ran::of(&mut add).ok().json()[0]["slot"].as_str().unwrap().to_owned();
    sync(&home, &["-q"]).ok();
    home.run(["key", "remove", &slot]).ok();
    sync(&home, &["-q"]).ok().says(&["was removed from the repository", "key remove"]);
    there(&home, &["key", "remove", &slot]).ok();
    sync(&home, &["-q"]).ok().says_nothing();
}
