//! The explorations, each complete within its bounds, and each with another focus. With
//! `ESKER_MODEL=all` they have more room: minutes, and some GiB of memory.

use super::bounds::{BASE, Bounds, FIRST, Job, Left, NOTHING, SECOND};
use super::explore::all;
use super::invariants::{
    ADOPTED, AGAIN, ALIVE_FENCED, BOTH, COMES_AGAIN, COMMIT_REVIVES, COMPACTED, COMPLETE, COPIED,
    DELETE_REFUSED, ENDED, FENCED_REFUSED, GAP, HOLD_REVIVES, LATE, LISTS_AGAIN, MARK_REFUSED,
    NARROWED, ORPHAN, REMOVED, REPACKED, UNFORGET_REVIVES, UNHEARD,
};
use super::world::{KEPT, LOOSE, only};

/// The states of the prototype in Python, for one collector and no mirror.
const PROTOTYPE: usize = 897_173;

fn is_large() -> bool {
    std::env::var("ESKER_MODEL").is_ok_and(|value| value == "all")
}

/// A bound, and what it is where there is more room.
fn or(usual: u8, large: u8) -> u8 {
    if is_large() { large } else { usual }
}

#[test]
fn two_writers_beside_two_collections_lose_nothing() {
    let bounds = Bounds {
        writers: [Some(Job { again: 1, ..FIRST }), Some(SECOND)],
        collectors: 2,
        left: Left { forgets: 1, marks: 1, deletes: 1, crashes: 1, mute: or(0, 1), ..NOTHING },
        reaches: &[BOTH, COMMIT_REVIVES, AGAIN, MARK_REFUSED, DELETE_REFUSED, REMOVED, LATE],
        ..BASE
    };
    let states = all("writers and collections", bounds);
    assert!(states >= PROTOTYPE, "{states}");
}

#[test]
fn what_is_repacked_stays_in_reach_of_all_writers() {
    let bounds = Bounds {
        writers: [Some(FIRST), Some(Job { again: or(0, 1), ..SECOND })],
        collectors: 2,
        left: Left { forgets: 1, repacks: 1, deletes: 1, marks: or(0, 1), ..NOTHING },
        reaches: &[BOTH, COMMIT_REVIVES, MARK_REFUSED, DELETE_REFUSED, REPACKED, REMOVED],
        ..BASE
    };
    all("repacks", bounds);
}

#[test]
fn a_run_and_the_one_that_carries_it_on_lose_nothing_when_either_is_fenced() {
    let bounds = Bounds {
        writers: [Some(FIRST), Some(Job { adopts: true, again: 1, ..SECOND })],
        is_one_host: true,
        left: Left { lists: 1, crashes: or(0, 1), repeats: or(0, 1), ..NOTHING },
        reaches: &[BOTH, ADOPTED, ALIVE_FENCED, ORPHAN],
        ..BASE
    };
    all("a run carried on", bounds);
}

#[test]
fn what_runs_publish_and_hold_stays() {
    let bounds = Bounds {
        writers: [
            Some(Job { publishes: true, ..FIRST }),
            Some(Job { adopts: true, publishes: is_large(), ..SECOND }),
        ],
        is_one_host: true,
        left: Left { forgets: 1, marks: 1, lists: or(0, 1), ..NOTHING },
        reaches: &[BOTH, ADOPTED, ENDED, HOLD_REVIVES, COMMIT_REVIVES, MARK_REFUSED],
        ..BASE
    };
    all("published packs", bounds);
}

#[test]
fn orphans_go_and_nothing_else_does() {
    let bounds = Bounds {
        writers: [Some(FIRST), None],
        left: Left {
            forgets: 1,
            marks: 1,
            deletes: 1,
            lists: 1,
            mute: 1,
            crashes: or(0, 1),
            ..NOTHING
        },
        reaches: &[ALIVE_FENCED, ORPHAN, UNHEARD, COMMIT_REVIVES, DELETE_REFUSED, REMOVED],
        ..BASE
    };
    all("orphans", bounds);
}

#[test]
fn a_pack_that_comes_after_its_end_harms_nobody() {
    let bounds = Bounds {
        writers: [Some(FIRST), None],
        forgettable: only(2),
        left: Left { forgets: 1, marks: 1, deletes: 1, repeats: 1, crashes: 1, ..NOTHING },
        reaches: &[COMES_AGAIN, REMOVED, LATE],
        ..BASE
    };
    all("late puts", bounds);
}

#[test]
fn what_is_forgotten_can_be_taken_back_whole_or_not_at_all() {
    let bounds = Bounds {
        writers: [Some(FIRST), None],
        collectors: usize::from(or(1, 2)),
        left: Left { forgets: 1, unforgets: 1, marks: 1, repacks: 1, deletes: 1, ..NOTHING },
        reaches: &[UNFORGET_REVIVES, COMMIT_REVIVES, MARK_REFUSED, DELETE_REFUSED, REPACKED],
        ..BASE
    };
    all("unforget", bounds);
}

#[test]
fn two_collections_that_find_chunks_in_different_copies_keep_one() {
    let bounds = Bounds {
        writers: [None, is_large().then_some(SECOND)],
        collectors: 2,
        has_copies: true,
        forgettable: only(KEPT) | only(LOOSE),
        repackable: only(KEPT) | only(LOOSE),
        left: Left {
            forgets: 1,
            unforgets: or(1, 0),
            repacks: or(2, 1),
            walks: 1,
            narrows: 1,
            deletes: or(0, 1),
            ..NOTHING
        },
        reaches: &[COPIED, REPACKED, NARROWED],
        ..BASE
    };
    all("copies", bounds);
}

#[test]
fn a_collection_that_is_taken_for_dead_harms_nobody() {
    let bounds = Bounds {
        collectors: 2,
        left: Left {
            forgets: 1,
            repacks: 1,
            deletes: 1,
            lists: 1,
            tired: 1,
            crashes: 1,
            ..NOTHING
        },
        reaches: &[FENCED_REFUSED, REPACKED, REMOVED],
        ..BASE
    };
    all("fenced collections", bounds);
}

#[test]
fn segments_that_are_merged_describe_every_pack() {
    let bounds = Bounds {
        writers: [Some(FIRST), None],
        collectors: 2,
        has_segments: true,
        left: Left { compacts: or(1, 2), lists: 1, ..NOTHING },
        reaches: &[COMPACTED, ALIVE_FENCED, ORPHAN],
        ..BASE
    };
    all("segments", bounds);
}

#[test]
fn a_mirror_restores_what_its_log_says_at_any_moment() {
    let bounds = Bounds {
        writers: [Some(FIRST), None],
        left: Left {
            forgets: 1,
            marks: 1,
            deletes: 1,
            syncs: or(1, 2),
            sweeps: 1,
            crashes: 1,
            ..NOTHING
        },
        reaches: &[COMPLETE, LISTS_AGAIN, GAP, REMOVED],
        ..BASE
    };
    all("mirror", bounds);
}
