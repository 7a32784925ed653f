//! A sound object in the wrong place, or read with the wrong key, is refused as such.

use crate::entries::*;
use crate::samples::*;
use crate::support::*;
use esker_format::cbor::{self, Extra};
use esker_format::checkpoint::{Checkpoint, WriterRow};
use esker_format::config::Config;
use esker_format::data_key::{decapsulate, encapsulate};
use esker_format::envelope::{Header, Kind, TAG_RECIPIENTS};
use esker_format::error::FormatError;
use esker_format::ids::{Named, PackId, RepositoryId, Seq, SessionId};
use esker_format::key::{ScopeKeys, SigningKey};
use esker_format::log_entry::{
    self, Body, Place, ROLE_APPEND, ROLE_FORGET, Revoke, SealedEntry, WriterEntry,
};
use esker_format::pack;
use esker_format::secret::Secret;
use esker_format::segment::{self, SegmentPack};
use esker_format::slot;
use esker_format::snapshot::{self, Manifest, SummaryOf};

const ELSEWHERE: RepositoryId = RepositoryId::new([9; 16]);

fn object(name: &str) -> Vec<u8> {
    let sample = samples().into_iter().find(|s| s.name == name).unwrap();
    sample.object.unwrap().0
}

#[track_caller]
fn misplaced<T: std::fmt::Debug>(result: esker_format::Result<T>, what: &'static str) {
    assert_eq!(result.unwrap_err(), FormatError::Misplaced { what });
}

#[track_caller]
fn not_authentic<T: std::fmt::Debug>(result: esker_format::Result<T>) {
    let error = result.unwrap_err();
    assert!(matches!(error, FormatError::NotAuthentic { .. }), "{error}");
}

fn wrong() -> Secret {
    Secret::new([0; 32])
}

#[test]
fn an_entry_belongs_to_one_repository_and_number() {
    let entry = object("commit");
    let parse = |repository, seq| SealedEntry::parse(entry.clone(), repository, Seq(seq));
    assert!(parse(REPOSITORY, 41).is_ok());
    misplaced(parse(ELSEWHERE, 41), "repository");
    misplaced(parse(REPOSITORY, 42), "sequence number");
    misplaced(SealedEntry::parse(object("config"), REPOSITORY, Seq(41)), "kind");
    misplaced(SealedEntry::parse(object("checkpoint"), REPOSITORY, Seq(41)), "kind");
    not_authentic(parse(REPOSITORY, 41).unwrap().open(&wrong()));
    let other = owner().owner_key().verification();
    assert!(!parse(REPOSITORY, 41).unwrap().is_signed_by(&other));
}

#[test]
fn a_config_is_signed_by_the_owner() {
    let (config, key, owner) = (object("config"), epoch().log_key(), owner().owner_key());
    let read =
        |repository, key: &Secret, owner| Config::decode(config.clone(), repository, key, owner);
    let owner = owner.verification();
    assert!(read(REPOSITORY, &key, &owner).is_ok());
    misplaced(read(ELSEWHERE, &key, &owner), "repository");
    not_authentic(read(REPOSITORY, &wrong(), &owner));
    not_authentic(read(REPOSITORY, &key, &signer().verification()));
    misplaced(Config::decode(object("commit"), REPOSITORY, &key, &owner), "kind");
}

#[test]
fn a_checkpoint_is_of_the_number_in_its_header() {
    let (key, owner) = (epoch().log_key(), owner().owner_key().verification());
    let read =
        |object, repository, key: &Secret| Checkpoint::decode(object, repository, key, &owner);
    let sample = object("checkpoint");
    assert!(read(sample.clone(), REPOSITORY, &key).is_ok());
    misplaced(read(sample.clone(), ELSEWHERE, &key), "repository");
    misplaced(read(object("commit"), REPOSITORY, &key), "kind");
    not_authentic(read(sample.clone(), REPOSITORY, &wrong()));
    let header = Header { seq: 40, ..header(Kind::Checkpoint) };
    let enrolment = enrolment_object();
    let other = Checkpoint { seq: Seq(40), ..checkpoint() };
    assert!(
        other.encode(header.clone(), enrolment.clone(), &key, &signer(), &mut entropy(1)).is_ok()
    );
    let other = checkpoint().encode(header, enrolment, &key, &signer(), &mut entropy(1)).unwrap();
    misplaced(read(other, REPOSITORY, &key), "sequence number");
}

/// Without a log, a reader knows of its signer what the owner's own signature says.
#[test]
fn a_checkpoint_is_signed_by_whom_the_owner_let_collect() {
    let (key, owner_key) = (epoch().log_key(), owner().owner_key());
    let row = |entry: &WriterEntry, revoked| WriterRow {
        entry: entry.clone(),
        revoked,
        seq: Seq(1),
        extra: Extra::default(),
    };
    let read = |rows: Vec<WriterRow>, enrolment: Vec<u8>, by: &SigningKey| {
        let header =
            Header { seq: 41, writer: by.verification().writer(), ..header(Kind::Checkpoint) };
        let state = Checkpoint { writers: rows, ..checkpoint() };
        let object = state.encode(header, enrolment, &key, by, &mut entropy(1)).unwrap();
        Checkpoint::decode(object, REPOSITORY, &key, &owner_key.verification())
    };
    let (signer, good) = (signer(), enrolment());
    assert!(read(vec![row(&good, false)], enrolment_object(), &signer).is_ok());
    // Of another writer's enrolment, or of one that is not the owner's.
    not_authentic(read(vec![row(&good, false)], enrolment_object(), &stranger()));
    not_authentic(read(vec![row(&good, false)], enrolled(&good, &signer), &signer));
    let of = |entry: WriterEntry| {
        let enrolment = enrolled(&entry, &owner_key);
        read(vec![row(&entry, false)], enrolment, &signer)
    };
    assert!(of(good.clone()).is_ok());
    not_authentic(of(WriterEntry { roles: ROLE_APPEND | ROLE_FORGET, ..good.clone() }));
    not_authentic(of(WriterEntry { scope: SCOPE + 1, ..good.clone() }));
    // Revoked, unknown, or somebody else by what the checkpoint says itself.
    not_authentic(read(vec![row(&good, true)], enrolment_object(), &signer));
    not_authentic(read(vec![], enrolment_object(), &signer));
    let renamed = WriterEntry { name: "other".into(), ..good.clone() };
    not_authentic(read(vec![row(&renamed, false)], enrolment_object(), &signer));
    // An owner's entry of another kind, of another repository, and none.
    let place = Place { writer: owner_key.verification().writer(), ..place(SESSION) };
    let body = Body::Revoke(Revoke { writer: writer(), extra: Extra::default() });
    let revoke = log_entry::encode(&place, &body, &key, &owner_key, &mut entropy(1));
    not_authentic(read(vec![row(&good, false)], revoke, &signer));
    let elsewhere = Place { repository: ELSEWHERE, ..place };
    let body = Body::Writer(good.clone());
    let foreign = log_entry::encode(&elsewhere, &body, &key, &owner_key, &mut entropy(1));
    misplaced(read(vec![row(&good, false)], foreign, &signer), "repository");
    let late = Place { seq: Seq(42), ..place };
    let late = log_entry::encode(&late, &body, &key, &owner_key, &mut entropy(1));
    not_authentic(read(vec![row(&good, false)], late, &signer));
    assert!(read(vec![row(&good, false)], vec![], &signer).is_err());
    // Of another owner.
    let other = Checkpoint { owner: stranger().verification(), ..checkpoint() };
    let header = Header { seq: 41, ..header(Kind::Checkpoint) };
    let object = other.encode(header, enrolment_object(), &key, &signer, &mut entropy(1)).unwrap();
    not_authentic(Checkpoint::decode(object, REPOSITORY, &key, &owner_key.verification()));
}

#[test]
fn a_manifest_opens_for_its_recipient_under_its_epoch() {
    let manifest = object("manifest");
    assert!(Manifest::decode(&manifest, &reading(), &epoch()).is_ok());
    not_authentic(Manifest::decode(&manifest, &owner().reading_key(EPOCH + 1), &epoch()));
    not_authentic(Manifest::decode(&manifest, &reading(), &owner().epoch(EPOCH + 1)));
    misplaced(Manifest::decode(&object("pack"), &reading(), &epoch()), "kind");
}

#[test]
fn a_data_key_belongs_to_the_header_that_it_was_made_for() {
    let mut made = header(Kind::Pack);
    let key = encapsulate(&mut made, &recipients(), &mut entropy(1)).unwrap();
    assert_eq!(decapsulate(&made, &reading(), &epoch()), Ok(key));
    for other in [
        Header { kind: Kind::Manifest, ..made.clone() },
        Header { repository: ELSEWHERE, ..made.clone() },
        Header { scope: SCOPE + 1, ..made.clone() },
        Header { epoch: EPOCH + 1, ..made.clone() },
        Header { session: SessionId::new([1; 16]), ..made.clone() },
        Header { writer: esker_format::ids::WriterId::new([1; 16]), ..made.clone() },
    ] {
        not_authentic(decapsulate(&other, &reading(), &epoch()));
    }
}

#[test]
fn a_header_that_is_sealed_again_has_only_the_new_capsules() {
    let mut made = header(Kind::Pack);
    encapsulate(&mut made, &recipients(), &mut entropy(1)).unwrap();
    let key = encapsulate(&mut made, &recipients(), &mut entropy(2)).unwrap();
    let tags: Vec<u16> = made.tlvs.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, [TAG_RECIPIENTS]);
    let (read, _) = Header::decode(&made.encode()).unwrap();
    assert_eq!(decapsulate(&read, &reading(), &epoch()), Ok(key));
}

#[test]
fn malformed_recipients_are_refused() {
    let mut made = header(Kind::Pack);
    encapsulate(&mut made, &recipients(), &mut entropy(1)).unwrap();
    let value = made.tlvs[0].1.clone();
    let with = |value: Vec<u8>| {
        let header = Header { tlvs: vec![(TAG_RECIPIENTS, value)], ..header(Kind::Pack) };
        decapsulate(&header, &reading(), &epoch())
    };
    assert!(with(value.clone()).is_ok());
    for (bit, value) in flips(&value) {
        assert!(with(value).is_err(), "{bit}");
    }
    for len in 0..value.len() {
        assert!(with(value[..len].to_vec()).is_err(), "{len}");
    }
    assert!(with([&value[..], &[0]].concat()).is_err());
    assert!(decapsulate(&header(Kind::Pack), &reading(), &epoch()).is_err());
}

#[test]
fn a_summary_belongs_to_its_scope_and_its_commit() {
    let summary = object("summary");
    let open = |of, scope: ScopeKeys| snapshot::open_summary(&summary, of, &scope.summary);
    assert!(open(COMMIT, scope()).is_ok());
    not_authentic(open(COMMIT, owner().scope(SCOPE + 1).keys()));
    let session = SessionId::new(*b"session of other");
    not_authentic(open(SummaryOf { session, ..COMMIT }, scope()));
    not_authentic(open(SummaryOf { repository: ELSEWHERE, ..COMMIT }, scope()));
}

#[test]
fn a_pack_and_its_directory_belong_together() {
    let (header, pack, directory) = pack_parts();
    let key = scope().segment;
    let other = owner().scope(SCOPE + 1).keys();
    not_authentic(pack::decode_pack(&pack, &other.segment));
    let (read, header_len, read_directory) = pack::decode_pack(&pack, &key).unwrap();
    assert_eq!((header_len, &read_directory), (header.len(), &directory));
    assert_eq!(read.encode(), header);
    // A segment is no pack, even where a directory is behind it.
    let wrong = Header { kind: Kind::Segment, ..crate::support::header(Kind::Pack) }.encode();
    let tail = pack::encode_tail(&wrong, &directory, &key, &mut entropy(1)).unwrap();
    let frames = &pack[header_len..header_len + directory.frames_len() as usize];
    misplaced(pack::decode_pack(&[&wrong, frames, &tail].concat(), &key), "kind");
    // The directory of a pack with another header.
    let wrong = Header { session: SessionId::new([1; 16]), ..read }.encode();
    let mixed = [&wrong, &pack[header_len..]].concat();
    not_authentic(pack::decode_pack(&mixed, &key));
    assert!(PackId::of(&pack).check("pack", &pack).is_ok());
    assert!(PackId::of(&pack).check("pack", &mixed).is_err());
}

#[test]
fn a_segment_lists_packs_of_its_own_repository_and_scope() {
    let key = scope().segment;
    let read = |change: &dyn Fn(&mut Header)| {
        let (mut of_pack, _) = Header::decode(&segment_pack().header).unwrap();
        change(&mut of_pack);
        let pack = SegmentPack { header: of_pack.encode(), ..segment_pack() };
        let header = header(Kind::Segment);
        let object = segment::encode_object(&header, &[pack], &key, &mut entropy(1)).unwrap();
        segment::decode_object(&object, &key)
    };
    assert!(read(&|_| ()).is_ok());
    misplaced(read(&|h| h.repository = ELSEWHERE), "repository");
    misplaced(read(&|h| h.scope = SCOPE + 1), "scope");
    misplaced(
        read(&|h| {
            h.kind = Kind::Segment;
            h.tlvs.clear();
        }),
        "header of a pack",
    );
    not_authentic(segment::decode_object(&object("segment"), &wrong()));
    misplaced(segment::decode_object(&object("pack"), &key), "kind");
}

#[test]
fn a_segment_says_no_shorter_length_than_its_packs_can_have() {
    let pack = segment_pack();
    let frames: u64 = pack.frames.iter().map(|f| u64::from(f.sealed_len)).sum();
    let least = pack.header.len() as u64 + frames + 45 + 16;
    let read = |len| segment::decode(&segment::encode(&[SegmentPack { len, ..segment_pack() }]));
    assert!(read(least).is_ok() && read(256 << 20).is_ok());
    assert!(read(least - 1).is_err() && read((256 << 20) + 1).is_err());
}

#[test]
fn a_slot_opens_with_its_passphrase_and_for_its_repository_alone() {
    let sample = object("slot");
    assert_eq!(slot::decode(&sample, PASSPHRASE).unwrap(), owner_material());
    for wrong in [&b""[..], b"correct hors", b"correct horse "] {
        not_authentic(slot::decode(&sample, wrong));
    }
    misplaced(slot::decode(&object("config"), PASSPHRASE), "kind");
    let other = Header { repository: ELSEWHERE, ..header(Kind::Slot) };
    let material = owner_material();
    let object = slot::encode(other, &material, PASSPHRASE, CHEAP, &mut entropy(1)).unwrap();
    misplaced(slot::decode(&object, PASSPHRASE), "repository");
}

#[test]
fn a_weak_key_verifies_nothing() {
    // The identity: under it, one signature fits every message unless such keys are refused.
    let mut key = [0; 32];
    key[0] = 1;
    let weak = esker_format::key::VerificationKey(key);
    let mut entry = object("commit");
    let end = entry.len() - 96;
    entry[end..end + 64].fill(0);
    entry[end] = 1;
    let checksum = blake3_of(&entry[..end + 64]);
    entry[end + 64..].copy_from_slice(&checksum);
    let signed = checked(&entry, Kind::Entry).unwrap();
    assert!(!signed.is_signed_by(&weak));
}

fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    *esker_format::ids::EntryHash::of(bytes).as_bytes()
}

#[test]
fn secrets_are_never_printed() {
    let all = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        owner(),
        scope(),
        epoch(),
        reading(),
        writer_material(),
        owner().scope(SCOPE)
    );
    assert!(all.contains("Secret(..)"), "{all}");
    for secret in [owner().0, epoch().0, signer().0] {
        assert!(!all.contains(&hex(&secret.expose()[..4])));
        assert!(!all.contains(&format!("{:?}", &secret.expose()[..4]).replace(['[', ']'], "")));
    }
    assert!(!cbor::encode(&owner().0).is_empty());
}
