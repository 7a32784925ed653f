//! Repairs of a repository in memory: much damage at once, and what others do meanwhile.

use super::{Cure, Plan, Report, Request, apply, look, plan};
use crate::repository::Repository;
use crate::repository::check::{self, Finding, Progress};
use crate::repository::fixture::{Fixture, Tree, folder, save};
use esker_format::ids::SnapshotId;
use esker_format::names;
use std::sync::atomic::AtomicBool;

/// More packs than are copied in one go, and more than one entry names, as tests have it.
const PACKS: u64 = 20;

fn tree(number: u64) -> Tree {
    let mut tree = Tree::new();
    folder(&mut tree, "/a", number * 100, 5);
    tree
}

fn planned(repository: &mut Repository) -> Plan {
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let request = Request { read_data: true, threads: 1 };
    let found = look(repository, request, &progress, &stop).unwrap();
    plan(repository, found, &[], &progress, &stop).unwrap()
}

fn applied(repository: &mut Repository, plan: Plan) -> Report {
    apply(repository, plan, &AtomicBool::new(false)).unwrap()
}

/// Repairs as a machine that comes anew.
fn repair(fixture: &Fixture) -> Report {
    let cache = tempfile::tempdir().unwrap();
    let mut repository = fixture.open(cache.path());
    let plan = planned(&mut repository);
    applied(&mut repository, plan)
}

/// Names of the packs of the repository.
fn packs(repository: &Repository) -> Vec<String> {
    repository.state().packs.iter().map(|pack| names::pack(pack.id)).collect()
}

/// Ids of the live snapshots that are marked.
fn marked(fixture: &Fixture) -> Vec<SnapshotId> {
    let cache = tempfile::tempdir().unwrap();
    let repository = fixture.open(cache.path());
    let state = repository.state();
    state.live_snapshots().filter(|snapshot| snapshot.damaged).map(|snapshot| snapshot.id).collect()
}

/// That nothing is damaged any more.
#[track_caller]
fn is_whole(fixture: &Fixture) {
    let cache = tempfile::tempdir().unwrap();
    let mut repository = fixture.open(cache.path());
    let request = check::Request { read_data: true, threads: 1 };
    let stop = AtomicBool::new(false);
    let report = check::check(&mut repository, request, &Progress::default(), &stop).unwrap();
    let damage = |finding: &Finding| !matches!(finding, Finding::Leftover { .. });
    assert_eq!(report.findings.into_iter().filter(damage).collect::<Vec<_>>(), []);
}

#[test]
fn many_damaged_packs_are_salvaged_a_few_at_a_time() {
    let mut fixture = Fixture::new();
    let saved: Vec<_> = (0..PACKS).map(|n| (fixture.save(n as u8, &tree(n)), tree(n))).collect();
    let old = packs(&fixture.repository);
    assert_eq!(old.len() as u64, PACKS);
    // The trailer, so that all chunks are there.
    for (name, pack) in old.iter().zip(&fixture.repository.state().packs) {
        fixture.faults.flip_bit(name, pack.len * 8 - 1);
    }
    let before = fixture.repository.state().next();
    let report = repair(&fixture);
    assert_eq!((report.packs, report.marked, report.in_use), (PACKS, vec![], vec![]));
    fixture.repository.refresh().unwrap();
    let entries = fixture.repository.state().next().0 - before.0;
    assert!(entries >= 2 + 3, "{entries} entries");
    // Nothing needs the old ones any more.
    old.iter().for_each(|name| fixture.faults.hide(name));
    saved.iter().for_each(|(id, tree)| fixture.holds(*id, tree));
    assert_eq!(repair(&fixture).packs, 0);
}

#[test]
fn many_snapshots_that_lost_something_are_marked_and_mended() {
    let mut fixture = Fixture::new();
    for n in 0..PACKS {
        fixture.save(n as u8, &tree(n));
    }
    let old = packs(&fixture.repository);
    old.iter().for_each(|name| fixture.faults.hide(name));
    let report = repair(&fixture);
    assert_eq!((report.packs, report.marked.len() as u64), (PACKS, PACKS));
    assert_eq!(marked(&fixture).len() as u64, PACKS);
    fixture.faults.heal();
    let report = repair(&fixture);
    assert_eq!((report.mended.len() as u64, report.late), (PACKS, vec![]));
    assert_eq!(marked(&fixture), []);
    is_whole(&fixture);
}

#[test]
fn a_snapshot_that_is_saved_while_a_repair_runs_and_lacks_something_is_marked() {
    let mut fixture = Fixture::new();
    fixture.save(1, &tree(1));
    let cache = tempfile::tempdir().unwrap();
    let mut other = fixture.open(cache.path());
    let lost = packs(&fixture.repository)[0].clone();
    fixture.faults.hide(&lost);
    let plan = planned(&mut fixture.repository);
    // Another run that looked before the pack was lost.
    fixture.faults.heal();
    let (late, also) = (save(&mut other, 2, &tree(1)), save(&mut other, 3, &tree(3)));
    fixture.faults.hide(&lost);
    let report = applied(&mut fixture.repository, plan);
    assert_eq!(report.late, [late]);
    assert_eq!(report.marked.len(), 2, "{:?} and {also}", report.marked);
    assert!(marked(&fixture).contains(&late) && !marked(&fixture).contains(&also));
}

#[test]
fn a_pack_that_comes_back_after_its_segment_went_is_described_anew() {
    let mut fixture = Fixture::new();
    let (id, tree) = (fixture.save(1, &tree(1)), tree(1));
    let pack = packs(&fixture.repository)[0].clone();
    let segment = names::segment(fixture.repository.state().segments[0].id);
    fixture.faults.hide(&pack);
    fixture.faults.hide(&segment);
    let report = repair(&fixture);
    assert_eq!((report.segments, report.marked), (1, vec![id]));
    fixture.faults.heal();
    // A copy has brought the pack back; the segment is not in the log any more.
    fixture.faults.hide(&segment);
    let cache = tempfile::tempdir().unwrap();
    let mut repository = fixture.open(cache.path());
    let plan = planned(&mut repository);
    let cures: Vec<_> = plan.objects.iter().map(|o| (o.name.as_str(), &o.cure)).collect();
    assert_eq!(cures[0], (pack.as_str(), &Cure::Described), "{cures:?}");
    let report = applied(&mut repository, plan);
    assert_eq!(report.mended, [id]);
    fixture.holds(id, &tree);
    is_whole(&fixture);
    assert!(planned(&mut repository).is_empty());
}
