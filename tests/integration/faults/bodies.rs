//! Bodies that come short or changed: nobody takes them for what was stored, and nothing of it stays.

use super::{Site, saved};

#[test]
fn what_always_breaks_off_is_out_of_reach_and_not_damaged() {
    let site = Site::new(61);
    site.save().ok();
    std::fs::remove_dir_all(site.home.path("cache")).unwrap();
    site.proxy.rule("READ /pack/ cut");
    let target = site.home.path("cut off");
    let restored = site.run(&["restore", "latest", target.to_str().unwrap()]);
    assert_ne!(restored.code, 0, "{restored:?}");
    assert!(restored.err.contains("cut off") && !restored.err.contains("damaged"), "{restored:?}");
    site.run(&["check", "--read-data"]).exit(5).says(&["cut off"]);
    site.proxy.clear();
    site.expect_sound();
}

#[test]
fn what_comes_changed_is_told_as_damage_and_is_good_again_when_it_comes_as_it_is() {
    for (seed, deed) in [(62, "short"), (63, "flip")] {
        let site = Site::new(seed);
        saved(&site.save().ok());
        site.change(1);
        site.save().ok();
        std::fs::remove_dir_all(site.home.path("cache")).unwrap();
        site.proxy.rule(&format!("READ /pack/ {deed}"));
        site.run(&["check", "--read-data"]).exit(4).says(&["pack/"]);
        let target = site.home.path("target");
        let restored = site.run(&["restore", "latest", target.to_str().unwrap()]);
        assert!(matches!(restored.code, 3 | 4), "{restored:?}");
        std::fs::remove_dir_all(&target).unwrap();
        site.proxy.clear();
        site.proxy.rule(&format!("READ /log/ {deed}"));
        // Nothing is appended to a log that cannot be read.
        let entries = site.objects("log");
        assert_eq!(site.save().code, 4, "{deed}");
        assert_eq!(site.objects("log"), entries);
        site.proxy.clear();
        site.proxy.rule(&format!("READ /config {deed}"));
        std::fs::remove_dir_all(site.home.path("cache")).unwrap();
        site.run(&["snapshots"]).exit(4).says(&["config", "damaged"]);
        site.proxy.clear();
        site.save().ok();
        site.run(&["check", "--read-data"]).ok();
        site.expect_sound();
    }
}

#[test]
fn a_pack_that_a_service_denies_for_a_while_is_stored_again_and_nothing_is_lost() {
    let site = Site::new(64);
    let first = saved(&site.save().ok());
    site.proxy.rule("* /pack/ answer 404 NoSuchKey");
    let target = site.home.path("target");
    let restored = site.run(&["restore", "latest", target.to_str().unwrap()]);
    assert!(matches!(restored.code, 3 | 4), "{restored:?}");
    site.run(&["check"]).exit(4);
    site.proxy.clear();
    site.save().ok();
    site.expect_sound();
    site.direct(&["restore", &first, site.home.path("other").to_str().unwrap()]).ok();
}
