//! What rules keep, in examples; and what holds for all rules and lists.

mod properties;

use super::*;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-11-21 12:00:00 in Greenwich, a Saturday.
const NOW: i64 = 1_795_262_400;

/// Snapshots in the order of the log: number n has an id of that byte.
#[derive(Debug, Clone, Default)]
struct List(Vec<Candidate>);

impl List {
    /// Complete ones of one series, so many hours before now.
    fn of(hours_ago: &[i64]) -> Self {
        hours_ago.iter().fold(Self::default(), |list, hours| list.add(1, NOW - hours * HOUR))
    }

    fn add(mut self, series: u8, seconds: i64) -> Self {
        self.0.push(Candidate {
            id: id(self.0.len()),
            series: number(series),
            time: at(seconds),
            is_complete: true,
            is_held: false,
            tags: Vec::new(),
            requires: Vec::new(),
            is_chosen: true,
        });
        self
    }

    fn with(mut self, number: usize, change: impl FnOnce(&mut Candidate)) -> Self {
        change(&mut self.0[number]);
        self
    }

    fn partial(self, numbers: &[usize]) -> Self {
        numbers.iter().fold(self, |list, n| list.with(*n, |c| c.is_complete = false))
    }

    /// The reasons for each.
    fn told(&self, rules: &[Rule]) -> Vec<String> {
        let tell =
            |o: Outcome| o.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        outcomes(self, rules, false).into_iter().map(tell).collect()
    }

    /// The numbers of those that stay, the newest of a series for no other reason left out.
    fn stay(&self, rules: &[Rule]) -> Vec<usize> {
        let outcomes = outcomes(self, rules, true);
        (0..outcomes.len()).filter(|n| outcomes[*n].stays()).collect()
    }
}

fn outcomes(list: &List, rules: &[Rule], whole_series: bool) -> Vec<Outcome> {
    let policy = Policy { rules: rules.to_vec(), whole_series };
    plan(&list.0, &policy, at(NOW), &Calendar::utc())
}

fn number(series: u8) -> Series {
    Series { id: SeriesId::new([series; 16]), writer: None }
}

fn id(number: usize) -> SnapshotId {
    SnapshotId::new([number as u8; 32])
}

fn at(seconds: i64) -> Time {
    Time { seconds, nanos: 0 }
}

fn every(period: Period, count: usize) -> Rule {
    Rule::Every(period, Count(count))
}

fn last(count: usize) -> Rule {
    Rule::Last(Count(count))
}

fn span(text: &str) -> Span {
    text.parse().unwrap()
}

#[test]
fn each_rule_says_what_it_keeps_and_why() {
    // Twice a day for ten days, at 0 and 12 o'clock; the last one is now.
    let list = List::of(&(0..20).rev().map(|n| n * 12).collect::<Vec<_>>());
    let cases: [(Rule, &[(usize, &str)]); 9] = [
        (last(2), &[(18, "last 2"), (19, "last 1")]),
        (
            every(Period::Hourly, 2),
            &[(18, "hourly 2026-11-21 00:00"), (19, "hourly 2026-11-21 12:00")],
        ),
        (every(Period::Daily, 2), &[(17, "daily 2026-11-20"), (19, "daily 2026-11-21")]),
        (every(Period::Weekly, 9), &[(7, "weekly 2026-W46"), (19, "weekly 2026-W47")]),
        (every(Period::Monthly, 9), &[(19, "monthly 2026-11")]),
        (every(Period::Yearly, 1), &[(19, "yearly 2026")]),
        (Rule::Within(span("12h")), &[(18, "within 12h"), (19, "within 12h")]),
        (
            Rule::EveryWithin(Period::Daily, span("1d")),
            &[(17, "daily 2026-11-20 within 1d"), (19, "daily 2026-11-21 within 1d")],
        ),
        (Rule::Tag("x".to_owned()), &[(4, "tag x")]),
    ];
    let list = list.with(4, |c| c.tags.push("x".to_owned()));
    for (rule, expected) in cases {
        let told = list.told(std::slice::from_ref(&rule));
        for (number, told) in told.iter().enumerate() {
            let guard = if number == 19 { "newest of the series" } else { "" };
            let expected = expected.iter().find(|(n, _)| *n == number).map_or("", |(_, why)| why);
            let expected: Vec<&str> =
                [expected, guard].into_iter().filter(|why| !why.is_empty()).collect();
            assert_eq!(*told, expected.join(", "), "{rule:?} {number}");
        }
    }
    let all = Rule::Every(Period::Hourly, Count::UNLIMITED);
    assert_eq!(list.stay(&[all]).len(), 20);
}

#[test]
fn several_rules_keep_what_any_of_them_keeps_and_all_are_named() {
    let list = List::of(&[49, 25, 1]);
    let told = list.told(&[last(1), every(Period::Daily, 2), every(Period::Yearly, 1)]);
    assert_eq!(told[0], "");
    assert_eq!(told[1], "daily 2026-11-20");
    assert_eq!(told[2], "last 1, daily 2026-11-21, yearly 2026, newest of the series");
}

#[test]
fn each_series_is_looked_at_alone() {
    let list =
        List::default().add(1, NOW - 9 * DAY).add(2, NOW - DAY).add(2, NOW).add(1, NOW - 8 * DAY);
    assert_eq!(list.stay(&[last(1)]), [2, 3]);
    assert_eq!(list.stay(&[Rule::Within(span("12h"))]), [2, 3]);
}

#[test]
fn a_writer_who_takes_the_number_of_another_series_pushes_nothing_out_of_it() {
    let list = List::of(&[48, 24, 2, 1]);
    let list = [2, 3]
        .iter()
        .fold(list, |list, n| list.with(*n, |c| c.series.writer = Some(WriterId::new([9; 16]))));
    assert_eq!(list.stay(&[last(1)]), [1, 3]);
}

#[test]
fn the_newest_and_the_newest_complete_one_stay_unless_told_otherwise() {
    let list = List::of(&[72, 48, 24, 0]).partial(&[2, 3]);
    let rules = [Rule::Tag("x".to_owned())];
    assert_eq!(list.told(&rules), ["", "newest complete one", "", "newest of the series"]);
    assert_eq!(list.stay(&rules), [0; 0]);
}

#[test]
fn of_a_day_the_complete_one_stays_and_not_a_newer_partial_one() {
    let list = List::of(&[30, 28, 26, 0]).partial(&[1, 2]);
    assert_eq!(list.stay(&[every(Period::Daily, 2)]), [0, 3]);
    assert_eq!(list.stay(&[Rule::EveryWithin(Period::Daily, span("2d"))]), [0, 3]);
    // Also where the day began before the time that the rule is about.
    assert_eq!(list.stay(&[Rule::EveryWithin(Period::Daily, span("27h"))]), [0, 3]);
    // Of a day without a complete one the newest.
    assert_eq!(list.clone().partial(&[0]).stay(&[every(Period::Daily, 2)]), [2, 3]);
}

#[test]
fn partial_ones_take_no_place_from_complete_ones() {
    let list = List::of(&[96, 72, 48, 24, 0]).partial(&[3, 4]);
    assert_eq!(list.stay(&[last(2)]), [1, 2, 3, 4]);
    assert_eq!(list.told(&[last(2)])[1], "last complete 2");
    assert_eq!(list.stay(&[every(Period::Daily, 2)]), [1, 2, 3, 4]);
    // Where all are partial, there are no more than asked for.
    assert_eq!(list.clone().partial(&[0, 1, 2]).stay(&[last(2)]), [3, 4]);
}

#[test]
fn what_is_held_stays() {
    let list = List::of(&[48, 24, 0]).with(0, |c| c.is_held = true);
    assert_eq!(list.told(&[last(1)])[0], "held");
}

#[test]
fn what_one_that_stays_needs_stays_over_any_number_of_steps() {
    let chain = |list: List, from: usize, to: usize| list.with(from, |c| c.requires.push(id(to)));
    let list = List::of(&[96, 72, 48, 24, 0]);
    let list = chain(chain(chain(list, 4, 2), 2, 1), 1, 2);
    let told = list.told(&[last(1)]);
    assert_eq!((told[0].as_str(), told[3].as_str()), ("", ""));
    assert_eq!(told[2], "required by 0404040404040404, required by 0101010101010101");
    assert_eq!(told[1], "required by 0202020202020202");
    // Those that were not asked about stay, and what they need.
    let list = list.with(4, |c| c.is_chosen = false);
    let ids: Vec<SnapshotId> =
        outcomes(&list, &[last(1)], true).iter().filter(|o| o.stays()).map(|o| o.id).collect();
    assert_eq!(ids, [id(1), id(2), id(3)]);
}

#[test]
fn the_order_is_that_of_the_log_and_not_of_times() {
    // The second one was dated to a year ago.
    let list = List::of(&[48, 365 * 24, 0]);
    assert_eq!(list.stay(&[last(2)]), [1, 2]);
    assert_eq!(list.stay(&[every(Period::Daily, 3)]), [0, 1, 2]);
}

#[test]
fn a_snapshot_dated_a_year_ahead_pushes_nothing_out() {
    let ahead = -365 * 24;
    for rules in [
        vec![every(Period::Daily, 3)],
        vec![Rule::Within(span("3d"))],
        vec![Rule::EveryWithin(Period::Daily, span("3d"))],
        vec![last(1), every(Period::Weekly, 1), every(Period::Daily, 3)],
    ] {
        // It stays, and takes no place, also when it is the last one.
        let stay = List::of(&[72, 48, 24, ahead, 0]).stay(&rules);
        assert!([1, 2, 4].iter().all(|n| stay.contains(n)), "{rules:?}: {stay:?}");
        let stay = List::of(&[72, 48, 24, ahead]).stay(&rules);
        assert!([1, 2, 3].iter().all(|n| stay.contains(n)), "{rules:?}: {stay:?}");
    }
    let list = List::of(&[24, ahead]);
    assert_eq!(
        list.told(&[every(Period::Daily, 2)])[1].split(", ").next(),
        Some("dated ahead of now")
    );
    let flags: Vec<bool> =
        outcomes(&list, &[last(1)], false).iter().map(|outcome| outcome.is_ahead).collect();
    assert_eq!(flags, [false, true]);
}

#[test]
fn beside_one_dated_ahead_a_clock_that_is_behind_keeps_what_a_right_one_keeps() {
    let list = List::of(&[96, 72, 48, 24, 0, -365 * 24]);
    for days in [0, 1, 2, 3, 365] {
        let policy = Policy { rules: vec![every(Period::Daily, 3)], whole_series: false };
        let behind = plan(&list.0, &policy, at(NOW - days * DAY), &Calendar::utc());
        assert!(behind[2..].iter().all(Outcome::stays), "{days}: {behind:?}");
    }
}

#[test]
fn a_clock_that_is_a_year_behind_makes_nothing_go_that_a_right_one_keeps() {
    let list = List::of(&(0..40).rev().map(|n| n * 24).collect::<Vec<_>>());
    let policy = |rules: &[Rule]| Policy { rules: rules.to_vec(), whole_series: false };
    for rules in [
        vec![every(Period::Daily, 7), every(Period::Weekly, 4)],
        vec![Rule::Within(span("9d"))],
        vec![Rule::EveryWithin(Period::Weekly, span("1m"))],
    ] {
        let run = |now| plan(&list.0, &policy(&rules), at(now), &Calendar::utc());
        let (right, behind) = (run(NOW), run(NOW - 365 * DAY));
        assert!(right.iter().any(|o| !o.stays()));
        for (right, behind) in right.iter().zip(&behind) {
            assert!(behind.stays() || !right.stays(), "{rules:?}: {right:?}");
        }
        // And one that is ahead changes nothing: what was last done is compared with, not the clock.
        assert_eq!(run(NOW + 365 * DAY), right);
    }
}
