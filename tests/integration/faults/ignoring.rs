//! A service that puts over what is there, whatever it is told: one machine writes then, or none.

use super::Site;
use crate::support::Ran;

/// Runs the owner's program through the proxy on another machine.
fn elsewhere(site: &Site, words: &[&str]) -> Ran {
    let mut command = site.command("proxied.toml", "key");
    command
        .env("XDG_CACHE_HOME", site.home.path("elsewhere cache"))
        .env("XDG_STATE_HOME", site.home.path("elsewhere state"));
    Ran::of(command.args(words))
}

#[test]
fn where_puts_replace_one_machine_writes_and_others_read() {
    let site = Site::empty(111);
    site.proxy.rule("PUT * strip");
    let made = site.run(&["init", "--json"]).ok().json().remove(0);
    assert_eq!(made["mode"], "single-writer");
    assert_eq!(made["probe"]["put_if_absent"], "bad");
    site.save().ok();
    let source = site.source();
    let save = ["snapshot", source.to_str().unwrap()];
    let entries = site.objects("log");
    elsewhere(&site, &save).exit(1).says(&["esker takeover"]);
    assert_eq!(site.objects("log"), entries);
    elsewhere(&site, &["snapshots"]).ok();
    elsewhere(&site, &["check"]).ok();
    site.change(1);
    site.save().ok();
    site.expect_sound();
}

#[test]
fn a_machine_whose_way_to_a_shared_repository_replaces_objects_does_not_write() {
    let site = Site::new(112);
    site.save().ok();
    site.proxy.rule("PUT * strip");
    let source = site.source();
    let (entries, packs) = (site.objects("log"), site.objects("pack"));
    let refused = elsewhere(&site, &["snapshot", source.to_str().unwrap()]);
    refused.exit(1).says(&["s3://bucket/host", "hint:", "--single-writer"]);
    assert_eq!((site.objects("log"), site.objects("pack")), (entries, packs));
    elsewhere(&site, &["snapshots"]).ok();
    site.expect_sound();
}
