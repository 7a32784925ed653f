//! Line l: the rules of each kind that is carried out.

use super::forge::*;
use crate::repository::error::Error;
use crate::repository::judge::{Fate, judge};
use crate::repository::state::{Session, State};
use esker_format::cbor::{self, Extra};
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{PackId, PackSetId, Seq, SessionId, SnapshotId};
use esker_format::limits::TAGS_MAX;
use esker_format::log_entry::{
    Add, Body, Commit, Damaged, Genesis, Narrowed, Note, PackAdd, ROLE_FORGET,
};
use esker_format::node::Time;
use esker_format::ordinals::Ordinals;

const OTHER: SessionId = SessionId::new([2; 16]);

fn genesis(log: &Log) -> Genesis {
    Genesis {
        owner: log.access.owner_key,
        time: Time { seconds: 0, nanos: 0 },
        holder: None,
        program: String::new(),
        extra: Extra::default(),
    }
}

/// The rule that a commit breaks at the end of the log, where it stays.
fn broken_by(log: &Log, commit: Commit) -> Option<String> {
    log.put(log.forge(&Body::Commit(commit)));
    log.broken()
}

/// Why an entry is void in this state; none when it is valid.
fn void_in(log: &Log, state: &State, forged: &Forged) -> Option<String> {
    match judge(state, forged.bytes(), &log.access).unwrap().fate {
        Fate::Void(why) => Some(why),
        Fate::Valid(..) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_begins_once() {
    let log = Log::new();
    let again = log.owners(&Body::Genesis(genesis(&log)));
    log.is_void(again, "the first entry, and no other, begins a log");
}

#[test]
fn a_log_begins_with_its_owner_and_without_a_session() {
    let log = Log::new();
    let empty = State::new(log.access.owner_key);
    let mut first = log.owners(&Body::Genesis(genesis(&log)));
    (first.header.seq, first.header.tlvs[0].1) = (0, vec![0; 32]);
    assert_eq!(void_in(&log, &empty, &first), None);
    first.header.session = RUN;
    assert_eq!(void_in(&log, &empty, &first).unwrap(), "it names a session");
    first.header.session = SessionId::new([0; 16]);
    let owner = host().verification();
    first.payload = cbor::encode(&Body::Genesis(Genesis { owner, ..genesis(&log) }));
    assert_eq!(void_in(&log, &empty, &first).unwrap(), "it names another owner");
    first.payload = cbor::encode(&enrol(&host(), 0, 1));
    let why = "the first entry, and no other, begins a log";
    assert_eq!(void_in(&log, &empty, &first).unwrap(), why);
}

#[test]
fn a_writer_is_enrolled_once_and_is_not_the_owner() {
    let log = Log::new();
    log.is_void(log.owners(&enrol(&host(), 7, 15)), "the writer is enrolled already");
    let owner = log.owners(&enrol(&log.secret.owner_key(), 0, 15));
    log.is_void(owner, "the owner's key cannot be a writer's");
    log.put(log.owners(&enrol(&stranger(), 7, 1)));
    assert_eq!(log.state().writers.len(), 3);
}

#[test]
fn a_session_is_the_same_in_header_and_body_and_never_none() {
    let log = Log::new();
    let mut forged = log.forge(&add());
    forged.header.session = OTHER;
    log.is_void(forged, "header and body name different sessions");
    log.is_void(log.forge(&add_of(SessionId::new([0; 16]), &[])), "it names no session");
}

#[test]
fn a_session_belongs_to_the_writer_that_opened_it() {
    let log = Log::new();
    log.put(log.forge(&add()));
    for body in [add(), Body::Commit(commit())] {
        log.put(log.forge(&body).by(&host()));
        assert_eq!(log.broken().unwrap(), "its session belongs to another writer");
    }
    assert_eq!(broken_by(&log, commit()), None);
}

#[test]
fn a_session_ends_with_its_commit() {
    let log = Log::new();
    assert_eq!(broken_by(&log, commit()), None);
    let again = Commit { manifest: SnapshotId::new([2; 32]), ..commit() };
    assert_eq!(broken_by(&log, again).unwrap(), "its session has ended");
    log.put(log.forge(&add()));
    assert_eq!(log.broken().unwrap(), "its session has ended");
}

#[test]
fn nothing_of_an_aborted_session_counts() {
    let log = Log::new();
    let mut state = log.state();
    let session = Session { writer: log.access.writer, state: SessionState::Aborted, seq: Seq(0) };
    state.sessions.insert(OTHER, session);
    let own = log.forge(&add_of(OTHER, &[]));
    assert_eq!(void_in(&log, &state, &own).unwrap(), "its session was aborted");
    let taken_over = log.forge(&add_of(RUN, &[PackAdd { session: Some(OTHER), ..pack(1) }]));
    let why = "a pack belongs to an aborted session";
    assert_eq!(void_in(&log, &state, &taken_over).unwrap(), why);
}

#[test]
fn a_pack_is_added_once() {
    let log = Log::new();
    log.put(log.forge(&add_of(RUN, &[pack(1)])));
    for packs in [vec![pack(1)], vec![pack(2), pack(2)]] {
        log.put(log.forge(&add_of(RUN, &packs)));
        assert_eq!(log.broken().unwrap(), "a pack is added twice");
    }
    assert_eq!(log.state().packs.len(), 1);
}

#[test]
fn a_set_names_packs_that_exist() {
    let log = Log::new();
    let none = "its pack set names packs that are not there";
    let of = |set, packs: &[u8]| Commit {
        set,
        packs: packs.iter().map(|n| pack(*n)).collect(),
        ..commit()
    };
    assert_eq!(broken_by(&log, of((0..2).collect(), &[1])).unwrap(), none);
    assert_eq!(broken_by(&log, of([u32::MAX].into_iter().collect(), &[])).unwrap(), none);
    // What an add holds was there before it.
    let Body::Add(bare) = add_of(RUN, &[pack(1)]) else { unreachable!() };
    log.put(log.forge(&Body::Add(Add { hold: (0..1).collect(), ..bare })));
    assert_eq!(log.broken().unwrap(), none);
    assert_eq!(broken_by(&log, of((0..2).collect(), &[1, 2])), None);
    assert_eq!(log.state().snapshots[0].session, RUN);
}

#[test]
fn a_commit_needs_no_pack_that_was_given_up() {
    let log = Log::new();
    log.put(log.forge(&add_of(RUN, &[pack(1)])));
    let needs = log.forge(&Body::Commit(Commit { set: (0..1).collect(), ..commit() }));
    let mut state = log.state();
    state.packs[0].state = PackState::Marked;
    assert_eq!(void_in(&log, &state, &needs), None);
    let mut after = state.clone();
    after.apply(judge(&state, needs.bytes(), &log.access).unwrap());
    assert_eq!(after.packs[0].state, PackState::Live);
    state.packs[0].state = PackState::Deleting;
    let why = "its pack set names packs that are given up";
    assert_eq!(void_in(&log, &state, &needs).unwrap(), why);
}

#[test]
fn a_snapshot_is_made_once_and_its_set_is_in_the_entry() {
    let log = Log::new();
    let outside = Commit { set_object: Some(PackSetId::new([1; 32])), ..commit() };
    assert_eq!(broken_by(&log, outside).unwrap(), "its pack set lies outside the entry");
    assert_eq!(broken_by(&log, commit()), None);
    let again = Commit { session: OTHER, ..commit() };
    assert_eq!(broken_by(&log, again).unwrap(), "the snapshot exists already");
}

#[test]
fn what_readers_would_call_void_is_not_appended() {
    let log = Log::new();
    for (session, body) in [(OTHER, add()), (SessionId::new([0; 16]), forget())] {
        let error = log.append(session, &body).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
    assert_eq!(log.state().next(), Seq(3));
    assert_eq!(log.append(RUN, &add()).unwrap(), Seq(3));
}

#[test]
fn what_is_said_of_tags_has_an_end() {
    let log = Log::new();
    let mut state = log.state();
    let id = SnapshotId::new([7; 32]);
    state.push_snapshot(crate::repository::state::Snapshot {
        id,
        seq: Seq(1),
        session: OTHER,
        scope: 0,
        set: Ordinals::default(),
        summary: Vec::new(),
        forgotten: false,
        held: false,
        damaged: false,
        tags: (0..TAGS_MAX).map(|n| (format!("old {n}"), false)).collect(),
    });
    let note = |add: &[&str], remove: &[&str]| {
        let list = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let (add, remove, extra) = (list(add), list(remove), Extra::default());
        log.forge(&Body::Note(Note { snapshot: id, add, remove, text: None, extra }))
    };
    let rule =
        "more tags of its snapshot would have been added, or taken away, than there is room for";
    assert_eq!(void_in(&log, &state, &note(&[], &["one more"])).unwrap(), rule);
    assert_eq!(void_in(&log, &state, &note(&["new"], &["old 1"])), None);
    // One comes back, and gives way to another.
    assert_eq!(void_in(&log, &state, &note(&["old 1"], &["one more"])), None);
}

#[test]
fn no_pack_is_longer_than_any_can_be() {
    let log = Log::new();
    let add = |len| {
        let id = PackId::new([77; 32]);
        add_of(RUN, &[PackAdd { id, len, session: None, extra: Extra::default() }])
    };
    let longest = esker_format::limits::PACK_MAX as u64;
    log.is_void(log.forge(&add(longest + 1)), "a pack is longer than any can be");
    let Fate::Valid(..) =
        judge(&log.state(), log.forge(&add(longest)).bytes(), &log.access).unwrap().fate
    else {
        panic!("the longest is refused")
    };
}

#[test]
fn a_snapshot_is_whole_again_with_the_packs_that_it_needs_now() {
    let log = Log::new();
    let whole = Commit { set: (0..1).collect(), packs: vec![pack(1), pack(2)], ..commit() };
    assert_eq!(broken_by(&log, whole), None);
    let id = commit().manifest;
    let says = |snapshots: &[SnapshotId], packs, mended: &[(u32, u32)]| {
        let of = |(first, end): &(u32, u32)| Narrowed {
            snapshot: id,
            set: (*first..*end).collect(),
            extra: Extra::default(),
        };
        log.put(log.forge(&Body::Damaged(Damaged {
            snapshots: snapshots.to_vec(),
            packs,
            mended: mended.iter().map(of).collect(),
            extra: Extra::default(),
        })));
        (log.broken(), log.state().snapshots[0].clone(), log.state().packs[0].damaged)
    };
    let none = Ordinals::default;
    let (void, snapshot, pack) = says(&[id], (0..1).collect(), &[]);
    assert_eq!((void, snapshot.damaged, pack), (None, true, true));
    let twice = "it says twice that a snapshot is whole";
    assert_eq!(says(&[], none(), &[(1, 2), (1, 2)]).0.unwrap(), twice);
    let (void, snapshot, pack) = says(&[], none(), &[(1, 3)]);
    assert_eq!(void.unwrap(), "its pack set names packs that are not there");
    assert!(snapshot.damaged && pack);
    // The packs stay what they are.
    let (void, snapshot, pack) = says(&[], none(), &[(1, 2)]);
    assert_eq!((void, snapshot.damaged, pack), (None, false, true));
    assert_eq!(snapshot.set, (1..2).collect());
    // What is lost of it by now is said last.
    let (void, snapshot, _) = says(&[id], none(), &[(0, 2)]);
    assert_eq!((void, snapshot.damaged, snapshot.set), (None, true, (0..2).collect()));
    let mut state = log.state();
    state.snapshots[0].forgotten = true;
    let mended = vec![Narrowed { snapshot: id, set: (1..2).collect(), extra: Extra::default() }];
    let body = Damaged { snapshots: vec![], packs: none(), mended, extra: Extra::default() };
    let forged = log.forge(&Body::Damaged(body));
    let gone = "it says of a snapshot that is not there that it is whole";
    assert_eq!(void_in(&log, &state, &forged).unwrap(), gone);
    state.snapshots[0].forgotten = false;
    state.packs[1].state = PackState::Marked;
    let mut after = state.clone();
    after.apply(judge(&state, forged.bytes(), &log.access).unwrap());
    assert_eq!(after.packs[1].state, PackState::Live);
    state.packs[1].state = PackState::Deleting;
    assert!(void_in(&log, &state, &forged).is_some());
}

#[test]
fn who_may_forget_may_say_that_something_is_damaged_and_not_give_a_snapshot_another_set() {
    let log = Log::new();
    assert_eq!(broken_by(&log, commit()), None);
    log.put(log.owners(&enrol(&stranger(), 0, ROLE_FORGET)));
    let snapshot = commit().manifest;
    let says = |snapshots: Vec<SnapshotId>, mended: Vec<Narrowed>| {
        let (packs, extra) = (Ordinals::default(), Extra::default());
        let body = Body::Damaged(Damaged { snapshots, packs, mended, extra });
        log.put(log.forge(&body).by(&stranger()));
        log.broken()
    };
    assert_eq!(says(vec![snapshot], Vec::new()), None);
    let set = Ordinals::default();
    let empty = Narrowed { snapshot, set, extra: Extra::default() };
    let why = "its writer has no right to this kind of entry";
    assert_eq!(says(Vec::new(), vec![empty]).unwrap(), why);
    assert!(log.state().snapshots[0].damaged);
}
