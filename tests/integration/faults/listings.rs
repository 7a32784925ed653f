//! Listings that are cut or none at all: an error, and never a repository that looks emptier than it is.

use super::{Site, saved};

/// A repository where a collection would have something to do, so that a short listing could do harm.
fn site(seed: u64) -> Site {
    let site = Site::new(seed);
    let first = saved(&site.save().ok());
    std::fs::remove_file(site.source().join("01")).unwrap();
    site.change(1);
    site.save().ok();
    site.run(&["forget", &first]).ok();
    site
}

/// Whoever lists says that it failed; nothing is removed, and the index is not made poorer.
#[track_caller]
fn expect_errors(site: &Site, words: &[&str]) {
    let before = site.objects("");
    for command in
        [&["gc", "--grace", "0"][..], &["check"], &["sync", "s3://bucket/copy"], &["key", "list"]]
    {
        let told = site.run(command);
        assert_eq!(told.code, 5, "{command:?}: {told:?}");
        told.says(&["error:", "cannot list ", "s3://bucket/", "hint:"]).says(words);
    }
    assert_eq!(site.objects(""), before);
    site.proxy.clear();
    site.expect_sound();
    site.run(&["gc", "--grace", "0"]).ok();
    site.expect_sound();
}

#[test]
fn a_listing_that_is_cut_is_an_error() {
    let site = site(51);
    site.proxy.rule("LIST * cut");
    expect_errors(&site, &["cut off", "tried "]);
}

#[test]
fn a_listing_that_ends_too_early_and_says_that_this_is_all_is_an_error() {
    let site = site(52);
    site.proxy.rule("LIST * short");
    expect_errors(&site, &["no listing: it breaks off"]);
}

#[test]
fn a_page_for_people_is_no_empty_listing() {
    let site = site(53);
    site.proxy.rule("LIST * say <html><body>Please_log_in</body></html>");
    expect_errors(&site, &["no listing", "Please log in"]);
}

#[test]
fn an_answer_that_does_not_say_whether_it_is_the_last_is_no_listing() {
    let site = site(54);
    site.proxy.rule("LIST * say <ListBucketResult></ListBucketResult>");
    expect_errors(&site, &["does not say whether there is more"]);
}

#[test]
fn a_listing_that_stalls_half_way_is_an_error() {
    let site = site(55);
    site.proxy.rule("LIST pack stall");
    site.run(&["check"]).exit(5).says(&["cannot list pack/", "nothing came"]);
    site.proxy.clear();
    site.expect_sound();
}

#[test]
fn a_second_page_that_does_not_come_is_an_error_and_the_next_run_sees_all() {
    let site = site(56);
    // What is not named like a pack is nobody's, and is passed over.
    let folder = site.server.bucket().join("host/pack/00");
    std::fs::create_dir_all(&folder).unwrap();
    (0..1100).for_each(|n| std::fs::write(folder.join(format!("x{n}")), b"").unwrap());
    site.proxy.rule("LIST continuation-token drop");
    site.proxy.rule("LIST start-after drop");
    for command in [&["gc", "--grace", "0"][..], &["check"], &["sync", "s3://bucket/copy"]] {
        site.run(command).exit(5).says(&["cannot list ", "hint:"]);
    }
    // It goes on where it was cut off.
    site.proxy.clear();
    site.proxy.rule("LIST continuation-token drop times=1");
    site.proxy.report();
    site.run(&["check"]).ok();
    let asked = site.proxy.report();
    assert!(asked.iter().any(|asked| asked.target.contains("start-after")), "{asked:?}");
    site.expect_sound();
}
