//! A log with something of every kind that leaves a trace in the state.

use crate::repository::log::tests::forge::{Log, RUN, add_of, commit, enrol, pack, stranger};
use crate::repository::state::State;
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::ids::{CheckpointId, SegmentId, Seq, SessionId, SnapshotId};
use esker_format::key::SigningKey;
use esker_format::log_entry::{
    Abort, Add, Body, CheckpointEntry, Commit, Compact, Damaged, Delete, Mark, Note, ROLE_COLLECT,
    Revoke, Setting, Snapshots, Takeover,
};
use esker_format::ordinals::Ordinals;
use esker_format::secret::Secret;

const A: SessionId = SessionId::new([10; 16]);
const B: SessionId = SessionId::new([11; 16]);
const C: SessionId = SessionId::new([12; 16]);
const D: SessionId = SessionId::new([13; 16]);
const ONE: SnapshotId = SnapshotId::new([1; 32]);
const TWO: SnapshotId = SnapshotId::new([2; 32]);

/// Who may collect beside the owner.
pub fn collector() -> SigningKey {
    SigningKey(Secret::new([4; 32]))
}

fn set(of: &[u32]) -> Ordinals {
    of.iter().copied().collect()
}

fn list(snapshot: SnapshotId) -> Snapshots {
    Snapshots { snapshots: vec![snapshot], reason: None, extra: Extra::default() }
}

fn commit_of(session: SessionId, manifest: SnapshotId, of: &[u32]) -> Body {
    let summary = b"sealed".to_vec();
    Body::Commit(Commit { session, manifest, set: set(of), summary, ..commit() })
}

/// Without segments, which a reader would look for, and without features that it has not.
pub fn log() -> Log {
    let extra = Extra::default;
    let log = Log::new();
    log.put(log.owners(&enrol(&collector(), 0, ROLE_COLLECT)));
    log.put(log.owners(&enrol(&stranger(), 0, ROLE_COLLECT)));
    let writer = stranger().verification().writer();
    log.put(log.owners(&Body::Revoke(Revoke { writer, extra: extra() })));
    log.put(log.forge(&add_of(RUN, &[pack(1), pack(2), pack(3)])));
    log.put(log.forge(&add_of(A, &[pack(4), pack(5)])));
    log.put(log.forge(&commit_of(A, ONE, &[3, 4])));
    log.put(log.forge(&commit_of(B, TWO, &[0, 1])));
    log.put(log.forge(&Body::Forget(list(ONE))));
    log.put(log.forge(&Body::Hold(list(TWO))));
    let (add, remove) = (vec!["kept".to_owned(), "b".to_owned()], vec!["new".to_owned()]);
    log.put(log.forge(&Body::Note(Note {
        snapshot: TWO,
        add,
        remove,
        text: None,
        extra: extra(),
    })));
    let (snapshots, packs) = (vec![TWO], set(&[0]));
    log.put(log.forge(&Body::Damaged(Damaged {
        snapshots,
        packs,
        mended: Vec::new(),
        extra: extra(),
    })));
    log.put(log.forge(&Body::Mark(Mark {
        packs: set(&[3, 4]),
        replacements: vec![],
        walked: vec![],
        segments: vec![],
        added: vec![],
        session: None,
        scope: None,
        extra: extra(),
    })));
    let (packs, manifests) = (set(&[3]), vec![]);
    let (segments, sets) = (vec![], vec![]);
    log.put(log.forge(&Body::Delete(Delete { packs, manifests, segments, sets, extra: extra() })));
    log.put(log.forge(&add_of(C, &[])));
    log.put(log.forge(&Body::Abort(Abort { session: C, extra: extra() })));
    let hold = set(&[1, 2]);
    let (segments, packs) = (vec![], vec![pack(6)]);
    log.put(log.forge(&Body::Add(Add { session: D, segments, packs, hold, extra: extra() })));
    let (checkpoint, at) = (CheckpointId::new([9; 32]), Seq(4));
    log.put(log.forge(&Body::Checkpoint(CheckpointEntry { checkpoint, at, extra: extra() })));
    assert_eq!(log.broken(), None);
    log
}

/// What the log above leaves out.
pub fn rest(log: &Log) {
    let extra = Extra::default;
    let segments = [1, 2].map(|n| SegmentId::new([n; 32])).to_vec();
    let (packs, hold) = (vec![], Ordinals::default());
    log.put(log.forge(&Body::Add(Add { session: RUN, segments, packs, hold, extra: extra() })));
    let (old, new) = (vec![SegmentId::new([1; 32])], vec![SegmentId::new([3; 32])]);
    log.put(log.forge(&Body::Compact(Compact { old, new, scope: 0, extra: extra() })));
    // From here on only that machine appends.
    let holder = Some("host".to_owned());
    log.put(log.forge(&Body::Takeover(Takeover { holder, reason: None, extra: extra() })));
    let (append, collect) = (vec![7], vec![9, 8]);
    log.put(log.forge(&Body::Setting(Setting { read: vec![], append, collect, extra: extra() })));
}

/// That nothing of it is missing.
pub fn expect_rich(state: &State) {
    assert!(state.void.is_empty() && state.not_understood.is_empty(), "{:?}", state.void);
    for how in [PackState::Live, PackState::Marked, PackState::Deleting] {
        assert!(state.packs.iter().any(|pack| pack.state == how), "{how:?}");
    }
    assert!(state.packs.iter().any(|pack| pack.damaged));
    assert_eq!((state.packs.len(), state.sessions.len(), state.segments.len()), (6, 5, 2));
    let [one, two] = &state.snapshots[..] else { panic!("{:?}", state.snapshots) };
    assert!(one.forgotten && two.held && two.damaged && two.tags.len() == 3);
    assert!(state.writers.values().any(|writer| writer.revoked));
    assert!(state.holds.len() == 1 && state.holder.is_some() && state.checkpoints.len() == 1);
    assert!(state.required.append.len() == 1 && state.required.collect.len() == 2);
    assert!(state.tokens.len() > 10);
}
