//! A service that cannot be reached, or that does not let us in: what is told, and that the next run goes on.

use super::{Site, saved};
use crate::support::{S3Server, write_private};

/// Everything that is refused from the start.
fn refused_by(site: &Site, code: i32, words: &[&str]) {
    let source = site.source();
    let (source, target) = (source.to_str().unwrap(), site.home.path("never"));
    let commands: &[&[&str]] = &[
        &["snapshot", source],
        &["snapshots"],
        &["ls", "latest"],
        &["restore", "latest", target.to_str().unwrap()],
        &["check"],
        &["gc"],
        &["forget", "latest"],
        &["stats"],
        &["sync", "s3://bucket/copy"],
    ];
    for command in commands {
        let told =
            site.run(command).exit(code).says(&["error:", "s3://bucket/", "hint:"]).says(words);
        assert!(!told.err.contains("panicked"), "{told:?}");
        assert!(!told.err.contains("esker-secret"), "{told:?}");
    }
    assert!(!target.exists());
}

#[test]
fn whoever_is_let_in_nowhere_is_told_by_whom_and_where_the_keys_come_from() {
    let site = Site::new(31);
    site.save().ok();
    site.proxy.rule("* * answer 403 InvalidAccessKeyId");
    refused_by(&site, 1, &["permission denied", "InvalidAccessKeyId", "stores.toml"]);
    site.proxy.clear();
    // As S3 answers for the entry behind the end to whoever may not list.
    let next = site.objects("log");
    site.proxy.rule(&format!("* /log/0/{next} answer 403 AccessDenied"));
    let denied = site.save().exit(1);
    denied.says(&["permission denied", "AccessDenied", "may not list the bucket"]);
    site.proxy.clear();
    // In the words of the server itself.
    let stores = site.home.path("proxied.toml");
    write_private(&stores, &S3Server::stores_at(&site.proxy.endpoint, "esker", "wrong"));
    refused_by(&site, 1, &["permission denied", "SignatureDoesNotMatch"]);
    site.expect_sound();
}

#[test]
fn a_bucket_that_is_gone_is_named_and_is_no_empty_repository() {
    let site = Site::new(32);
    site.save().ok();
    let (bucket, away) = (site.server.bucket(), site.home.path("away"));
    // To another file system perhaps.
    let moved = |from: &std::path::Path, to: &std::path::Path| {
        assert!(std::process::Command::new("mv").arg(from).arg(to).status().unwrap().success());
    };
    moved(&bucket, &away);
    refused_by(&site, 1, &["NoSuchBucket", "make it first"]);
    assert!(!bucket.exists());
    moved(&away, &bucket);
    site.expect_sound();
}

#[test]
fn an_endpoint_that_nobody_answers_at_any_more_is_out_of_reach() {
    let site = Site::new(33);
    site.save().ok();
    site.proxy.rule("* * drop");
    refused_by(&site, 5, &["cannot be reached", "connection closed", "tried 3 times"]);
    site.proxy.clear();
    site.proxy.rule("* * answer 503 SlowDown");
    refused_by(&site, 5, &["cannot be reached", "SlowDown", "tried "]);
    site.expect_sound();
}

#[test]
fn a_connection_that_hangs_for_ever_is_out_of_reach() {
    let site = Site::new(34);
    site.save().ok();
    site.proxy.rule("* * hang");
    let told = site.run(&["snapshots"]).exit(5);
    told.says(&["cannot be reached", "nothing came and nothing went for 2 seconds", "hint:"]);
    site.expect_sound();
}

#[test]
fn a_snapshot_that_loses_the_service_half_way_is_carried_on_by_the_next() {
    let site = Site::new(35);
    let first = saved(&site.save().ok());
    let mut draw = crate::support::Draw::new(35);
    for n in 0..70 {
        site.home.write(&format!("source/large/{n}"), draw.noise(1 << 20));
    }
    for deed in ["drop", "hang", "answer 503 SlowDown", "answer 403 AccessDenied"] {
        let before = site.objects("pack");
        site.proxy.rule(&format!("PUT /pack/ {deed} after=1"));
        let code = if deed.contains("403") { 1 } else { 5 };
        let told = site.save().exit(code);
        assert!(told.err.contains("cannot write pack/"), "{told:?}");
        assert!(site.objects("pack") > before || deed != "drop", "{deed}");
        let listed = site.direct(&["snapshots", "--json"]).ok().json();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["id"], first.as_str());
        site.direct(&["check", "--read-data"]).ok();
        site.proxy.clear();
    }
    site.save().ok();
    site.expect_sound();
}

#[test]
fn a_commit_that_the_service_never_answers_for_is_found_by_the_next_run() {
    for (seed, rule) in [(36, "PUT /log/ lose"), (37, "PUT /log/ drop")] {
        let site = Site::new(seed);
        site.save().ok();
        site.change(1);
        site.proxy.rule(rule);
        // Whether it took effect is read back: the one that did is a good end.
        let ran = site.save();
        let is_there = rule.ends_with("lose");
        assert_eq!(ran.code, if is_there { 0 } else { 5 }, "{ran:?}");
        site.proxy.clear();
        let listed = site.direct(&["snapshots", "--json"]).ok().json();
        assert_eq!(listed.len(), 1 + usize::from(is_there));
        site.save().ok();
        site.expect_sound();
    }
}

#[test]
fn a_collection_that_loses_the_service_half_way_is_carried_on_by_the_next() {
    for (seed, rule) in
        [(41, "DELETE * drop after=1"), (42, "DELETE * lose"), (43, "PUT /log/ drop after=1")]
    {
        let site = Site::new(seed);
        let first = saved(&site.save().ok());
        for n in 0..11 {
            std::fs::remove_file(site.source().join(format!("{n:02}"))).unwrap();
        }
        site.change(1);
        site.save().ok();
        site.run(&["forget", &first]).ok();
        site.proxy.rule(rule);
        site.run(&["gc", "--grace", "0"]).exit(5).says(&["cannot be reached", "hint:"]);
        site.proxy.clear();
        site.expect_sound();
        site.run(&["gc", "--grace", "0", "--abort-after", "0"]).ok();
        site.run(&["gc", "--grace", "0", "--abort-after", "0"]).ok();
        let checked = site.run(&["check"]).ok();
        assert!(
            !checked.err.contains("given up") && !checked.err.contains("session"),
            "{checked:?}"
        );
        site.expect_sound();
    }
}
