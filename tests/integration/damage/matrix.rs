//! Every kind of object, damaged in every way.

use super::change::{Change, changes, kind};
use super::sample::Sample;
use super::verdict::{Truth, Verdict};
use esker::repository::Error;
use std::collections::BTreeMap;

/// How often each truth was told, by kind of object and way of damage.
type Tally = BTreeMap<(String, &'static str, Truth), u32>;

const fn way(change: &Change) -> &'static str {
    match change {
        Change::Flip { .. } => "flip",
        Change::Truncate { .. } => "truncate",
        Change::Delete => "delete",
        Change::Swap { .. } => "swap",
    }
}

/// What a check cannot see, by the rules of the format.
fn is_hidden(sample: &Sample, name: &str, change: &Change) -> bool {
    let end = sample.objects.keys().filter(|name| kind(name) == "log").max();
    match (kind(name), change) {
        // Whoever has the passphrase of a key slot can tell whether it is sound, and nobody else:
        // it has no checksum. Nothing says how many there are.
        ("keys", Change::Flip { bit }) => *bit / 8 == 11 || *bit >= 32 * 8,
        ("keys", Change::Truncate { len }) => *len > 79,
        ("keys", Change::Delete) => true,
        // Nobody misses the last entry of a log.
        ("log", Change::Delete) => end.is_some_and(|end| end == name),
        // A sound entry in another place is void, and void entries are reported, not damage.
        ("log", Change::Swap { .. }) => true,
        _ => false,
    }
}

/// Whether a snapshot is gone with the last entry of the log, which made it, and nobody ever saw it.
fn is_forgotten(verdict: &Verdict, name: &str, change: &Change) -> bool {
    let is_gone = matches!(verdict, Verdict::Refused { error: Error::NoSnapshot { .. }, .. });
    let unseen = matches!(verdict, Verdict::Refused { warnings, .. } if warnings.is_empty());
    is_gone && unseen && kind(name) == "log" && *change == Change::Delete
}

/// Runs the matrix over objects that `wanted` names.
fn run(
    sample: &Sample,
    more: u64,
    wanted: impl Fn(&str) -> bool,
    with: impl Fn(&Sample, &str, &Change) -> Verdict,
) -> Tally {
    let (mut tally, mut wrong) = (Tally::new(), Vec::new());
    for name in sample.objects.keys().filter(|name| wanted(name)) {
        for change in changes(&sample.objects, name, more) {
            let verdict = with(sample, name, &change);
            match verdict.truth(sample) {
                Err(_) if is_forgotten(&verdict, name, &change) => {}
                Ok(truth) => {
                    let key = (kind(name).to_owned(), way(&change), truth);
                    *tally.entry(key).or_default() += 1;
                }
                Err(why) => wrong.push(format!("{name} {change:?}: {why}")),
            }
            if !verdict.is_found() && !is_hidden(sample, name, &change) {
                wrong.push(format!("{name} {change:?}: check found nothing"));
            }
        }
    }
    let shown: Vec<String> = wrong.iter().take(40).map(|w| w.chars().take(700).collect()).collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), shown.join("\n"));
    tally
}

#[track_caller]
fn saw(tally: &Tally, kind: &str, truths: &[Truth]) {
    for truth in truths {
        let seen = tally.keys().any(|(of, _, told)| of == kind && told == truth);
        assert!(seen, "{kind} never gave {truth:?}: {tally:?}");
    }
}

#[test]
fn whatever_is_damaged_is_restored_exactly_or_named_without_an_index_database() {
    let sample = Sample::grown();
    let tally = run(&sample, 6, |_| true, Sample::with);
    for kind in ["config", "log"] {
        saw(&tally, kind, &[Truth::Refused]);
    }
    saw(&tally, "pack", &[Truth::Exact, Truth::Named]);
    saw(&tally, "index", &[Truth::Exact]);
    saw(&tally, "snapshot", &[Truth::Exact, Truth::Refused]);
    saw(&tally, "keys", &[Truth::Exact]);
}

#[test]
fn whatever_is_damaged_is_restored_exactly_or_named_with_the_index_database_of_before() {
    let sample = Sample::grown();
    let tally = run(&sample, 3, |_| true, Sample::with_index);
    saw(&tally, "log", &[Truth::Refused]);
    // The database knows where everything is, so segments, directories and the log are not needed.
    saw(&tally, "log", &[Truth::Exact]);
    saw(&tally, "index", &[Truth::Exact]);
    saw(&tally, "pack", &[Truth::Exact, Truth::Named]);
}

#[test]
fn damage_in_a_map_of_three_levels_names_what_lies_behind_it() {
    let sample = Sample::golden();
    let tally = run(&sample, 10, |name| kind(name) == "pack", Sample::with);
    saw(&tally, "pack", &[Truth::Exact, Truth::Named]);
}
