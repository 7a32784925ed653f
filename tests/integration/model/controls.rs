//! Negative controls: without one rule or habit, the model must find the loss; with it, there is
//! none in the same bounds.

use super::bounds::{BASE, Bounds, FIRST, Fault, Job, Left, NOTHING, SECOND};
use super::explore::{all, loss};
use super::invariants::{
    CLOSED, DURABLE, FENCED, GIVEN_UP, GROWS, HELD, KEPT as NOTHING_GONE, MIRRORED, SAVED,
};
use super::world::{D, KEPT, LOOSE, only};
use esker::repository::validate::Rule;

/// Without `fault` nothing is lost; with it the invariant does not hold.
fn needs_no(fault: Fault, bounds: Bounds, invariant: &'static str) -> String {
    let name = format!("{fault:?}");
    all(&format!("without {name}"), bounds.clone());
    loss(&name, Bounds { fault: Some(fault), ..bounds }, invariant)
}

/// With the rule nothing is lost; when nobody knows it, the invariant does not hold.
fn needs_rule(rule: Rule, bounds: Bounds, invariant: &'static str) -> String {
    all(&format!("with {rule:?}"), bounds.clone());
    loss(rule, Bounds { unknown: Some(rule), ..bounds }, invariant)
}

/// A writer beside a collection of whole packs.
const COLLECTED: Bounds = Bounds {
    writers: [Some(FIRST), None],
    left: Left { forgets: 1, marks: 1, deletes: 1, ..NOTHING },
    ..BASE
};

/// A writer, and somebody who looks for what no entry names.
const CLEANED: Bounds =
    Bounds { writers: [Some(FIRST), None], left: Left { lists: 1, ..NOTHING }, ..BASE };

/// A run, another one that carries it on, and somebody who takes either for dead.
const CARRIED_ON: Bounds = Bounds {
    writers: [Some(FIRST), Some(Job { adopts: true, ..SECOND })],
    is_one_host: true,
    left: Left { lists: 1, ..NOTHING },
    ..BASE
};

/// Two collections of packs with copies of one chunk.
const COPIES: Bounds = Bounds {
    collectors: 2,
    has_copies: true,
    forgettable: only(KEPT) | only(LOOSE),
    repackable: only(KEPT) | only(LOOSE),
    left: Left { forgets: 1, repacks: 2, walks: 1, narrows: 1, ..NOTHING },
    ..BASE
};

/// A mirror of a repository that is collected.
const MIRROR: Bounds = Bounds {
    writers: [Some(FIRST), None],
    left: Left { forgets: 1, marks: 1, deletes: 1, syncs: 1, ..NOTHING },
    ..BASE
};

/// Snapshots that are forgotten and taken back while a collection is at work.
const TAKEN_BACK: Bounds = Bounds {
    left: Left { forgets: 1, unforgets: 1, marks: 1, repacks: 1, deletes: 1, ..NOTHING },
    ..BASE
};

/// A run that publishes and holds, beside a collection.
const HOLDING: Bounds = Bounds {
    writers: [Some(Job { publishes: true, ..FIRST }), None],
    left: Left { forgets: 1, marks: 1, deletes: 1, ..NOTHING },
    ..BASE
};

/// Two collections that merge segments and take each other for dead.
const SEGMENTS: Bounds = Bounds {
    collectors: 2,
    has_segments: true,
    left: Left { compacts: 1, lists: 1, ..NOTHING },
    ..BASE
};

/// The words of a step in the way to a loss.
fn tells(way: &str, step: &str) {
    assert!(way.contains(step), "{step:?} is not in\n{way}");
}

#[test]
fn a_commit_that_nobody_validates_again_loses_chunks() {
    let way = needs_no(Fault::AppendsBlindly, COLLECTED, CLOSED);
    tells(&way, "against a rule: its pack set names packs that are given up");
}

#[test]
fn a_writer_that_does_not_validate_again_reports_what_is_not_there() {
    needs_no(Fault::ReportsVoidCommits, COLLECTED, SAVED);
}

#[test]
fn a_mark_of_an_old_state_loses_chunks() {
    let way = needs_no(Fault::MarksBlindly, COLLECTED, CLOSED);
    tells(&way, "against a rule: it marks a pack");
}

#[test]
fn orphans_that_are_removed_without_an_abort_are_lost() {
    needs_no(Fault::FencesNobody, CLEANED, DURABLE);
}

#[test]
fn orphans_that_were_named_before_the_abort_are_lost_when_nobody_looks_again() {
    needs_no(Fault::JudgesOrphansByAnOldState, CLEANED, CLOSED);
}

#[test]
fn packs_that_are_taken_over_across_an_abort_are_lost() {
    let way = needs_no(Fault::AdoptsUnderItsOwnName, CARRIED_ON, CLOSED);
    tells(&way, "takes over what was put");
}

#[test]
fn packs_of_an_aborted_session_may_not_be_added() {
    needs_rule("a pack belongs to an aborted session", CARRIED_ON, CLOSED);
}

#[test]
fn the_packs_of_looked_up_chunks_belong_to_the_set() {
    let left = Left { forgets: 1, repacks: 1, deletes: 1, ..NOTHING };
    let bounds = Bounds { writers: [None, Some(SECOND)], left, ..BASE };
    needs_no(Fault::NamesNoLookedUpPacks, bounds, CLOSED);
}

#[test]
fn packs_are_durable_before_their_commit() {
    let bounds = Bounds { writers: [Some(FIRST), None], ..BASE };
    needs_no(Fault::CommitsBeforePacksAreDurable, bounds, DURABLE);
}

#[test]
fn a_mark_whose_walk_is_old_loses_chunks_that_have_copies() {
    needs_no(Fault::TrustsOldWalks, COPIES, CLOSED);
}

#[test]
fn a_set_is_not_narrowed_to_what_a_walk_found_in_it() {
    needs_no(Fault::NarrowsTooFar, COPIES, CLOSED);
}

#[test]
fn replacements_are_not_made_in_the_sets_of_forgotten_snapshots() {
    needs_no(Fault::ReplacesForgottenSets, TAKEN_BACK, CLOSED);
}

#[test]
fn what_is_only_marked_is_not_removed() {
    needs_no(Fault::RemovesWhatIsMarked, COLLECTED, NOTHING_GONE);
}

#[test]
fn a_sync_that_does_not_look_for_deletes_makes_a_mirror_with_holes() {
    needs_no(Fault::IgnoresDeletes, MIRROR, MIRRORED);
}

#[test]
fn a_sync_that_lists_again_and_keeps_the_old_tail_makes_a_mirror_with_holes() {
    needs_no(Fault::KeepsTheOldTail, MIRROR, MIRRORED);
}

#[test]
fn a_sync_that_lists_before_it_reads_the_tail_makes_a_mirror_with_holes() {
    needs_no(Fault::ListsBeforeTheTail, MIRROR, MIRRORED);
}

#[test]
fn a_sync_that_puts_old_entries_first_makes_a_mirror_with_holes() {
    needs_no(Fault::PutsEntriesUpwards, MIRROR, MIRRORED);
}

#[test]
fn a_store_that_overwrites_entries_takes_history_back() {
    needs_no(Fault::StoreOverwrites, COLLECTED, GROWS);
}

#[test]
fn a_pack_that_is_not_marked_any_more_may_not_be_given_up() {
    needs_rule("it gives up a pack that is not marked", COLLECTED, CLOSED);
}

#[test]
fn a_commit_may_not_need_what_is_given_up() {
    let rule = "its pack set names packs that are given up";
    needs_rule(rule, COLLECTED, CLOSED);
    loss(rule, Bounds { unknown: Some(rule), ..COLLECTED }, GIVEN_UP);
}

#[test]
fn a_snapshot_may_not_be_taken_back_when_packs_of_it_are_given_up() {
    needs_rule("it names a snapshot of which packs are given up", TAKEN_BACK, CLOSED);
}

#[test]
fn a_snapshot_that_was_taken_back_may_not_be_given_up() {
    needs_rule("it gives up a snapshot that is not forgotten", TAKEN_BACK, SAVED);
}

#[test]
fn packs_of_snapshots_that_were_not_walked_may_not_be_marked() {
    needs_rule("it marks a pack of a snapshot that was not walked", TAKEN_BACK, CLOSED);
}

#[test]
fn an_aborted_session_may_not_add() {
    needs_rule("its session was aborted", CLEANED, FENCED);
}

#[test]
fn what_a_session_holds_may_not_be_marked() {
    needs_rule("it marks a pack that an open session holds", HOLDING, HELD);
}

#[test]
fn a_fenced_collection_may_not_bring_segments() {
    needs_rule("its session has ended", SEGMENTS, DURABLE);
}

#[test]
fn a_set_that_others_have_changed_may_not_grow_back() {
    needs_rule("a set would not shrink", COPIES, CLOSED);
}

#[test]
fn what_stands_in_may_not_go_itself() {
    // Whoever collects looks for that too. The rule alone is enough.
    let careless = Bounds { fault: Some(Fault::LeavesItToTheRules), ..COPIES };
    needs_rule("a replacement does not stay", careless, CLOSED);
}

#[test]
fn packs_of_open_sessions_are_not_marked_for_the_sake_of_progress_alone() {
    // The other one looks up what the first has published.
    let second = Job { target: D, ..FIRST };
    let writers = [Some(Job { publishes: true, ..FIRST }), Some(second)];
    let rule = "it marks a pack of an open session";
    let bounds = Bounds { writers, unknown: Some(rule), ..COLLECTED };
    all("without the rule about open sessions", bounds);
}
