//! Collections beside whoever else is at work, and such that are killed.

mod many;
mod meanwhile;

use super::{Progress, Report, Request, apply, plan};
use crate::repository::fixture::{Fixture, Tree, commit, folder, save};
use crate::repository::{Error, Repository, Session, check};
use crate::store::{Durability, Operation, Store};
use esker_format::cbor::Extra;
use esker_format::checkpoint::PackState;
use esker_format::ids::SnapshotId;
use esker_format::log_entry::{Body, Snapshots};
use esker_format::names;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const DAY: u64 = 86_400;

/// A request without any grace.
fn at_once() -> Request {
    Request {
        grace: Duration::ZERO,
        abort_after: Duration::from_secs(7 * DAY),
        max_repack: None,
        now: 1_000_000,
        is_dry: false,
        forgotten: Vec::new(),
    }
}

fn collect(repository: &mut Repository, request: &Request) -> Result<Report, Error> {
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let plan = plan(repository, request, &progress, &stop)?;
    apply(repository, plan, request, &progress, &stop)
}

fn forget(repository: &mut Repository, id: SnapshotId) {
    let body = Snapshots { snapshots: vec![id], reason: None, extra: Extra::default() };
    repository.append(Session::new_id(), &mut |_| Ok(Body::Forget(body.clone()))).unwrap();
}

fn unforget(repository: &mut Repository, id: SnapshotId) -> Result<(), Error> {
    let body = Snapshots { snapshots: vec![id], reason: None, extra: Extra::default() };
    repository.append(Session::new_id(), &mut |_| Ok(Body::Unforget(body.clone()))).map(drop)
}

fn tree(first: u64, files: u64) -> Tree {
    let mut tree = Tree::new();
    folder(&mut tree, "/a", first, files);
    tree
}

/// That nothing is damaged, and nothing left over.
#[track_caller]
fn is_clean(fixture: &Fixture) {
    let cache = tempfile::tempdir().unwrap();
    let mut repository = fixture.open(cache.path());
    let request = check::Request { read_data: true, threads: 1 };
    let (progress, stop) = (Default::default(), AtomicBool::new(false));
    let report = check::check(&mut repository, request, &progress, &stop).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn what_only_a_forgotten_snapshot_needs_goes_and_all_else_stays() {
    let mut fixture = Fixture::new();
    let (old, new) = (tree(0, 300), tree(200, 300));
    let first = fixture.save(1, &old);
    let second = fixture.save(1, &new);
    let all = [names::PACKS, names::SNAPSHOTS, names::INDEX];
    let sum = |fixture: &Fixture| all.iter().map(|folder| fixture.bytes(folder)).sum::<u64>();
    let before = sum(&fixture);
    assert_eq!(collect(&mut fixture.repository, &at_once()).unwrap().freed(), 0);
    assert_eq!(sum(&fixture), before);
    forget(&mut fixture.repository, first);
    let report = collect(&mut fixture.repository, &at_once()).unwrap();
    assert_eq!(sum(&fixture), before - report.freed() as u64);
    assert!(report.freed() > before as i64 / 5, "{report:?} of {before}");
    fixture.holds(second, &new);
    assert!(fixture.repository.manifest(first).is_err());
    is_clean(&fixture);
    // There is nothing left to do, and no entry says so.
    let entries = fixture.repository.state().next();
    assert_eq!(collect(&mut fixture.repository, &at_once()).unwrap().freed(), 0);
    assert_eq!(fixture.repository.state().next(), entries);
}

#[test]
fn with_everything_forgotten_no_pack_is_left() {
    let mut fixture = Fixture::new();
    for n in 0..3 {
        let id = fixture.save(1, &tree(n * 50, 100));
        forget(&mut fixture.repository, id);
    }
    collect(&mut fixture.repository, &at_once()).unwrap();
    assert_eq!((fixture.bytes(names::PACKS), fixture.bytes(names::SNAPSHOTS)), (0, 0));
    is_clean(&fixture);
    let again = tree(0, 100);
    let id = fixture.save(1, &again);
    fixture.holds(id, &again);
}

#[test]
fn until_its_grace_is_over_what_is_forgotten_can_come_back() {
    let mut fixture = Fixture::new();
    let (old, new) = (tree(0, 100), tree(1000, 100));
    let first = fixture.save(1, &old);
    let second = fixture.save(1, &new);
    forget(&mut fixture.repository, first);
    let day = Request { grace: Duration::from_secs(DAY), ..at_once() };
    let before = fixture.bytes(names::PACKS);
    collect(&mut fixture.repository, &day).unwrap();
    assert_eq!(fixture.bytes(names::PACKS), before);
    unforget(&mut fixture.repository, first).unwrap();
    assert!(fixture.repository.state().packs.iter().all(|p| p.state == PackState::Live));
    fixture.holds(first, &old);
    forget(&mut fixture.repository, first);
    // Seen as forgotten first, and then as long as the grace says.
    for (hours, stays) in [(30, true), (53, true), (54, false)] {
        let later = Request { now: day.now + hours * 3600, ..day.clone() };
        collect(&mut fixture.repository, &later).unwrap();
        assert_eq!(fixture.bytes(names::PACKS) == before, stays, "after {hours} hours");
    }
    assert!(unforget(&mut fixture.repository, first).is_err());
    fixture.holds(second, &new);
    is_clean(&fixture);
}

#[test]
fn a_dry_run_says_what_a_real_one_does_and_writes_nothing() {
    let mut fixture = Fixture::new();
    let first = fixture.save(1, &tree(0, 300));
    fixture.save(1, &tree(250, 300));
    forget(&mut fixture.repository, first);
    fixture.store.forget();
    let dry = Request { is_dry: true, ..at_once() };
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let plan = plan(&mut fixture.repository, &dry, &progress, &stop).unwrap();
    let written = [Operation::PutNew, Operation::Delete].map(|o| fixture.store.count(o));
    assert_eq!(written, [0, 0]);
    let said = plan.frees() as f64;
    drop(plan);
    let before = fixture.bytes("");
    collect(&mut fixture.repository, &at_once()).unwrap();
    // Small packs: what surrounds their frames counts for something.
    let freed = (before - fixture.bytes("")) as f64;
    assert!((said - freed).abs() < 0.05 * before as f64, "{said} said, {freed} freed");
}

#[test]
fn a_run_that_relies_on_a_marked_pack_brings_it_back() {
    let mut fixture = Fixture::new();
    let caches = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let old = tree(0, 100);
    let first = fixture.save(1, &old);
    forget(&mut fixture.repository, first);
    let mut writer = fixture.open(caches[0].path());
    let mut collector = fixture.open(caches[1].path());
    // It has looked its chunks up before they are marked.
    let session = Session::begin(&writer, 1).unwrap();
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let day = Request { grace: Duration::from_secs(DAY), ..at_once() };
    collect(&mut collector, &day).unwrap();
    let again = commit(&mut writer, session, 2, &old).unwrap();
    assert_eq!(fixture.bytes(names::PACKS), {
        let mut all = 0;
        writer.state().packs.iter().for_each(|pack| all += pack.len);
        all
    });
    // What was planned before is planned anew.
    let later = Request { now: day.now + 2 * DAY as i64, ..day };
    let stale = plan(&mut collector, &later, &progress, &stop).unwrap();
    apply(&mut collector, stale, &later, &progress, &stop).unwrap();
    fixture.holds(again, &old);
    is_clean(&fixture);
}

#[test]
fn a_run_whose_packs_were_given_up_is_refused_and_can_start_over() {
    let mut fixture = Fixture::new();
    let caches = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let old = tree(0, 100);
    let first = fixture.save(1, &old);
    forget(&mut fixture.repository, first);
    let mut writer = fixture.open(caches[0].path());
    let session = Session::begin(&writer, 1).unwrap();
    let mut lookup = writer.lookup().unwrap();
    let keys = session.access().scope_keys.clone();
    let bytes = crate::repository::fixture::chunk(5);
    let kept = session.claim(&keys.data_id(&bytes), bytes.len(), &mut lookup).unwrap();
    assert_eq!(kept, crate::repository::Kept::Known);
    collect(&mut fixture.open(caches[1].path()), &at_once()).unwrap();
    let refused = commit(&mut writer, session, 2, &Tree::new());
    assert!(matches!(refused, Err(Error::GivenUp { .. })), "{refused:?}");
    writer.refresh().unwrap();
    let again = save(&mut writer, 2, &old);
    fixture.holds(again, &old);
}

#[test]
fn what_a_session_holds_stays_until_it_ends() {
    let mut fixture = Fixture::new();
    let cache = tempfile::tempdir().unwrap();
    let old = tree(0, 100);
    let first = fixture.save(1, &old);
    forget(&mut fixture.repository, first);
    let mut collector = fixture.open(cache.path());
    let session = Session::begin(&fixture.repository, 1).unwrap();
    session.hold_all(&mut fixture.repository).unwrap();
    let before = fixture.bytes(names::PACKS);
    let report = collect(&mut collector, &at_once()).unwrap();
    assert_eq!((fixture.bytes(names::PACKS), report.fenced), (before, 0));
    let again = commit(&mut fixture.repository, session, 2, &old).unwrap();
    collect(&mut collector, &at_once()).unwrap();
    fixture.holds(again, &old);
}

#[test]
fn what_a_silent_session_left_goes_and_it_is_fenced() {
    let mut fixture = Fixture::new();
    let cache = tempfile::tempdir().unwrap();
    let kept = tree(0, 100);
    let id = fixture.save(1, &kept);
    let session = Session::begin(&fixture.repository, 1).unwrap();
    let bytes = crate::repository::fixture::chunk(7777);
    let mut lookup = fixture.repository.lookup().unwrap();
    let chunk = session.access().scope_keys.data_id(&bytes);
    session.claim(&chunk, bytes.len(), &mut lookup).unwrap();
    let mut data = crate::repository::FrameWriter::data(0);
    data.space(bytes.len(), session.packer()).unwrap().copy_from_slice(&bytes);
    data.keep(chunk, bytes.len());
    data.flush(session.packer()).unwrap();
    session.packer().finish().unwrap();
    let with = fixture.bytes(names::PACKS);
    let mut collector = fixture.open(cache.path());
    for (days, is_there) in [(0, true), (6, true), (7, false)] {
        let later = Request { now: at_once().now + days * DAY as i64, ..at_once() };
        collect(&mut collector, &later).unwrap();
        assert_eq!(fixture.bytes(names::PACKS) == with, is_there, "after {days} days");
    }
    let refused = commit(&mut fixture.repository, session, 2, &Tree::new());
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    fixture.holds(id, &kept);
    // What the refused commit has put.
    collect(&mut collector, &at_once()).unwrap();
    is_clean(&fixture);
}

#[test]
fn two_collections_at_once_leave_what_is_needed() {
    for first_applies in [0, 1] {
        let mut fixture = Fixture::new();
        let caches = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut trees = Vec::new();
        for n in 0..6 {
            let tree = tree(n * 40, 100);
            trees.push((fixture.save(1, &tree), tree));
        }
        for (id, _) in trees.drain(..4).collect::<Vec<_>>() {
            forget(&mut fixture.repository, id);
        }
        let mut both = caches.each_ref().map(|cache| fixture.open(cache.path()));
        let (progress, stop) = (Progress::default(), AtomicBool::new(false));
        let plans = both.each_mut().map(|r| plan(r, &at_once(), &progress, &stop).unwrap());
        let [a, b] = plans;
        let [first, second] = &mut both;
        if first_applies == 0 {
            apply(first, a, &at_once(), &progress, &stop).unwrap();
            apply(second, b, &at_once(), &progress, &stop).unwrap();
        } else {
            apply(second, b, &at_once(), &progress, &stop).unwrap();
            apply(first, a, &at_once(), &progress, &stop).unwrap();
        }
        for (id, tree) in &trees {
            fixture.holds(*id, tree);
        }
        collect(first, &Request { abort_after: Duration::ZERO, ..at_once() }).unwrap();
        is_clean(&fixture);
        for (id, tree) in &trees {
            fixture.holds(*id, tree);
        }
    }
}

#[test]
fn a_collection_that_is_killed_at_any_call_is_carried_on_by_the_next() {
    let mut calls = 0;
    loop {
        let mut fixture = Fixture::new();
        let cache = tempfile::tempdir().unwrap();
        let mut kept = Vec::new();
        for n in 0..10 {
            let tree = tree(n * 30, 60);
            let id = fixture.save(1, &tree);
            if n % 3 == 2 { kept.push((id, tree)) } else { forget(&mut fixture.repository, id) }
        }
        let mut collector = fixture.open(cache.path());
        fixture.faults.power_off_after(calls);
        let killed = collect(&mut collector, &at_once());
        fixture.faults.heal();
        drop(collector);
        for (id, tree) in &kept {
            fixture.holds(*id, tree);
        }
        // On the same machine, whose next collection need not wait until the killed one is silent.
        let mut next = fixture.open(cache.path());
        collect(&mut next, &at_once()).unwrap();
        is_clean(&fixture);
        for (id, tree) in &kept {
            fixture.holds(*id, tree);
        }
        if killed.is_ok() {
            break;
        }
        calls += 1;
    }
    assert!(calls > 20, "{calls}");
}

#[test]
fn a_pack_of_which_another_holds_all_that_is_needed_goes() {
    let mut fixture = Fixture::new();
    let caches = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [mut a, mut b] = caches.each_ref().map(|cache| fixture.open(cache.path()));
    let tree = tree(0, 200);
    // Neither knows what the other stores.
    let sessions = [Session::begin(&a, 1).unwrap(), Session::begin(&b, 1).unwrap()];
    let [one, other] = sessions;
    let ids = [commit(&mut a, one, 1, &tree).unwrap(), commit(&mut b, other, 2, &tree).unwrap()];
    fixture.repository.refresh().unwrap();
    let before = fixture.bytes(names::PACKS);
    collect(&mut fixture.repository, &at_once()).unwrap();
    assert!(fixture.bytes(names::PACKS) < before * 2 / 3);
    ids.iter().for_each(|id| fixture.holds(*id, &tree));
    is_clean(&fixture);
}

#[test]
fn many_small_packs_and_segments_are_merged_and_read_once() {
    let mut fixture = Fixture::new();
    let mut all = Vec::new();
    for n in 0..9 {
        let tree = tree(n * 100, 100);
        all.push((fixture.save(1, &tree), tree));
    }
    let packs = |fixture: &Fixture| {
        let mut count = 0;
        fixture.store.list(names::PACKS, &mut |_| count += 1).unwrap();
        count
    };
    assert_eq!((packs(&fixture), fixture.repository.state().segments.len()), (9, 9));
    collect(&mut fixture.repository, &at_once()).unwrap();
    let state = fixture.repository.state();
    assert!(packs(&fixture) <= 2 && state.segments.len() <= 2, "{}", state.segments.len());
    all.iter().for_each(|(id, tree)| fixture.holds(*id, tree));
    is_clean(&fixture);
    // Whoever had the old segments need not read the new one.
    fixture.store.forget();
    fixture.repository.refresh().unwrap();
    let segments =
        fixture.store.calls().iter().filter(|c| c.name.starts_with(names::INDEX)).count();
    assert_eq!(segments, 0);
}

#[test]
fn what_a_damaged_snapshot_may_need_stays() {
    let mut fixture = Fixture::new();
    let (old, new) = (tree(0, 100), tree(50, 100));
    let first = fixture.save(1, &old);
    let second = fixture.save(1, &new);
    fixture.faults.hide(&names::manifest(second));
    forget(&mut fixture.repository, first);
    let before = fixture.bytes(names::PACKS);
    let request = Request { is_dry: true, ..at_once() };
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let told = plan(&mut fixture.repository, &request, &progress, &stop).unwrap();
    assert_eq!(told.broken.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [second]);
    collect(&mut fixture.repository, &at_once()).unwrap();
    assert_eq!(fixture.bytes(names::PACKS), before);
    fixture.faults.heal();
}

#[test]
fn foreign_objects_stay() {
    let mut fixture = Fixture::new();
    let name = format!("pack/ab/{}", "ab".repeat(32));
    for (name, bytes) in [(name.as_str(), &b"no pack"[..]), ("pack/ab/note", b"x"), ("other", b"y")]
    {
        let _ = fixture.store.put_new(name, &[bytes], Durability::Now).unwrap();
    }
    let id = fixture.save(1, &tree(0, 10));
    forget(&mut fixture.repository, id);
    let eager = Request { abort_after: Duration::ZERO, ..at_once() };
    collect(&mut fixture.repository, &eager).unwrap();
    assert_eq!(fixture.bytes(names::PACKS), 8);
    assert_eq!(fixture.store.size("other").unwrap(), Some(1));
}

#[test]
fn a_grace_that_was_broken_off_begins_anew() {
    let mut fixture = Fixture::new();
    let cache = tempfile::tempdir().unwrap();
    let old = tree(0, 100);
    let first = fixture.save(1, &old);
    let mut collector = fixture.open(cache.path());
    let month = Request { grace: Duration::from_secs(30 * DAY), ..at_once() };
    let on = |day: u64| Request { now: month.now + (day * DAY) as i64, ..month.clone() };
    forget(&mut fixture.repository, first);
    collect(&mut collector, &on(0)).unwrap();
    unforget(&mut fixture.repository, first).unwrap();
    fixture.repository.refresh().unwrap();
    forget(&mut fixture.repository, first);
    collect(&mut collector, &on(31)).unwrap();
    unforget(&mut fixture.repository, first).unwrap();
    fixture.holds(first, &old);
    forget(&mut fixture.repository, first);
    for day in [40, 71] {
        collect(&mut collector, &on(day)).unwrap();
    }
    assert!(unforget(&mut fixture.repository, first).is_err());
    assert_eq!(fixture.bytes(names::PACKS), 0);
}

#[test]
fn who_misses_a_pack_opens_the_log_again_only_when_it_goes_on() {
    let mut fixture = Fixture::new();
    fixture.save(1, &tree(0, 100));
    let mut follower = crate::repository::follow::Follower::new(&fixture.repository);
    fixture.store.forget();
    for _ in 0..100 {
        assert!(follower.follow().unwrap().is_none());
    }
    assert_eq!(fixture.store.calls().len(), 100);
    fixture.save(2, &tree(50, 100));
    assert!(follower.follow().unwrap().is_some());
    assert!(follower.follow().unwrap().is_none());
}
