//! A service that puts over what is there, whatever it is told: one machine writes then, or none.

use super::Site;
use crate::support::{Proxy, Ran, S3Server, write_private};

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
    let site = Site::with(S3Server::that_replaces(), 111, "");
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
    let mut site = Site::new(112);
    site.save().ok();
    // The same objects, in the hands of another server.
    let other = S3Server::that_replaces();
    let mut copy = std::process::Command::new("cp");
    copy.arg("-a").arg(site.server.bucket().join("host")).arg(other.bucket());
    assert!(copy.status().unwrap().success());
    site.proxy = Proxy::before(&other);
    let text = S3Server::stores_at(&site.proxy.endpoint, "esker", "esker-secret");
    write_private(&site.home.path("proxied.toml"), &text);
    site.server = other;
    let source = site.source();
    let (entries, packs) = (site.objects("log"), site.objects("pack"));
    let refused = elsewhere(&site, &["snapshot", source.to_str().unwrap()]);
    refused.exit(1).says(&["s3://bucket/host", "hint:", "--single-writer"]);
    assert_eq!((site.objects("log"), site.objects("pack")), (entries, packs));
    elsewhere(&site, &["snapshots"]).ok();
}

/// Conditions are signed with the rest of a request.
#[test]
fn what_takes_a_condition_away_on_the_way_is_found_out() {
    let site = Site::new(113);
    site.save().ok();
    let entries = site.objects("log");
    site.proxy.rule("PUT * strip");
    site.change(1);
    site.save().exit(1).says(&["SignatureDoesNotMatch"]);
    assert_eq!(site.objects("log"), entries);
    site.proxy.clear();
    site.save().ok();
    site.expect_sound();
}
