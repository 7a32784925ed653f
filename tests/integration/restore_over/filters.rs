//! `--include` and `--exclude`.

use super::{counts, latest, restore};
use crate::support::Home;
use std::path::{Path, PathBuf};

fn grow(home: &Home) -> PathBuf {
    for path in
        ["etc/nginx/nginx.conf", "etc/nginx/sites/a.conf", "etc/hosts", "var/log/x.log", "var/data"]
    {
        home.write(&format!("work/{path}"), path);
    }
    home.snapshot(home.path("work")).ok();
    home.path("work")
}

fn files(root: &Path) -> Vec<String> {
    let mut found: Vec<String> = super::listing::listing(root)
        .into_keys()
        .filter(|path| root.join(String::from_utf8_lossy(path).as_ref()).is_file())
        .map(|path| String::from_utf8(path).unwrap())
        .collect();
    found.sort();
    found
}

#[test]
fn only_what_is_included_is_made_with_the_directories_above_it() {
    let home = Home::new();
    let work = grow(&home);
    let cases: [(&[&str], &[&str]); 4] = [
        (&["--include", "*.conf"], &["etc/nginx/nginx.conf", "etc/nginx/sites/a.conf"]),
        (&["--include", "sites/"], &["etc/nginx/sites/a.conf"]),
        (&["--include", "etc", "--exclude", "*.conf"], &["etc/hosts"]),
        (&["--exclude", "etc"], &["var/data", "var/log/x.log"]),
    ];
    for (number, (options, expected)) in cases.into_iter().enumerate() {
        let target = home.path(format!("target {number}"));
        let dry = restore(&home, &latest(&work), &target, &[options, &["--dry-run"]].concat()).ok();
        assert!(!target.exists());
        let ran = restore(&home, &latest(&work), &target, options).ok();
        assert_eq!(files(&target), expected, "{options:?}");
        assert_eq!(counts(&dry), counts(&ran), "{options:?}");
        let all = super::listing::listing(&target);
        assert!(!all.contains_key(&b"var/log"[..]) || expected.contains(&"var/log/x.log"));
    }
}

#[test]
fn directories_above_what_is_included_keep_what_they_have() {
    let home = Home::new();
    let work = grow(&home);
    std::fs::write(work.join("etc/mine.conf"), "mine").unwrap();
    std::fs::write(work.join("etc/mine"), "mine").unwrap();
    std::fs::write(work.join("var/mine.conf"), "mine").unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o711);
    rustix::fs::chmod(work.join("etc"), mode).unwrap();
    let options = ["--include", "*.conf", "--exclude", "var", "--delete"];
    let ran = restore(&home, &latest(&work), &work, &options).ok();
    assert_eq!(counts(&ran)[4], 1);
    assert!(work.join("etc/mine").exists() && !work.join("etc/mine.conf").exists());
    assert!(work.join("var/mine.conf").exists());
    let kept = std::os::unix::fs::MetadataExt::mode(&work.join("etc").metadata().unwrap());
    assert_eq!(kept & 0o777, 0o711);
}

#[test]
fn a_pattern_that_means_nothing_is_refused() {
    let home = Home::new();
    let work = grow(&home);
    let ran = restore(&home, &latest(&work), &home.path("target"), &["--include", "../x"]).exit(1);
    ran.says(&["error: the pattern \"../x\"", "hint: "]);
}
