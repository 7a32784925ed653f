//! Lines c, d, f to k and m: what becomes of an entry that is folded in.

use super::forge::*;
use crate::repository::error::Error;
use crate::repository::judge::{Fate, judge};
use crate::repository::{Repository, Unlock};
use esker_format::cbor::{self, Extra};
use esker_format::envelope::FLAG_DELETES;
use esker_format::ids::Seq;
use esker_format::log_entry::{Body, ROLE_FORGET, Rekey, Setting};
use std::sync::Arc;

/// The body of an entry whose kind has no meaning today.
fn of_kind(kind: u8) -> Vec<u8> {
    vec![0xa1, 0x18, kind, 0xa0]
}

#[test]
fn a_good_entry_counts() {
    let log = Log::new();
    log.put(log.forge(&add()));
    let state = log.state();
    assert!(state.sessions.contains_key(&RUN) && state.void.is_empty());
    assert_eq!(state.tokens.len(), 4);
}

#[test]
fn bytes_with_a_right_checksum_that_are_no_entry_are_void() {
    let log = Log::new();
    log.bytes_are_void(&summed(vec![0; 200]), "not an esker object");
    let mut short = log.forge(&add()).bytes();
    short.truncate(150);
    log.bytes_are_void(&summed(short), "header fields: wrong length");
}

#[test]
fn an_entry_without_predecessor_or_token_is_void() {
    let log = Log::new();
    for gone in [0, 1] {
        let mut forged = log.forge(&add());
        forged.header.tlvs.remove(gone);
        log.is_void(forged, "header: a mandatory field is missing");
    }
    let mut forged = log.forge(&add());
    forged.header.tlvs[1].1.pop();
    log.is_void(forged, "header fields: wrong length");
}

#[test]
fn an_entry_of_an_unknown_writer_is_void() {
    let log = Log::new();
    log.is_void(log.forge(&add()).by(&stranger()), "its writer is not enrolled");
}

#[test]
fn an_entry_of_a_revoked_writer_is_void() {
    let log = Log::new();
    let mut state = log.state();
    state.writers.get_mut(&log.access.writer).unwrap().revoked = true;
    let judged = judge(&state, log.forge(&add()).bytes(), &log.access).unwrap();
    assert!(matches!(judged.fate, Fate::Void(why) if why == "its writer was revoked"));
}

#[test]
fn an_entry_that_its_writer_did_not_sign_is_void() {
    let log = Log::new();
    let mut forged = log.forge(&add());
    forged.signer = host();
    log.is_void(forged, "its signature is not its writer's");
}

#[test]
fn an_entry_of_another_epoch_is_void() {
    let log = Log::new();
    let mut forged = log.forge(&add());
    forged.header.epoch = 1;
    forged.log_key = log.secret.epoch(1).log_key();
    log.is_void(forged, "it is of another epoch than the one in force");
}

#[test]
fn a_body_under_another_key_is_void() {
    let log = Log::new();
    let mut forged = log.forge(&add());
    forged.log_key = log.secret.epoch(1).log_key();
    log.is_void(forged, "signed object: not authentic");
}

/// Holds that it is reported as entry 3, changes nothing, and keeps this version from appending.
#[track_caller]
fn is_not_understood(log: &Log, forged: &Forged) {
    log.put_bytes(Seq(3), &forged.bytes());
    let state = log.state();
    assert_eq!(state.not_understood.iter().map(|r| r.seq).collect::<Vec<_>>(), [Seq(3)]);
    assert!(state.void.is_empty() && state.sessions.is_empty());
    let error = log.append(RUN, &add()).unwrap_err();
    assert!(matches!(&error, Error::Newer { object, .. } if object == "log/0/3"), "{error}");
    // What others append behind it counts.
    log.put(log.forge(&add()));
    assert!(log.state().sessions.contains_key(&RUN));
    log.remove(4);
    log.remove(3);
}

#[test]
fn what_a_later_version_understands_is_reported_and_nothing_is_appended_behind_it() {
    let log = Log::new();
    let unknown_key = [&[0xa1, 5, 0xa2, 0, 0x50][..], &[1; 16], &[9, 1]].concat();
    for payload in [of_kind(77), of_kind(127), unknown_key] {
        let mut forged = log.forge(&add());
        forged.payload = payload;
        is_not_understood(&log, &forged);
    }
}

#[test]
fn a_known_kind_that_this_version_does_not_carry_out_is_not_understood() {
    let log = Log::new();
    let rekey = Body::Rekey(Rekey { epoch: 1, extra: Extra::default() });
    is_not_understood(&log, &log.owners(&rekey));
    // Not when it would be void for every version.
    log.is_void(log.forge(&rekey), "not of a kind that this key may sign");
    let forbidden = log.forge(&forget()).by(&host());
    log.is_void(forbidden, "its writer has no right to this kind of entry");
}

#[test]
fn what_is_needed_to_read_is_refused_as_newer() {
    let log = Log::new();
    let setting = |read, append| {
        let (collect, extra) = (vec![], Extra::default());
        log.forge(&Body::Setting(Setting { read, append, collect, extra }))
    };
    let error = log.stop(&setting(vec![1], vec![]).bytes());
    assert!(matches!(error, Error::Newer { .. }), "{error}");
}

#[test]
fn what_is_needed_to_append_keeps_this_version_from_it_and_nobody_from_reading() {
    let log = Log::new();
    let extra = Extra::default();
    let setting = Setting { read: vec![], append: vec![1], collect: vec![2], extra };
    log.put(log.forge(&Body::Setting(setting)));
    let state = log.state();
    assert!(state.required.append.contains(&1) && state.required.collect.contains(&2));
    assert!(state.void.is_empty() && state.not_understood.is_empty());
    let error = log.append(RUN, &add()).unwrap_err();
    assert!(matches!(&error, Error::Newer { .. }), "{error}");
}

#[test]
fn kinds_from_128_on_are_ignored() {
    let log = Log::new();
    for kind in [128, 255] {
        let mut forged = log.forge(&add());
        forged.payload = of_kind(kind);
        log.put_bytes(Seq(3), &forged.bytes());
        let state = log.state();
        assert!(state.void.is_empty() && state.not_understood.is_empty());
        assert_eq!((state.next(), state.tokens.len()), (Seq(4), 3));
        assert_eq!(log.append(RUN, &add()).unwrap(), Seq(4));
        log.remove(4);
        log.remove(3);
    }
}

#[test]
fn a_malformed_body_is_void() {
    let log = Log::new();
    let behind = [cbor::encode(&add()), vec![0]].concat();
    for payload in [behind, vec![0xa0], vec![0xa1, 5, 0xa0], vec![0x80], vec![]] {
        let mut forged = log.forge(&add());
        forged.payload = payload;
        log.put(forged);
        assert!(log.broken().is_some());
        log.remove(3);
    }
}

#[test]
fn only_the_owner_enrols_and_the_owner_does_nothing_else() {
    let log = Log::new();
    let why = "not of a kind that this key may sign";
    log.is_void(log.forge(&enrol(&stranger(), 0, 15)), why);
    log.is_void(log.owners(&add()), why);
}

#[test]
fn an_entry_beyond_its_writers_roles_is_void() {
    let log = Log::new();
    log.put(log.owners(&enrol(&stranger(), 0, ROLE_FORGET)));
    log.put(log.forge(&add()).by(&stranger()));
    assert_eq!(log.broken().unwrap(), "its writer has no right to this kind of entry");
}

#[test]
fn an_entry_of_another_scope_is_void() {
    let log = Log::new();
    for mut forged in [log.forge(&add()), log.owners(&enrol(&stranger(), 0, 1))] {
        forged.header.scope = 1;
        log.is_void(forged, "its writer belongs to another scope");
    }
}

#[test]
fn an_entry_whose_flag_does_not_fit_is_void() {
    let log = Log::new();
    let mut forged = log.forge(&add());
    forged.header.flags = FLAG_DELETES;
    log.is_void(forged, "log entry: a flag that does not fit the body");
}

#[test]
fn a_token_counts_once() {
    let log = Log::new();
    log.put(log.forge(&add_of(RUN, &[pack(1)])));
    let mut again = log.forge(&add_of(RUN, &[pack(2)]));
    again.header.tlvs[1].1 = vec![3; 16];
    log.put(again);
    assert_eq!(log.broken().unwrap(), "its token was seen before");
    assert_eq!(log.state().packs.len(), 1);
}

#[test]
fn the_token_of_an_entry_that_changed_nothing_may_come_again() {
    for first in [forget(), enrol(&host(), 0, 15)] {
        let log = Log::new();
        log.put(log.forge(&first));
        let mut again = log.forge(&add());
        again.header.tlvs[1].1 = vec![3; 16];
        log.put(again);
        assert!(log.state().sessions.contains_key(&RUN));
    }
}

#[test]
fn a_reader_is_told_of_void_entries_once_and_always_of_what_is_not_understood() {
    let log = Log::new();
    log.put(log.owners(&Body::Rekey(Rekey { epoch: 1, extra: Extra::default() })));
    log.put(log.forge(&enrol(&host(), 0, 15)));
    log.put(log.forge(&add_of(RUN, &[pack(1)])));
    let whole = log.state();
    let cache = tempfile::tempdir().unwrap();
    let (store, material) = (Arc::new(log.store), log.key.material());
    let mut warnings = Vec::new();
    for _ in 0..2 {
        let unlock = Unlock::File(material.clone());
        let mut repository = Repository::open(store.clone(), unlock, cache.path()).unwrap();
        warnings.push(repository.warnings().iter().map(ToString::to_string).collect::<Vec<_>>());
        // The second time from the index database.
        assert_eq!(repository.state(), &whole);
        assert_eq!((whole.void.len(), whole.not_understood.len()), (1, 1));
        let error = repository.append(RUN, &mut |_| Ok(add())).unwrap_err();
        assert!(matches!(error, Error::Newer { .. }), "{error}");
    }
    let newer = "log/0/3 was written by a newer esker";
    let void = "log/0/4 is void and changes nothing: not of a kind that this key may sign";
    assert_eq!(warnings, [vec![void, newer], vec![newer]]);
}
