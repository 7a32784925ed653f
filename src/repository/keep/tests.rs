//! What is refused, what is appended, and what others see of it.

use super::*;
use crate::repository::access::Access;
use crate::repository::fixture::{Fixture, summary};
use crate::repository::retention::{Count, Rule};
use crate::repository::{Tags, entropy};
use esker_format::ids::{PackId, PackSetId};
use esker_format::key_material::{KeyMaterial, WriterMaterial};
use esker_format::limits::TAGS_MAX;
use esker_format::log_entry::{Commit, Delete, Mark, PackAdd};
use esker_format::ordinals::Ordinals;
use esker_format::secret::Secret;
use esker_format::snapshot::{Summary, SummaryOf, seal_summary};

/// A snapshot of series 1 with the id of this byte, which needs a pack of its own. Its objects are
/// nobody's concern here.
fn commit(fixture: &mut Fixture, number: u8, change: impl FnOnce(&mut Summary)) -> SnapshotId {
    let (manifest, session) = (SnapshotId::new([number; 32]), SessionId::new([number; 16]));
    let access = Arc::clone(&fixture.repository.access);
    let mut summary = summary(1);
    change(&mut summary);
    let of = SummaryOf { repository: access.repository, session };
    let summary = seal_summary(&summary, of, &access.scope_keys.summary, &mut entropy());
    let id = PackId::new([number; 32]);
    fixture
        .repository
        .append(session, &mut |state| {
            Ok(Body::Commit(Commit {
                session,
                manifest,
                segments: Vec::new(),
                packs: vec![PackAdd { id, len: 100, session: None, extra: Extra::default() }],
                bases: Vec::new(),
                set: [state.packs.len() as u32].into_iter().collect(),
                set_object: None::<PackSetId>,
                summary: summary.clone(),
                extra: Extra::default(),
            }))
        })
        .unwrap();
    manifest
}

fn three() -> (Fixture, [SnapshotId; 3]) {
    let mut fixture = Fixture::new();
    let ids = [1, 2, 3].map(|n| commit(&mut fixture, n, |_| {}));
    (fixture, ids)
}

/// The refusal that a result is.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Refusal {
    match result {
        Err(Error::Refusal(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn forgotten(fixture: &Fixture) -> Vec<SnapshotId> {
    let all = fixture.repository.snapshots().unwrap();
    all.iter().filter(|s| s.is_forgotten).map(|s| s.id).collect()
}

fn entries(fixture: &Fixture) -> u64 {
    fixture.repository.state.next().0
}

#[test]
fn what_would_change_nothing_is_not_appended() {
    let (mut fixture, [a, b, _]) = three();
    let before = entries(&fixture);
    let repository = &mut fixture.repository;
    assert_eq!(repository.unforget(&[a], None).unwrap(), []);
    assert_eq!(repository.unhold(&[a], None).unwrap(), []);
    assert_eq!(repository.forget(&[], &Forget::default()).unwrap(), []);
    let none = Tags { add: Vec::new(), remove: vec!["x".to_owned()] };
    assert_eq!(repository.tag(&[a, b], &none).unwrap(), []);
    assert_eq!(entries(&fixture), before);
    let repository = &mut fixture.repository;
    assert_eq!(repository.forget(&[a, b], &Forget::default()).unwrap(), [a, b]);
    assert_eq!(repository.forget(&[b, a], &Forget::default()).unwrap(), []);
    assert_eq!(entries(&fixture), before + 1);
    assert_eq!(forgotten(&fixture), [a, b]);
    assert_eq!(fixture.repository.unforget(&[a], None).unwrap(), [a]);
    assert_eq!(forgotten(&fixture), [b]);
}

#[test]
fn many_snapshots_take_as_many_entries_as_they_need() {
    let (mut fixture, ids) = three();
    let before = entries(&fixture);
    // Names that come again count as well.
    let many: Vec<SnapshotId> = ids.iter().copied().cycle().take(IDS_MAX + 2).collect();
    let held = fixture.repository.hold(&many, None).unwrap();
    assert_eq!((held.len(), entries(&fixture)), (3, before + 1));
    let reason = "x".repeat(esker_format::limits::TEXT_MAX);
    let full = Change::Forget.body(vec![ids[0]; IDS_MAX], Some(&reason));
    full.check().unwrap();
}

#[test]
fn what_is_held_is_not_forgotten_and_what_is_forgotten_is_not_held() {
    let (mut fixture, [a, b, _]) = three();
    let repository = &mut fixture.repository;
    assert_eq!(repository.hold(&[a], Some("a trial")).unwrap(), [a]);
    let held = Refusal::Held { snapshot: a };
    assert_eq!(refusal(repository.forget(&[a, b], &Forget::default())), held);
    assert_eq!(refusal(repository.check_forget(&[a], &Forget::default())), held);
    repository.unhold(&[a], None).unwrap();
    repository.forget(&[a, b], &Forget::default()).unwrap();
    let refused = refusal(repository.hold(&[a], None));
    assert_eq!(refused, Refusal::Forgotten { snapshot: a.to_string() });
}

#[test]
fn the_last_of_a_series_is_forgotten_only_when_told() {
    let (mut fixture, ids) = three();
    let repository = &mut fixture.repository;
    let refused = refusal(repository.forget(&ids, &Forget::default()));
    assert_eq!(refused, Refusal::Last { snapshot: ids[2], label: "series 1".to_owned() });
    repository.forget(&ids[1..], &Forget::default()).unwrap();
    let refused = refusal(repository.forget(&ids[..1], &Forget::default()));
    assert!(matches!(refused, Refusal::Last { snapshot, .. } if snapshot == ids[0]));
    let how = Forget { whole_series: true, ..Forget::default() };
    assert_eq!(repository.forget(&ids, &how).unwrap(), ids[..1]);
    assert_eq!(forgotten(&fixture), ids);
}

/// Two who forget at once by different rules: the second is judged by what the first has left.
#[test]
fn rules_leave_no_partial_one_without_a_complete_one_and_who_names_it_may() {
    let mut fixture = Fixture::new();
    let complete = commit(&mut fixture, 1, |_| {});
    let partial = commit(&mut fixture, 2, |s| s.problems = 1);
    let repository = &mut fixture.repository;
    let by_rules = Forget { by_rules: true, ..Forget::default() };
    let refused = refusal(repository.forget(&[complete], &by_rules));
    let label = "series 1".to_owned();
    assert_eq!(refused, Refusal::LastComplete { snapshot: complete, label });
    assert_eq!(repository.forget(&[partial], &by_rules).unwrap(), [partial]);
    repository.unforget(&[partial], None).unwrap();
    assert_eq!(repository.forget(&[complete], &Forget::default()).unwrap(), [complete]);
}

#[test]
fn a_chain_stays_whole() {
    let mut fixture = Fixture::new();
    let base = commit(&mut fixture, 1, |_| {});
    let log = commit(&mut fixture, 2, |s| {
        s.series = esker_format::ids::SeriesId::new([2; 16]);
        s.requires = vec![base];
    });
    let newer = commit(&mut fixture, 3, |_| {});
    let policy = Policy { rules: vec![Rule::Last(Count(1))], whole_series: false };
    let (now, calendar) = (Time { seconds: 0, nanos: 0 }, Calendar::utc());
    let plan = |filter: &Filter| fixture.repository.plan_forget(filter, &policy, now, &calendar);
    assert!(plan(&Filter::default()).unwrap().iter().all(|(_, outcome)| outcome.stays()));
    let filter = Filter { labels: vec!["none".to_owned()], ..Filter::default() };
    assert!(plan(&filter).unwrap().is_empty());
    let repository = &mut fixture.repository;
    let refused = refusal(repository.forget(&[base], &Forget::default()));
    assert_eq!(refused, Refusal::Required { snapshot: base, by: log });
    let how = Forget { whole_series: true, ..Forget::default() };
    repository.forget(&[log, base, newer], &how).unwrap();
    // Who brings one back brings back what it needs.
    let mut back = repository.unforget(&[log], None).unwrap();
    back.sort();
    assert_eq!(back, [base, log]);
}

#[test]
fn what_was_given_up_cannot_be_brought_back() {
    let (mut fixture, [a, b, c]) = three();
    let repository = &mut fixture.repository;
    repository.forget(&[a, b], &Forget::default()).unwrap();
    let packs: Ordinals = [0].into_iter().collect();
    let mark = Mark {
        packs: packs.clone(),
        replacements: Vec::new(),
        walked: vec![c],
        segments: Vec::new(),
        added: Vec::new(),
        session: None,
        scope: None,
        extra: Extra::default(),
    };
    repository.append(NO_SESSION, &mut |_| Ok(Body::Mark(mark.clone()))).unwrap();
    let delete = Delete {
        packs,
        manifests: Vec::new(),
        segments: Vec::new(),
        sets: Vec::new(),
        extra: Extra::default(),
    };
    repository.append(NO_SESSION, &mut |_| Ok(Body::Delete(delete.clone()))).unwrap();
    assert_eq!(refusal(repository.unforget(&[b, a], None)), Refusal::Collected { snapshot: a });
    assert_eq!(repository.unforget(&[b], None).unwrap(), [b]);
}

#[test]
fn tags_are_added_and_taken_away_and_lists_have_them_as_they_are_now() {
    let mut fixture = Fixture::new();
    let id = commit(&mut fixture, 1, |s| s.tags = vec!["b".to_owned()]);
    let tags = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<String>>();
    let mut tag = |add: &[&str], remove: &[&str]| {
        let change = Tags { add: tags(add), remove: tags(remove) };
        let changed = fixture.repository.tag(&[id], &change).unwrap();
        let now = fixture.repository.snapshots().unwrap()[0].summary.tags.clone();
        (changed.len(), now.join(" "))
    };
    assert_eq!(tag(&["c", "a"], &[]), (1, "a b c".to_owned()));
    assert_eq!(tag(&["c"], &["x"]), (0, "a b c".to_owned()));
    assert_eq!(tag(&[], &["b", "c"]), (1, "a".to_owned()));
    assert_eq!(tag(&["b"], &["a"]), (1, "b".to_owned()));
    let many: Vec<String> = (0..TAGS_MAX).map(|n| format!("t{n}")).collect();
    let change = Tags { add: many, remove: Vec::new() };
    let refused = refusal(fixture.repository.tag(&[id], &change));
    assert!(matches!(refused, Refusal::TooManyTags { count, .. } if count == TAGS_MAX + 1));
}

#[test]
fn a_key_without_the_right_is_told_so_before_anything_is_appended() {
    let (mut fixture, [a, ..]) = three();
    let before = entries(&fixture);
    let owner = Arc::clone(&fixture.repository.access);
    let secret = owner.owner.as_ref().unwrap();
    let material = WriterMaterial {
        repository: owner.repository,
        scope: 0,
        scope_secret: secret.scope(0).0,
        epoch: 0,
        epoch_secret: secret.epoch(0).0,
        reading: owner.reading_public,
        owner: owner.owner_key,
        signing: Secret::new([5; 32]),
        extra: Extra::default(),
    };
    fixture.repository.access = Arc::new(Access::new(&KeyMaterial::Writer(material)));
    let repository = &mut fixture.repository;
    let results = [
        repository.check_forget(&[a], &Forget::default()).map(|()| Vec::new()),
        repository.forget(&[a], &Forget::default()),
        repository.unforget(&[a], None),
        repository.hold(&[a], None),
        repository.unhold(&[a], None),
        repository.tag(&[a], &Tags::default()),
    ];
    for result in results {
        assert!(matches!(result, Err(Error::NoRight { .. })), "{result:?}");
    }
    assert_eq!(entries(&fixture), before);
}
