//! What writers of different scopes share, which is nothing, and those of one scope, which is all.

use super::forging::secret;
use super::{Host, expect_equal, objects, owned, tree};
use crate::support::Home;
use esker_format::envelope::Header;
use esker_format::ids::ChunkId;
use esker_format::pack::decode_pack;
use esker_format::segment;
use std::collections::{BTreeMap, BTreeSet};

/// Ids of the chunks in packs, and the names of segments, by scope. Each pack and each segment
/// opens with the key of its scope and with no other.
fn by_scope(
    home: &Home,
    scopes: std::ops::Range<u32>,
) -> BTreeMap<u32, (BTreeSet<ChunkId>, BTreeSet<String>)> {
    let secret = secret(home);
    let keys: BTreeMap<u32, _> =
        scopes.map(|scope| (scope, secret.scope(scope).keys().segment)).collect();
    let mut found: BTreeMap<u32, (BTreeSet<ChunkId>, BTreeSet<String>)> = BTreeMap::new();
    for (name, object) in objects(&home.repository()) {
        let name = name.to_str().unwrap().to_owned();
        let is_pack = name.starts_with("pack/");
        if !is_pack && !name.starts_with("index/") {
            continue;
        }
        let scope = Header::decode(&object).unwrap().0.scope;
        for (other, key) in &keys {
            let opens = match is_pack {
                true => decode_pack(&object, key).is_ok(),
                false => segment::decode_object(&object, key).is_ok(),
            };
            assert_eq!(opens, *other == scope, "{name} with the key of scope {other}");
        }
        let (chunks, segments) = found.entry(scope).or_default();
        match is_pack {
            true => {
                let (_, _, directory) = decode_pack(&object, &keys[&scope]).unwrap();
                chunks.extend(directory.chunks.iter().map(|(id, _)| *id));
            }
            false => drop(segments.insert(name)),
        }
    }
    found
}

#[test]
fn two_scopes_share_no_chunk_id_and_no_segment_whatever_they_save() {
    let home = owned();
    let hosts = ["web", "db"].map(|name| Host::enrolled(&home, name, &[]));
    let source = tree(&home, "work", 1);
    home.snapshot(&source).ok();
    for host in &hosts {
        let saved = host.save(&source, &[]);
        // Nobody can find out from it whether others have the same.
        assert!(saved["counts"]["added_bytes"].as_u64().unwrap() > 200_000, "{saved}");
    }
    let found = by_scope(&home, 0..3);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    let chunks: usize = found.values().map(|(chunks, _)| chunks.len()).sum();
    let all: BTreeSet<_> = found.values().flat_map(|(chunks, _)| chunks).collect();
    assert!(chunks > 30 && all.len() == chunks);
    // Each lists its own, and the owner reads all.
    for (scope, host) in [(1, &hosts[0]), (2, &hosts[1])] {
        let rows = host.run(["snapshots", "--json"]).ok().says_nothing().json();
        assert_eq!((rows.len(), &rows[0]["scope"]), (1, &scope.into()));
        let id = rows[0]["id"].as_str().unwrap();
        let target = home.path(format!("target-{scope}"));
        home.restore(id, &target).ok();
        expect_equal(&source, &target);
        assert!(!home.run(["ls", id]).ok().out.is_empty());
        home.run(["cat", &format!("{id}:{}", source.join("text/1").display())]).ok();
    }
    assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 4);
    home.run(["check", "--read-data"]).ok().says_nothing();
    home.run(["stats", "--exclusive", "latest"]).ok();
    // With no cache it is the same.
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    home.run(["check", "--read-data"]).ok().says_nothing();
}

#[test]
fn writers_of_one_scope_store_what_is_equal_once() {
    let home = owned();
    let source = tree(&home, "work", 2);
    home.snapshot(&source).ok();
    let beside_owner = Host::enrolled(&home, "db", &["--scope", "0"]);
    let saved = beside_owner.save(&source, &[]);
    assert_eq!(saved["counts"]["added_bytes"], 0, "{saved}");
    let first = Host::enrolled(&home, "web", &[]);
    assert!(first.save(&source, &[])["counts"]["added_bytes"].as_u64().unwrap() > 200_000);
    let second = Host::enrolled(&home, "mail", &["--scope", "1"]);
    let saved = second.save(&source, &[]);
    assert_eq!(saved["counts"]["added_bytes"], 0, "{saved}");
    assert_eq!(second.run(["snapshots", "--json"]).ok().json().len(), 2);
    home.restore(saved["snapshot"].as_str().unwrap(), home.path("target")).ok();
    expect_equal(&source, &home.path("target"));
}

#[test]
fn equal_names_of_two_writers_are_two_series() {
    let home = owned();
    let source = tree(&home, "work", 3);
    let names = ["--host", "same", "--label", "same"];
    let own = |home: &Home| {
        let mut command = home.command();
        command.args(["snapshot", "--json"]).args(names).arg(&source);
        crate::support::Ran::of(&mut command).ok().json().remove(0)
    };
    let first = own(&home);
    let host = Host::enrolled(&home, "db", &["--scope", "0"]);
    let theirs = host.save(&source, &names);
    assert_eq!(theirs["base"], serde_json::Value::Null, "{theirs}");
    let second = own(&home);
    assert_eq!(second["base"], first["snapshot"]);
    assert_eq!(host.save(&source, &names)["base"], theirs["snapshot"]);
    let rows = home.run(["snapshots", "--json", "--label", "same"]).ok().json();
    let series: Vec<_> = rows.iter().map(|row| row["series"].as_str().unwrap()).collect();
    assert_eq!((series[0], series[1]), (series[2], series[3]));
    assert_ne!(series[0], series[1]);
    assert_ne!(rows[0]["writer"], rows[1]["writer"]);
    // Whoever has a key cannot make his snapshot pass for the latest of somebody else.
    let target = home.path("target");
    std::fs::create_dir(&target).unwrap();
    let target = target.to_str().unwrap();
    let ran = home.run(["restore", "same:latest", target, "--delete"]).exit(1);
    ran.says(&["several series"]);
}

#[test]
fn snapshots_of_two_scopes_are_compared_without_their_ids() {
    let home = owned();
    let source = tree(&home, "work", 4);
    let hosts = ["web", "db"].map(|name| Host::enrolled(&home, name, &[]));
    let first = hosts[0].save(&source, &[]);
    home.write("work/text/new", "new");
    let second = hosts[1].save(&source, &[]);
    let [a, b] = [&first, &second].map(|row| row["snapshot"].as_str().unwrap());
    let ran = home.run(["diff", "--json", a, b]).ok().says(&["compared by size and time"]);
    let summary = ran.json().pop().unwrap();
    assert_eq!(
        (&summary["added"]["entries"], &summary["content"]["entries"]),
        (&1.into(), &0.into())
    );
    assert_eq!(summary["touched"]["entries"], 0);
    let text = source.join("text/new");
    let found = home.run(["find", text.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(found.len(), 1);
}

#[test]
fn one_cache_for_two_keys_gives_neither_what_is_the_others() {
    let home = owned();
    let source = tree(&home, "work", 5);
    home.snapshot(&source).ok();
    let key = super::export(&home, "web", &[]);
    let with_key = |words: &[&str]| {
        let mut command = home.command();
        crate::support::Ran::of(command.env("ESKER_KEY_FILE", &key).args(words)).ok()
    };
    let path = source.to_str().unwrap();
    let saved = with_key(&["snapshot", "--json", path]).json().remove(0);
    assert_eq!(saved["counts"]["unchanged"], 0, "{saved}");
    assert!(saved["counts"]["added_bytes"].as_u64().unwrap() > 200_000, "{saved}");
    let own = home.run(["snapshot", "--json", path]).ok().json().remove(0);
    assert_eq!((&own["counts"]["added_bytes"], &own["counts"]["new"]), (&0.into(), &0.into()));
    let again = with_key(&["snapshot", "--json", path]).json().remove(0);
    assert_eq!((&again["counts"]["added_bytes"], &again["counts"]["new"]), (&0.into(), &0.into()));
    home.run(["check", "--read-data"]).ok().says_nothing();
    for row in [&saved, &own, &again] {
        let id = row["snapshot"].as_str().unwrap();
        home.restore(id, home.path(id)).ok();
        expect_equal(&source, &home.path(id));
    }
}
