//! A body of every kind of log entry, and entries made of them.

use crate::samples::{Sample, ordinals, time};
use crate::support::*;
use esker_format::cbor::{self, Extra};
use esker_format::envelope::{Header, Kind, TAG_PREVIOUS, TAG_TOKEN};
use esker_format::error::{FormatError, Result};
use esker_format::ids::*;
use esker_format::limits;
use esker_format::log_entry::*;
use esker_format::signed::{self, Signed};

pub fn place(session: SessionId) -> Place {
    Place {
        repository: REPOSITORY,
        seq: Seq(41),
        previous: LogHead::new([0x11; 32]),
        token: Token::new([0x22; 16]),
        writer: writer(),
        scope: SCOPE,
        epoch: EPOCH,
        session,
    }
}

pub fn entry_header() -> Header {
    Header {
        seq: 41,
        tlvs: vec![
            (TAG_PREVIOUS, vec![0x11; 32]),
            (TAG_TOKEN, vec![0x22; 16]),
            (0x8001, b"newer".to_vec()),
        ],
        ..header(Kind::Entry)
    }
}

pub fn enrolment() -> WriterEntry {
    WriterEntry {
        key: signer().verification(),
        scope: SCOPE,
        roles: ROLE_APPEND | ROLE_COLLECT,
        name: "writer".into(),
        extra: Extra::default(),
    }
}

/// One body of every kind.
pub fn bodies() -> Vec<(&'static str, Body)> {
    let extra = Extra::default;
    let snapshot = SnapshotId::new([0x88; 32]);
    let segments = || vec![SegmentId::new([0x99; 32])];
    let packs = || {
        let id = PackId::new([0xaa; 32]);
        let own = PackAdd { id, len: 1 << 24, session: None, extra: extra() };
        vec![PackAdd { session: Some(SessionId::new([9; 16])), ..own.clone() }, own]
    };
    let snapshots =
        || Snapshots { snapshots: vec![snapshot], reason: Some("old".into()), extra: extra() };
    vec![
        (
            "genesis",
            Body::Genesis(Genesis {
                owner: owner().owner_key().verification(),
                time: time(1_700_000_000),
                holder: Some("host".into()),
                program: "esker 0.1.0".into(),
                extra: extra(),
            }),
        ),
        ("writer", Body::Writer(enrolment())),
        ("revoke", Body::Revoke(Revoke { writer: writer(), extra: extra() })),
        ("rekey", Body::Rekey(Rekey { epoch: 3, extra: extra() })),
        (
            "setting",
            Body::Setting(Setting {
                read: vec![1],
                append: vec![1, 2],
                collect: vec![],
                extra: extra(),
            }),
        ),
        (
            "add",
            Body::Add(Add {
                session: SESSION,
                segments: segments(),
                packs: packs(),
                hold: ordinals(),
                extra: extra(),
            }),
        ),
        (
            "commit",
            Body::Commit(Commit {
                session: SESSION,
                manifest: snapshot,
                segments: segments(),
                packs: packs(),
                bases: vec![snapshot],
                set: ordinals(),
                set_object: Some(PackSetId::new([0xbb; 32])),
                summary: b"sealed summary".to_vec(),
                extra: extra(),
            }),
        ),
        ("abort", Body::Abort(Abort { session: SESSION, extra: extra() })),
        ("forget", Body::Forget(snapshots())),
        ("unforget", Body::Unforget(snapshots())),
        ("hold", Body::Hold(snapshots())),
        ("unhold", Body::Unhold(snapshots())),
        (
            "note",
            Body::Note(Note {
                snapshot,
                add: vec!["tag".into()],
                remove: vec!["old".into()],
                text: Some("remark".into()),
                extra: extra(),
            }),
        ),
        (
            "damaged",
            Body::Damaged(Damaged {
                snapshots: vec![snapshot],
                packs: ordinals(),
                mended: Vec::new(),
                extra: extra(),
            }),
        ),
        (
            "mark",
            Body::Mark(Mark {
                packs: ordinals(),
                replacements: vec![Replacement { old: 7, new: ordinals(), extra: extra() }],
                walked: vec![snapshot],
                segments: segments(),
                added: packs(),
                session: Some(SESSION),
                scope: Some(SCOPE),
                extra: extra(),
            }),
        ),
        (
            "delete",
            Body::Delete(Delete {
                packs: ordinals(),
                manifests: vec![snapshot],
                segments: segments(),
                sets: vec![PackSetId::new([0xcc; 32])],
                extra: extra(),
            }),
        ),
        (
            "narrow",
            Body::Narrow(Narrow {
                sets: vec![Narrowed { snapshot, set: ordinals(), extra: extra() }],
                extra: extra(),
            }),
        ),
        (
            "compact",
            Body::Compact(Compact {
                old: segments(),
                new: segments(),
                scope: SCOPE,
                extra: extra(),
            }),
        ),
        (
            "checkpoint_entry",
            Body::Checkpoint(CheckpointEntry {
                checkpoint: CheckpointId::new([0xdd; 32]),
                at: Seq(40),
                extra: extra(),
            }),
        ),
        (
            "takeover",
            Body::Takeover(Takeover {
                holder: Some("other".into()),
                reason: Some("moved".into()),
                extra: extra(),
            }),
        ),
    ]
}

pub fn entry_sample(name: &'static str, body: &Body) -> Sample {
    let object = encode(
        &place(SESSION),
        body,
        &epoch().log_key(),
        &signer(),
        &mut entropy(100 + body.kind() as u8),
    );
    Sample {
        name,
        payload: cbor::encode(body),
        again: again::<Body>,
        object: Some((object, open_entry)),
    }
}

fn open_entry(object: &[u8]) -> Result<Vec<u8>> {
    let entry = SealedEntry::parse(object.to_vec(), REPOSITORY, Seq(41))?;
    if !entry.is_signed_by(&signer().verification()) {
        return Err(FormatError::NotAuthentic { what: "signature" });
    }
    entry.open(&epoch().log_key()).map(|body| cbor::encode(&body))
}

/// A sealed entry with any payload, as a newer or a hostile writer could make it.
pub fn entry_of(payload: &[u8], flags: u8) -> Vec<u8> {
    let header = Header { flags, ..entry_header() };
    let key = epoch().log_key();
    signed::encode(&header, payload, &key, &signer(), &mut entropy(17))
}

/// A signed object whose signature is not looked at.
pub fn checked(object: &[u8], kind: Kind) -> Result<Signed> {
    Signed::parse(object.to_vec(), kind, REPOSITORY, limits::PACK_MAX)
}
