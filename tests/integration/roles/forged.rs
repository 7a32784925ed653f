//! A stolen key: what its thief puts into the store changes nothing for anybody else.

use super::forging::{Thief, secret};
use super::{Host, expect_equal, objects, owned, tree};
use crate::support::{Home, Ran};
use esker_format::cbor::Extra;
use esker_format::codec::Codec;
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameHead, FrameType};
use esker_format::ids::{PackId, SegmentId, SessionId, SnapshotId};
use esker_format::key::SigningKey;
use esker_format::log_entry::{
    Abort, Body, Commit, Compact, Damaged, Delete, Mark, Narrow, Narrowed, Note, ROLE_ADMIN,
    Revoke, Setting, Snapshots, Takeover, WriterEntry,
};
use esker_format::ordinals::Ordinals;
use esker_format::pack::decode_pack;
use esker_format::segment::{SegmentPack, prefix};
use esker_format::snapshot::{Manifest, Summary};
use std::path::PathBuf;

fn ordinals(numbers: impl IntoIterator<Item = u32>) -> Ordinals {
    numbers.into_iter().collect()
}

/// A commit by the thief that names this manifest and these segments.
fn commit(thief: &mut Thief, manifest: SnapshotId, segments: Vec<SegmentId>, summary: &Summary) {
    let session = thief.session();
    let summary = thief.summary(summary, session);
    let body = Body::Commit(Commit {
        session,
        manifest,
        segments,
        packs: Vec::new(),
        bases: Vec::new(),
        set: ordinals([0]),
        set_object: None,
        summary,
        extra: Extra::default(),
    });
    thief.append(session, &body);
}

/// The manifest of a snapshot.
fn manifest(home: &Home, id: &str) -> Manifest {
    let secret = secret(home);
    let object = std::fs::read(home.repository().join("snapshot").join(id)).unwrap();
    Manifest::decode(&object, &secret.reading_key(0), &secret.epoch(0)).unwrap()
}

/// A repository where the owner and a host have saved a tree, and the thief of the host's key.
fn robbed() -> (Home, PathBuf, Thief) {
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    let source = tree(&home, "work", 1);
    host.save(&source, &[]);
    home.snapshot(&source).ok();
    let thief = Thief::new(&home, &host.key);
    (home, source, thief)
}

fn latest(home: &Home) -> String {
    let rows = home.run(["snapshots", "--json"]).ok().json();
    rows.last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn entries_of_destructive_kinds_are_void_and_change_nothing() {
    let (home, source, mut thief) = robbed();
    let before = home.run(["snapshots", "--json"]).ok().out;
    let ids: Vec<SnapshotId> = home
        .run(["snapshots", "--json"])
        .json()
        .iter()
        .map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect();
    let named = || Snapshots { snapshots: ids.clone(), reason: None, extra: Extra::default() };
    let owner = secret(&home).working_key().verification();
    let stranger = SigningKey(thief.entropy().secret()).verification();
    let files = objects(&home.repository());
    let segments: Vec<SegmentId> = files
        .keys()
        .filter_map(|name| name.to_str()?.strip_prefix("index/")?.parse().ok())
        .collect();
    let extra = Extra::default;
    let theirs = thief.session();
    let bodies = [
        Body::Forget(named()),
        Body::Unforget(named()),
        Body::Hold(named()),
        Body::Unhold(named()),
        Body::Note(Note {
            snapshot: ids[0],
            add: vec!["x".to_owned()],
            remove: Vec::new(),
            text: None,
            extra: extra(),
        }),
        Body::Damaged(Damaged {
            snapshots: ids.clone(),
            packs: ordinals([0]),
            mended: Vec::new(),
            extra: extra(),
        }),
        Body::Delete(Delete {
            packs: ordinals([0]),
            manifests: ids.clone(),
            segments: segments.clone(),
            sets: Vec::new(),
            extra: extra(),
        }),
        Body::Compact(Compact { old: segments.clone(), new: Vec::new(), scope: 0, extra: extra() }),
        Body::Revoke(Revoke { writer: owner.writer(), extra: extra() }),
        Body::Writer(WriterEntry {
            key: stranger,
            scope: 0,
            roles: ROLE_ADMIN,
            name: "mine".to_owned(),
            extra: extra(),
        }),
        Body::Setting(Setting { read: vec![1], append: vec![1], collect: vec![1], extra: extra() }),
        Body::Takeover(Takeover { holder: None, reason: None, extra: extra() }),
        Body::Abort(Abort { session: committed(&files), extra: extra() }),
    ];
    let mut count = bodies.len();
    for body in &bodies {
        thief.append(theirs, body);
    }
    for body in [mark(&ids), narrow(&ids)] {
        thief.append(theirs, &body);
        count += 1;
    }
    assert_eq!(home.run(["snapshots", "--json"]).ok().out, before);
    let check = home.run(["check", "--json"]).ok().json();
    let void = check.iter().filter(|row| row["kind"] == "void").count();
    assert_eq!((void, &check.last().unwrap()["sound"]), (count, &true.into()), "{check:?}");
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    home.restore(&latest(&home), home.path("target")).ok();
    expect_equal(&source, &home.path("target"));
    home.snapshot(&source).ok();
    home.run(["revoke", "web"]).ok();
    home.run(["check", "--read-data"]).ok();
}

/// The session of some entry that others signed.
fn committed(files: &std::collections::BTreeMap<PathBuf, Vec<u8>>) -> SessionId {
    let entry = files.iter().rev().find(|(name, _)| name.starts_with("log")).unwrap().1;
    Header::decode(entry).unwrap().0.session
}

fn mark(ids: &[SnapshotId]) -> Body {
    Body::Mark(Mark {
        packs: ordinals([0]),
        replacements: Vec::new(),
        walked: ids.to_vec(),
        segments: Vec::new(),
        added: Vec::new(),
        session: None,
        scope: None,
        extra: Extra::default(),
    })
}

fn narrow(ids: &[SnapshotId]) -> Body {
    let narrowed = |id: &SnapshotId| Narrowed {
        snapshot: *id,
        set: Ordinals::default(),
        extra: Extra::default(),
    };
    Body::Narrow(Narrow { sets: ids.iter().map(narrowed).collect(), extra: Extra::default() })
}

#[test]
fn a_snapshot_that_names_what_another_scope_saved_is_not_given_it() {
    let (home, source, mut thief) = robbed();
    let id = latest(&home);
    let read = manifest(&home, &id);
    let summary = Summary { label: "stolen".to_owned(), ..read.summary.clone() };
    // The ids of the owner's pages, in a manifest of the thief's own scope.
    let session = thief.session();
    let mut header = thief.header(Kind::Manifest, session);
    let forged = Manifest { summary: summary.clone(), ..read };
    let to = esker_format::data_key::Recipients {
        keys: vec![thief.material.reading],
        epoch: thief.material.epoch_keys(),
    };
    let made = forged.encode(&mut header, &to, thief.entropy()).unwrap();
    let taken = thief.put_manifest(&made);
    commit(&mut thief, taken, Vec::new(), &summary);
    // The thief cannot read, and whoever can must not hand on the owner's files as the host's.
    let target = home.path("target");
    let ran = home.restore("stolen:latest", &target);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(!target.join(source.strip_prefix("/").unwrap()).exists());
    let ran = home.run(["ls", "stolen:latest"]).exit(4);
    assert_eq!(ran.out, "");
    let what = format!("stolen:latest:{}", source.join("text/1").display());
    assert_eq!(home.run(["cat", &what]).exit(4).out, "");
    home.run(["check"]).exit(4).says(&[&taken.to_string()[..16]]);
    // A manifest that says it is of the owner's scope, in a commit of the thief's.
    let mut header = Header { scope: 0, ..thief.header(Kind::Manifest, session) };
    let summary = Summary { label: "named".to_owned(), ..summary };
    let made = forged.encode(&mut header, &to, thief.entropy()).unwrap();
    let taken = thief.put_manifest(&made);
    commit(&mut thief, taken, Vec::new(), &summary);
    home.restore("named:latest", home.path("target2")).exit(4).says(&["snapshot/", "scope"]);
    // All others are as they were.
    home.restore(&id, home.path("target3")).ok();
    expect_equal(&source, &home.path("target3"));
}

#[test]
fn what_a_segment_of_another_scope_says_of_a_pack_is_not_believed() {
    let (home, source, mut thief) = robbed();
    let id = latest(&home);
    let secret = secret(&home);
    // All packs of the owner, said to be of the thief's scope and to hold what the owner looks for.
    let mut rows = Vec::new();
    for (name, object) in objects(&home.repository()) {
        if !name.starts_with("pack") {
            continue;
        }
        let Ok((mut header, _, directory)) = decode_pack(&object, &secret.scope(0).keys().segment)
        else {
            continue;
        };
        header.scope = thief.material.scope;
        let name = name.file_name().unwrap().to_str().unwrap();
        let frames: Vec<FrameHead> = directory.frames.iter().rev().copied().collect();
        let mut chunks: Vec<_> =
            directory.chunks.iter().map(|(id, len)| (prefix(id), *len)).collect();
        // The same prefixes, in wrong places.
        if frames.len() > 1 {
            let split = directory.chunks.len() - frames[0].chunks as usize;
            chunks.rotate_left(split);
        }
        let id: PackId = name.parse().unwrap();
        let len = object.len() as u64;
        rows.push(SegmentPack { id, len, header: header.encode(), frames, chunks });
    }
    assert!(!rows.is_empty());
    let session = thief.session();
    let segment = thief.put_segment(session, &rows);
    let read = manifest(&home, &id);
    let summary = Summary { label: "forged".to_owned(), ..read.summary };
    let nothing = thief.put_manifest(b"no manifest");
    commit(&mut thief, nothing, vec![segment], &summary);
    let whole = |target: &str| {
        home.restore(&id, home.path(target)).ok();
        expect_equal(&source, &home.path(target));
        // The owner's next run knows all that is there, and where.
        let mut command = home.command();
        command.args(["snapshot", "--json", "--force"]).arg(&source);
        let saved = Ran::of(&mut command).ok().json().remove(0);
        assert_eq!(saved["counts"]["added_bytes"], 0, "{saved}");
        let saved = saved["snapshot"].as_str().unwrap();
        home.restore(saved, home.path(format!("{target}-saved"))).ok();
        expect_equal(&source, &home.path(format!("{target}-saved")));
    };
    whole("with the cache that was there");
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    whole("with a new one");
}

/// What somebody says who has the pack of another run: that it holds all these chunks.
fn boast(home: &Home, thief: &mut Thief, pack: &str, scope: u32) -> SegmentId {
    let keys = secret(home).scope(scope).keys();
    let (mut data, mut pages) = (Vec::new(), Vec::new());
    let mut row = None;
    for (name, object) in objects(&home.repository()) {
        let Some(name) = name.to_str().unwrap().strip_prefix("pack/") else { continue };
        let name = &name[3..];
        let Ok((header, _, directory)) = decode_pack(&object, &keys.segment) else { continue };
        if name == pack {
            row = Some((header, object.len() as u64));
            continue;
        }
        let mut chunks = directory.chunks.iter().map(|(id, len)| (prefix(id), *len));
        for frame in &directory.frames {
            let of_type = match frame.frame_type {
                FrameType::Data => &mut data,
                FrameType::Page => &mut pages,
            };
            of_type.extend(chunks.by_ref().take(frame.chunks as usize));
        }
    }
    let (header, len) = row.unwrap();
    let frame = |frame_type, chunks: &[(_, u32)]| FrameHead {
        frame_type,
        codec: Codec::Zstd,
        sealed_len: 100,
        plain_len: chunks.iter().map(|(_, len)| len).sum(),
        chunks: chunks.len() as u32,
    };
    let frames = vec![frame(FrameType::Data, &data), frame(FrameType::Page, &pages)];
    let (id, header) = (pack.parse().unwrap(), header.encode());
    let chunks = [data, pages].concat();
    let session = thief.session();
    thief.put_segment(session, &[SegmentPack { id, len, header, frames, chunks }])
}

/// The pack that a run adds.
fn pack_of(home: &Home, run: impl FnOnce()) -> String {
    let packs = || -> std::collections::BTreeSet<PathBuf> {
        objects(&home.repository()).into_keys().filter(|name| name.starts_with("pack")).collect()
    };
    let before = packs();
    run();
    let added = packs();
    let mut added = added.difference(&before);
    let name = added.next().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(added.next(), None);
    name
}

#[test]
fn who_shares_a_scope_cannot_take_what_was_saved_before() {
    for of_own in [true, false] {
        boasts_in_its_scope(of_own);
    }
}

/// A thief says that a pack has everything: one of his own, or the first of the owner.
fn boasts_in_its_scope(of_own: bool) {
    let home = owned();
    let source = tree(&home, "work", 1);
    let first = pack_of(&home, || drop(home.snapshot(&source).ok()));
    let id = latest(&home);
    let more = tree(&home, "more", 3);
    home.snapshot(&more).ok();
    let second = latest(&home);
    let host = Host::enrolled(&home, "db", &["--scope", "0"]);
    let theirs = tree(&home, "theirs", 2);
    let own = pack_of(&home, || drop(host.save(&theirs, &[])));
    let mut thief = Thief::new(&home, &host.key);
    let segment = boast(&home, &mut thief, if of_own { &own } else { &first }, 0);
    let summary = Summary { label: "forged".to_owned(), ..manifest(&home, &id).summary };
    let nothing = thief.put_manifest(b"no manifest");
    commit(&mut thief, nothing, vec![segment], &summary);
    home.run(["revoke", "db"]).ok();
    let whole = |target: &str| {
        home.restore(&id, home.path(target)).ok();
        expect_equal(&source, &home.path(target));
        let file = source.join("some/1");
        let bytes = Ran::of(
            home.command()
                .args(["cat", &format!("{id}:{}", file.display())])
                .stdout(std::fs::File::create(home.path("cat")).unwrap()),
        );
        bytes.ok();
        assert!(std::fs::read(home.path("cat")).unwrap() == std::fs::read(file).unwrap());
        let check = home.run(["check", "--read-data", "--json"]).json();
        let is_of_owner = |row: &&serde_json::Value| {
            row["snapshot"] == id.as_str() || row["snapshot"] == second.as_str()
        };
        assert_eq!(check.iter().filter(is_of_owner).count(), 0, "{check:?}");
        home.restore(&second, home.path(format!("{target} the second"))).ok();
        expect_equal(&more, &home.path(format!("{target} the second")));
    };
    whole("with the cache that was there");
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    whole("with a new one");
    // Nor has a collection take it.
    home.run(["gc", "--grace", "0"]);
    home.run(["gc", "--grace", "0"]);
    whole("after a collection");
    // Nor one that merges what he said with what is right.
    for n in 0..9 {
        home.write("work/another", format!("{n}"));
        home.snapshot(home.path("work/another")).ok();
    }
    home.run(["gc", "--grace", "0"]);
    std::fs::remove_dir_all(home.path("cache")).unwrap();
    std::fs::remove_file(home.path("work/another")).unwrap();
    whole("after segments were merged");
}

#[test]
fn what_another_scope_says_it_has_is_stored_all_the_same() {
    let home = owned();
    let host = Host::enrolled(&home, "web", &[]);
    let theirs = tree(&home, "theirs", 2);
    let pack = pack_of(&home, || drop(host.save(&theirs, &[])));
    // What the owner will save, as its ids are found out in a copy of the repository.
    let source = tree(&home, "work", 1);
    let copy = home.path("copy");
    let copied =
        std::process::Command::new("cp").arg("-r").arg(home.repository()).arg(&copy).status();
    assert!(copied.unwrap().success());
    home.snapshot(&source).ok();
    let mut thief = Thief::new(&home, &host.key);
    let keys = secret(&home).scope(0).keys();
    let mut chunks = Vec::new();
    for (name, object) in objects(&home.repository()) {
        if let (true, Ok((.., directory))) =
            (name.starts_with("pack"), decode_pack(&object, &keys.segment))
        {
            chunks.extend(directory.chunks.iter().map(|(id, len)| (prefix(id), *len)));
        }
    }
    std::fs::remove_dir_all(home.repository()).unwrap();
    std::fs::rename(&copy, home.repository()).unwrap();
    // What this machine has seen of the other one is not what the thief is about.
    for folder in ["cache", "state"] {
        std::fs::remove_dir_all(home.path(folder)).unwrap();
    }
    let object =
        std::fs::read(home.repository().join("pack").join(&pack[..2]).join(&pack)).unwrap();
    let (header, _, _) = decode_pack(&object, &thief.keys.segment).unwrap();
    let frames = vec![FrameHead {
        frame_type: FrameType::Data,
        codec: Codec::Zstd,
        sealed_len: 100,
        plain_len: chunks.iter().map(|(_, len)| len).sum(),
        chunks: chunks.len() as u32,
    }];
    let (id, len, header) = (pack.parse().unwrap(), object.len() as u64, header.encode());
    let session = thief.session();
    let segment = thief.put_segment(session, &[SegmentPack { id, len, header, frames, chunks }]);
    let rows = home.run(["snapshots", "--json"]).ok().json();
    let summary = manifest(&home, rows[0]["id"].as_str().unwrap()).summary;
    let nothing = thief.put_manifest(b"no manifest");
    commit(&mut thief, nothing, vec![segment], &summary);
    let saved =
        Ran::of(home.command().args(["snapshot", "--json"]).arg(&source)).ok().json().remove(0);
    assert!(saved["counts"]["added_bytes"].as_u64().unwrap() > 200_000, "{saved}");
    home.restore(saved["snapshot"].as_str().unwrap(), home.path("target")).ok();
    expect_equal(&source, &home.path("target"));
}

#[test]
fn a_commit_without_a_summary_hides_no_other_snapshot() {
    let (home, _, mut thief) = robbed();
    let session = thief.session();
    let manifest = thief.put_manifest(b"no manifest");
    let body = Body::Commit(Commit {
        session,
        manifest,
        segments: Vec::new(),
        packs: Vec::new(),
        bases: Vec::new(),
        set: Ordinals::default(),
        set_object: None,
        summary: b"no summary".to_vec(),
        extra: Extra::default(),
    });
    thief.append(session, &body);
    let ran = home.run(["snapshots", "--json"]).ok();
    ran.says(&["cannot be listed", &manifest.to_string()[..16]]);
    assert_eq!(home.run(["snapshots", "--json"]).json().len(), 3);
    home.run(["check"]).exit(4).says(&[&manifest.to_string()[..16]]);
    // Nothing but its id names it, and that is enough to be rid of it.
    let id = &manifest.to_string()[..16];
    home.run(["tag", id, "--add", "x"]).exit(4).says(&["summary"]);
    assert!(home.run(["hold", id]).ok().out.starts_with("held: "));
    home.run(["forget", id]).exit(1).says(&["held"]);
    assert!(home.run(["unhold", id]).ok().out.starts_with("released: "));
    assert!(home.run(["forget", id, "--dry-run"]).ok().out.starts_with("would be forgotten: "));
    let rows = home.run(["forget", id, "--json"]).ok().json();
    assert_eq!((rows[0]["kind"].as_str(), rows[1]["go"].as_u64()), (Some("unlisted"), Some(1)));
    assert!(home.run(["unforget", id]).ok().out.starts_with("brought back: "));
    assert!(home.run(["forget", id]).ok().out.starts_with("forgotten: "));
    home.run(["check"]).ok();
    home.run(["gc", "--grace", "0"]).ok();
    home.run(["forget", id]).exit(1).says(&["no snapshot"]);
}
