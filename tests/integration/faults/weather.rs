//! A repository's life under bad weather: whatever is lost, late, refused for now or done twice, every command comes
//! to its good end, and everything is there.

// Of sixteen puts at once whose answers are lost nobody can tell which one stored: where they all are, a probe
// ends without a verdict, so there it is left in peace.

use super::{Site, saved};
use crate::support::Ran;

/// Everything that a repository goes through, each step with exit code 0.
fn live_through(weather: &[&str], seed: u64) {
    let site = Site::patient(seed);
    weather.iter().for_each(|rule| site.proxy.rule(rule));
    site.run(&["init"]).ok();
    let first = saved(&site.save().ok());
    site.run(&["tag", &first, "--add", "x"]).ok();
    let sync = || site.run(&["sync", "s3://bucket/copy"]).ok();
    sync();
    for n in 0..6 {
        std::fs::remove_file(site.source().join(format!("{n:02}"))).unwrap();
    }
    site.change(seed);
    let second = saved(&site.save().ok());
    let key = site.home.path("writer.key");
    site.run(&["key", "export-writer", "--name", "host", key.to_str().unwrap()]).ok();
    let mut slot = site.command("proxied.toml", "key");
    Ran::of(slot.env("ESKER_NEW_PASSWORD", "secret").args(["key", "add"])).ok();
    site.run(&["forget", &first]).ok();
    site.run(&["gc", "--grace", "0"]).ok();
    // On a machine that knows nothing.
    std::fs::remove_dir_all(site.home.path("cache")).unwrap();
    site.run(&["check", "--read-data"]).ok();
    let listed = site.run(&["snapshots", "--json"]).ok().json();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], second.as_str());
    let target = site.home.path("restored");
    let what = format!("{second}:{}", site.source().display());
    site.run(&["restore", &what, target.to_str().unwrap()]).ok();
    sync();
    site.run(&["--repo", "s3://bucket/copy", "gc"]).ok();
    site.run(&["--repo", "s3://bucket/copy", "promote"]).ok();
    let happened = site.proxy.report();
    let broken = happened.iter().filter(|asked| asked.deed != "pass").count();
    assert!(broken > 4, "the weather was good: {broken} of {}", happened.len());

    site.proxy.clear();
    site.expect_sound();
    site.direct(&["--repo", "s3://bucket/copy", "check", "--read-data"]).ok();
    // Nothing is left over that a second try has put twice.
    let checked = site.direct(&["gc", "--grace", "0", "--abort-after", "0"]).ok();
    assert!(!checked.out.contains("silent session"), "{checked:?}");
}

#[test]
fn every_write_that_arrives_twice_is_taken_for_one() {
    live_through(&["PUT /probe/ pass", "PUT * twice", "DELETE * twice"], 21);
}

#[test]
fn answers_that_get_lost_lose_nothing() {
    live_through(&["* * lose one-in=5"], 22);
}

#[test]
fn the_answer_to_every_first_try_of_a_write_may_get_lost() {
    live_through(&["PUT /probe/ pass", "PUT * lose one-in=2", "DELETE * lose one-in=2"], 23);
}

#[test]
fn a_service_that_does_it_and_says_that_it_failed_is_asked_again() {
    live_through(&["* * after 500 InternalError one-in=5"], 24);
}

#[test]
fn a_storm_of_503_and_500_passes() {
    let weather = ["* * answer 503 SlowDown one-in=8", "* * answer 500 InternalError one-in=9"];
    live_through(&weather, 25);
}

#[test]
fn connections_that_close_before_anything_happened_are_made_anew() {
    live_through(&["* * drop one-in=4"], 26);
}

#[test]
fn bodies_and_listings_that_break_off_are_read_again() {
    live_through(&["READ * cut one-in=8", "LIST * cut one-in=3", "LIST * short one-in=5"], 27);
}

#[test]
fn connections_that_hang_are_given_up_and_made_anew() {
    live_through(&["* * hang one-in=60", "READ * stall one-in=40", "PUT * hang one-in=20"], 28);
}
