//! What holds for all rules and lists.

use super::*;
use proptest::prelude::*;

fn period() -> impl Strategy<Value = Period> {
    let all = [Period::Hourly, Period::Daily, Period::Weekly, Period::Monthly, Period::Yearly];
    proptest::sample::select(all.to_vec())
}

fn rule() -> impl Strategy<Value = Rule> {
    let days = || (1..800_u32).prop_map(|days| Span { days, ..Span::default() });
    prop_oneof![
        (0..9_usize).prop_map(|n| Rule::Last(Count(n))),
        (period(), 0..9_usize).prop_map(|(p, n)| Rule::Every(p, Count(n))),
        days().prop_map(Rule::Within),
        (period(), days()).prop_map(|(p, s)| Rule::EveryWithin(p, s)),
        proptest::sample::select(vec!["x", "y"]).prop_map(|t| Rule::Tag(t.to_owned())),
    ]
}

/// Times that mostly ascend with the log, with clocks that are a year off now and then if `wild`.
fn list(wild: bool) -> impl Strategy<Value = List> {
    let step = (0..70 * HOUR, 0..20_u8, 0..8_u8, 0..10_u8);
    let flags = (0..4_u8, 0..12_u8, 0..15_usize);
    proptest::collection::vec((step, flags), 0..40).prop_map(move |steps| {
        let whole: i64 = steps.iter().map(|((step, ..), _)| step).sum();
        let mut time = NOW - whole;
        let mut list = List::default();
        for ((step, off, series, chosen), (partial, held, back)) in steps {
            time += step;
            let shift = match off {
                0 if wild => 365 * DAY,
                1 if wild => -365 * DAY,
                _ => 0,
            };
            let number = list.0.len();
            list = list.add(series / 5, time + shift).with(number, |c| {
                c.is_complete = partial > 0;
                c.is_held = held == 0;
                c.is_chosen = chosen > 0;
                c.tags = if held == 1 { vec!["x".to_owned()] } else { Vec::new() };
                c.requires =
                    (1..=number).contains(&back).then(|| id(number - back)).into_iter().collect();
            });
        }
        list
    })
}

fn kept(list: &List, rules: &[Rule], now: i64) -> HashSet<SnapshotId> {
    let policy = Policy { rules: rules.to_vec(), whole_series: false };
    let outcomes = plan(&list.0, &policy, at(now), &Calendar::utc());
    let gone: HashSet<SnapshotId> = outcomes.iter().filter(|o| !o.stays()).map(|o| o.id).collect();
    list.0.iter().map(|c| c.id).filter(|id| !gone.contains(id)).collect()
}

fn without(list: &List, kept: &HashSet<SnapshotId>) -> List {
    List(list.0.iter().filter(|c| kept.contains(&c.id)).cloned().collect())
}

/// The same rule, with a larger number.
fn more(rule: &Rule, by: usize) -> Rule {
    match rule.clone() {
        Rule::Last(Count(n)) => Rule::Last(Count(n + by)),
        Rule::Every(period, Count(n)) => Rule::Every(period, Count(n + by)),
        Rule::Within(s) => Rule::Within(Span { days: s.days + by as u32, ..s }),
        Rule::EveryWithin(p, s) => Rule::EveryWithin(p, Span { days: s.days + by as u32, ..s }),
        tag @ Rule::Tag(_) => tag,
    }
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    proptest::collection::vec(rule(), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_more_rule_or_a_larger_number_never_makes_one_go(
        list in list(true), rules in rules(), another in rule(), at in 0..5_usize, by in 1..9_usize,
    ) {
        let few = kept(&list, &rules, NOW);
        let mut with_another = rules.clone();
        with_another.push(another);
        prop_assert!(few.is_subset(&kept(&list, &with_another, NOW)));
        let mut larger = rules;
        let at = at % larger.len();
        larger[at] = more(&larger[at], by);
        prop_assert!(few.is_subset(&kept(&list, &larger, NOW)));
    }

    #[test]
    fn each_series_keeps_its_newest_and_its_newest_complete_one(list in list(true), rules in rules()) {
        let kept = kept(&list, &rules, NOW);
        for series in [0, 1].map(number) {
            let mut newest = list.0.iter().rev().filter(|c| c.series == series);
            let all = newest.clone();
            prop_assert!(newest.next().is_none_or(|c| kept.contains(&c.id)));
            prop_assert!(all.clone().find(|c| c.is_complete).is_none_or(|c| kept.contains(&c.id)));
        }
    }

    #[test]
    fn what_is_held_or_needed_or_was_not_asked_about_stays(list in list(true), rules in rules()) {
        let kept = kept(&list, &rules, NOW);
        for candidate in &list.0 {
            let stays = kept.contains(&candidate.id);
            prop_assert!(stays || (!candidate.is_held && candidate.is_chosen));
            prop_assert!(!stays || candidate.requires.iter().all(|id| kept.contains(id)));
        }
    }

    #[test]
    fn the_same_rules_again_find_nothing_to_do(list in list(false), rules in rules()) {
        let once = kept(&list, &rules, NOW);
        let left = without(&list, &once);
        prop_assert_eq!(&kept(&left, &rules, NOW), &once);
    }

    #[test]
    fn with_clocks_a_year_off_the_same_rules_again_find_nothing_to_do_among_complete_ones(
        list in list(true), rules in rules(),
    ) {
        let numbers: Vec<usize> = (0..list.0.len()).collect();
        let list = numbers.iter().fold(list, |list, n| list.with(*n, |c| c.is_complete = true));
        let once = kept(&list, &rules, NOW);
        prop_assert_eq!(&kept(&without(&list, &once), &rules, NOW), &once);
    }

    #[test]
    fn no_complete_one_goes_where_a_rule_keeps_an_older_or_partial_one_instead(
        list in list(false), n in 1..9_usize, period in period(),
    ) {
        for rule in [Rule::Last(Count(n)), Rule::Every(period, Count(n))] {
            let kept = kept(&list, &[rule], NOW);
            for series in [0, 1].map(number) {
                let of = |c: &&Candidate| c.series == series && c.is_chosen;
                let complete = list.0.iter().filter(of).filter(|c| c.is_complete);
                let gone = complete.clone().filter(|c| !kept.contains(&c.id));
                let newer_kept = |old: &Candidate| {
                    complete.clone().filter(|c| kept.contains(&c.id) && c.time >= old.time).count()
                };
                // Whatever goes has given way to complete ones alone.
                prop_assert!(gone.clone().all(|c| newer_kept(c) >= 1));
            }
        }
    }

    #[test]
    fn a_clock_that_is_behind_makes_nothing_go_that_a_right_one_keeps(
        list in list(true), rules in rules(), hours in 0..9000_i64,
    ) {
        let right = kept(&list, &rules, NOW);
        prop_assert!(right.is_subset(&kept(&list, &rules, NOW - hours * HOUR)));
    }

    #[test]
    fn where_nothing_is_dated_ahead_the_clock_changes_nothing(
        list in list(false), rules in rules(), days in 0..400_i64,
    ) {
        let right = kept(&list, &rules, NOW);
        prop_assert_eq!(&right, &kept(&list, &rules, NOW + days * DAY));
    }
}
