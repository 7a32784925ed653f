//! What the thief of a writer's key can try beside what `roles/forged.rs` holds.

use super::{expect_restored, forget_all, listed, save, saved};
use crate::roles::Host;
use crate::roles::forging::{Thief, secret};
use crate::support::Home;
use esker_format::cbor::Extra;
use esker_format::checkpoint::Checkpoint;
use esker_format::envelope::Kind;
use esker_format::ids::{CheckpointId, EntryHash, LogHead, Named, Seq, SessionId, SnapshotId};
use esker_format::key::SigningKey;
use esker_format::log_entry::{Abort, Add, Body, CheckpointEntry, Commit, Snapshots};
use esker_format::names;
use esker_format::node::Time;
use esker_format::ordinals::Ordinals;
use esker_format::snapshot::{Manifest, Summary};
use std::path::PathBuf;

/// Three snapshots of the owner, and the thief of a key that shares the owner's scope.
fn robbed() -> (Home, PathBuf, Vec<String>, Thief) {
    let (home, source, ids) = saved(3);
    let host = Host::enrolled(&home, "web", &["--scope", "0"]);
    let thief = Thief::new(&home, &host.key);
    (home, source, ids, thief)
}

/// Rules that a check says were broken, by name of the writer.
fn void(home: &Home) -> Vec<(String, String)> {
    let rows = home.run(["check", "--json"]).json();
    let void = rows.into_iter().filter(|row| row["kind"] == "void");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    void.map(|row| (text(&row["writer"]), text(&row["message"]))).collect()
}

fn says(writer: &str, rule: &str) -> (String, String) {
    (writer.to_owned(), rule.to_owned())
}

fn commit(session: SessionId, manifest: SnapshotId, summary: Vec<u8>) -> Body {
    Body::Commit(Commit {
        session,
        manifest,
        segments: Vec::new(),
        packs: Vec::new(),
        bases: Vec::new(),
        set: Ordinals::default(),
        set_object: None,
        summary,
        extra: Extra::default(),
    })
}

/// A snapshot without any entries, that says of itself what its maker likes.
fn put_snapshot(thief: &mut Thief, session: SessionId, summary: &Summary) -> SnapshotId {
    let mut header = thief.header(Kind::Manifest, session);
    let manifest = Manifest {
        summary: summary.clone(),
        root: None,
        root_level: 0,
        profiles: Vec::new(),
        problems: Vec::new(),
        program: "theft".to_owned(),
        extra: Extra::default(),
    };
    let keys = vec![thief.material.reading];
    let to = esker_format::data_key::Recipients { keys, epoch: thief.material.epoch_keys() };
    let object = manifest.encode(&mut header, &to, thief.entropy()).unwrap();
    thief.put_manifest(&object)
}

/// The summary of a snapshot of the owner.
fn summary(home: &Home, id: &str) -> Summary {
    let object = std::fs::read(home.repository().join("snapshot").join(id)).unwrap();
    let secret = secret(home);
    Manifest::decode(&object, &secret.reading_key(0), &secret.epoch(0)).unwrap().summary
}

#[test]
fn the_session_of_somebody_else_is_not_ended() {
    let (home, source, ids, mut thief) = robbed();
    let other = Host::enrolled(&home, "mail", &["--scope", "0"]);
    let mut other = Thief::new(&home, &other.key);
    let open = other.session();
    let add = Body::Add(Add {
        session: open,
        segments: Vec::new(),
        packs: Vec::new(),
        hold: Ordinals::default(),
        extra: Extra::default(),
    });
    other.append(open, &add);
    let own = thief.session();
    thief.append(own, &Body::Abort(Abort { session: open, extra: Extra::default() }));
    assert_eq!(void(&home), [says("web", "it ends a session that is not its writer's own")]);
    // It goes on.
    other.append(open, &add);
    let theirs = summary(&home, &ids[2]);
    let manifest = put_snapshot(&mut other, open, &theirs);
    let sealed = other.summary(&theirs, open);
    other.append(open, &commit(open, manifest, sealed));
    assert_eq!(listed(&home).last(), Some(&manifest.to_string()));
    expect_restored(&home, &ids[2], &source, 3);
}

#[test]
fn a_session_commits_once() {
    let (home, source, ids, mut thief) = robbed();
    let session = thief.session();
    let summary = Summary { label: "theirs".to_owned(), ..summary(&home, &ids[0]) };
    let first = put_snapshot(&mut thief, session, &summary);
    let second =
        put_snapshot(&mut thief, session, &Summary { host: "h".to_owned(), ..summary.clone() });
    let sealed = thief.summary(&summary, session);
    thief.append(session, &commit(session, first, sealed.clone()));
    thief.append(session, &commit(session, second, sealed));
    assert_eq!(void(&home), [says("web", "its session has ended")]);
    let all = listed(&home);
    assert_eq!((all.len(), &all[..3], &all[3]), (4, &ids[..], &first.to_string()));
    let rows = home.run(["check"]).ok();
    rows.says(&["by web", "is void and changes nothing", "withdraw the key with `esker revoke`"]);
    home.run(["forget", "--whole-series", &first.to_string()]).ok();
    home.run(["gc", "--grace", "0", "--abort-after", "0"]).ok();
    let manifests = std::fs::read_dir(home.repository().join("snapshot")).unwrap().count();
    assert_eq!(manifests, 3);
    expect_restored(&home, &ids[0], &source, 1);
}

/// In the owner's own scope, under the owner's own series.
#[test]
fn snapshots_dated_a_year_ahead_push_none_of_the_owners_out() {
    let (home, source, ids, mut thief) = robbed();
    let rules = ["--keep-last", "2", "--keep-daily", "2", "--keep-within", "1d"];
    let stays = |home: &Home| -> Vec<String> {
        let words = ["forget", "--dry-run", "--json"].into_iter().chain(rules);
        let rows = home.run(words).ok().json();
        let stays = rows.iter().filter(|row| row["stays"] == true);
        stays.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stays(&home), ids);
    let owners = summary(&home, &ids[2]);
    for years in 1..6 {
        let ahead = |time: Time| Time { seconds: time.seconds + years * 365 * 86_400, ..time };
        let forged =
            Summary { start: ahead(owners.start), end: ahead(owners.end), ..owners.clone() };
        let session = thief.session();
        let manifest = put_snapshot(&mut thief, session, &forged);
        let sealed = thief.summary(&forged, session);
        thief.append(session, &commit(session, manifest, sealed));
    }
    let after = stays(&home);
    assert!(ids.iter().all(|id| after.contains(id)), "{after:?} of {ids:?}");
    let told = home.run(["forget"].into_iter().chain(rules)).ok();
    told.says(&["dated more than a day after now"]);
    home.run(["gc", "--grace", "0"]).ok();
    for (number, id) in ids.iter().enumerate() {
        expect_restored(&home, id, &source, number as u64 + 1);
    }
    // What is the latest of a label is another matter: it is told that two have it.
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn a_checkpoint_that_a_thief_has_signed_is_passed_over_and_named() {
    let (home, source, ids, mut thief) = robbed();
    let enrolment = std::fs::read(home.repository().join("log/0/5")).unwrap();
    // Enough entries for a checkpoint to be worth while: all of them void.
    let session = thief.session();
    let forget = |ids: &[String]| {
        let snapshots = ids.iter().map(|id| id.parse().unwrap()).collect();
        Body::Forget(Snapshots { snapshots, reason: None, extra: Extra::default() })
    };
    let mut last = 0;
    for _ in 0..40 {
        last = thief.append(session, &forget(&ids));
    }
    let last_entry = std::fs::read(home.repository().join(names::entry(Seq(last)))).unwrap();
    let (next, head): (Seq, LogHead) = thief.end();
    assert_eq!(next.0, last + 1);
    // A state in which nothing was ever saved.
    let checkpoint = Checkpoint {
        seq: Seq(last),
        head,
        owner: thief.material.owner,
        epoch: 0,
        writers: Vec::new(),
        packs: Default::default(),
        segments: Vec::new(),
        snapshots: Vec::new(),
        sessions: Default::default(),
        tokens: Default::default(),
        holder: None,
        entry: EntryHash::of(&last_entry),
        holds: Vec::new(),
        append: Vec::new(),
        collect: Vec::new(),
        named: Vec::new(),
        extra: Extra::default(),
    };
    let mut header = thief.header(Kind::Checkpoint, session);
    header.seq = last;
    let signer = SigningKey(thief.material.signing.clone());
    let log_key = thief.material.epoch_keys().log_key();
    let object = checkpoint.encode(header, enrolment, &log_key, &signer, thief.entropy()).unwrap();
    let id = CheckpointId::of(&object);
    let name = names::checkpoint(Seq(last), id);
    thief.put(&name, &object);
    let named = CheckpointEntry { checkpoint: id, at: Seq(last), extra: Extra::default() };
    thief.append(session, &Body::Checkpoint(named));
    forget_all(&home);
    let told = home.run(["snapshots", "--json"]).ok();
    let rows: Vec<_> =
        told.json().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rows, ids);
    told.says(&[&format!("{name} is not a checkpoint of this log")]);
    expect_restored(&home, &ids[2], &source, 3);
    let check = home
        .run(["check"])
        .exit(4)
        .says(&[&name, "where the log is whole, a checkpoint only spares time: remove it"]);
    assert!(!check.err.contains("--force"), "{}", check.err);
    assert_eq!(void(&home).len(), 41);
    std::fs::remove_file(home.repository().join(&name)).unwrap();
    home.run(["check"]).ok();
    let id = save(&home, &source, &[]);
    expect_restored(&home, &id, &source, 3);
}
