//! A store that refuses to delete: what was given up stays, is shown as such, and goes when it may.

use super::{Site, saved};

/// A repository with a forgotten snapshot that has most of the data.
fn forgotten(site: &Site) -> String {
    let first = saved(&site.save().ok());
    for n in 0..11 {
        std::fs::remove_file(site.source().join(format!("{n:02}"))).unwrap();
    }
    site.change(1);
    site.save().ok();
    site.run(&["forget", &first]).ok();
    first
}

#[test]
fn what_may_not_be_deleted_stays_given_up_and_goes_when_it_may() {
    let site = Site::new(11);
    forgotten(&site);
    let objects = site.objects("");
    site.proxy.rule("DELETE * answer 403 AccessDenied");
    let refused = site.run(&["gc", "--grace", "0"]).ok();
    assert!(site.proxy.report().iter().any(|asked| asked.kind == "DELETE"));
    assert!(refused.out.contains("the store refused to remove"), "{refused:?}");
    assert!(refused.out.contains("more than was freed so far"), "{refused:?}");
    refused.says(&["hint:", "may delete there"]);
    assert!(site.objects("") >= objects);
    site.expect_sound();

    // It is shown by whoever looks.
    let check = site.run(&["check"]).ok();
    check.says(&["was given up and is still there", "hint:"]);
    let stats = site.run(&["stats"]).ok();
    assert!(stats.out.contains("given up"), "{stats:?}");
    let dry = site.run(&["gc", "--dry-run"]).ok();
    assert!(dry.out.contains("given up before"), "{dry:?}");

    // Nothing new relies on it, and saving goes on.
    site.change(2);
    site.save().ok();
    site.expect_sound();
    let again = site.run(&["gc", "--grace", "0", "--json"]).ok().json();
    assert!(again[1]["refused"]["count"].as_u64().unwrap() > 0, "{again:?}");
    assert_eq!(again[1]["removed"]["count"], 0);

    site.proxy.clear();
    let freed = site.run(&["gc", "--grace", "0"]).ok();
    assert!(!freed.out.contains("refused"), "{freed:?}");
    let check = site.run(&["check"]).ok();
    assert!(!check.err.contains("given up"), "{check:?}");
    let stats = site.run(&["stats"]).ok();
    assert!(!stats.out.contains("given up"), "{stats:?}");
    assert!(site.objects("pack") < objects);
    site.expect_sound();
}
