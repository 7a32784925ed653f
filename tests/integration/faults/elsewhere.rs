//! Copies to the wrong place: a destination with another history, or with another repository.

use super::{Site, saved};

#[test]
fn a_destination_with_another_repository_or_another_history_is_refused_and_stays_as_it_is() {
    let site = Site::new(71);
    saved(&site.save().ok());
    let sync = |to: &str| site.run(&["sync", to]);
    // Another repository, under another key.
    let other_key = site.home.path("other.key");
    let other = |words: &[&str]| {
        let mut command = site.command("direct.toml", "other.key");
        command.env("ESKER_REPOSITORY", "s3://bucket/other");
        crate::support::Ran::of(command.args(words))
    };
    other(&["init"]).ok();
    assert!(other_key.exists());
    sync("s3://bucket/other").exit(1).says(&["not marked as a copy"]);
    other(&["sync", "s3://bucket/copy-of-other"]).ok();
    sync("s3://bucket/copy-of-other").exit(1).says(&["is a copy of repository "]);
    // A copy that has what the repository has not.
    sync("s3://bucket/copy").ok();
    site.change(1);
    site.save().ok();
    sync("s3://bucket/copy").ok();
    let entries = std::fs::read_dir(site.server.bucket().join("host/log/0")).unwrap();
    let last = entries
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap());
    let aside = site.home.path("entry");
    assert!(
        std::process::Command::new("mv").arg(last.unwrap()).arg(&aside).status().unwrap().success()
    );
    site.proxy.report();
    sync("s3://bucket/copy").exit(4).says(&["may be all that is left"]);
    // Another one in its place.
    for folder in ["cache", "state"] {
        std::fs::remove_dir_all(site.home.path(folder)).unwrap();
    }
    site.change(2);
    site.save().ok();
    site.proxy.report();
    sync("s3://bucket/copy").exit(4).says(&["the histories went apart"]);
    assert!(site.proxy.report().iter().all(|asked| asked.kind != "PUT" && asked.kind != "DELETE"));
    let mut check = site.command("direct.toml", "key");
    check.env("XDG_STATE_HOME", site.home.path("other state"));
    check.args(["--repo", "s3://bucket/copy", "check", "--read-data"]);
    crate::support::Ran::of(&mut check).ok();
}
