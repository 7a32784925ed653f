//! Files with several names.

use super::mutate::change_unseen;
use super::{counts, latest, restore};
use crate::support::Home;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn inode(path: &Path) -> u64 {
    path.symlink_metadata().unwrap().ino()
}

#[test]
fn names_that_the_snapshot_links_are_linked_again_and_wrong_ones_are_taken_apart() {
    let home = Home::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| home.write(&format!("work/{name}"), "same"));
    std::fs::remove_file(&b).unwrap();
    std::fs::hard_link(&a, &b).unwrap();
    let work = home.path("work");
    home.snapshot(&work).ok();
    // Now b is on its own, and d is linked to c.
    std::fs::remove_file(&b).unwrap();
    std::fs::copy(&a, &b).unwrap();
    let time = |path: &Path| path.metadata().unwrap().modified().unwrap();
    std::fs::File::open(&c).unwrap().set_modified(time(&d)).unwrap();
    std::fs::remove_file(&d).unwrap();
    std::fs::hard_link(&c, &d).unwrap();
    let ran = restore(&home, &latest(&work), &work, &[]).ok();
    assert_eq!(inode(&a), inode(&b));
    assert_ne!(inode(&c), inode(&d));
    assert_eq!(std::fs::read(&d).unwrap(), b"same");
    assert!(counts(&ran)[1] >= 2, "{}", ran.out);
    let again = restore(&home, &latest(&work), &work, &[]).ok();
    assert_eq!(counts(&again)[1], 0);
}

#[test]
fn a_name_outside_of_what_is_restored_keeps_content_and_metadata() {
    let home = Home::new();
    let names = ["content", "mode"];
    names.iter().for_each(|name| drop(home.write(&format!("work/{name}"), name.repeat(9000))));
    let work = home.path("work");
    home.snapshot(&work).ok();
    for name in names {
        std::fs::hard_link(work.join(name), home.path(name)).unwrap();
    }
    change_unseen(&work.join("content"), 5);
    std::fs::set_permissions(work.join("mode"), PermissionsExt::from_mode(0o600)).unwrap();
    let outside = |name: &str| {
        let path = home.path(name);
        (std::fs::read(&path).unwrap(), path.metadata().unwrap().mode(), inode(&path))
    };
    let before = names.map(outside);
    restore(&home, &latest(&work), &work, &["--overwrite", "always"]).ok();
    assert_eq!(names.map(outside), before);
    assert_eq!(std::fs::read_to_string(work.join("content")).unwrap(), "content".repeat(9000));
    assert_eq!(work.join("mode").metadata().unwrap().mode() & 0o777, 0o644);
    for name in names {
        assert_ne!(inode(&work.join(name)), inode(&home.path(name)), "{name}");
    }
}

#[test]
fn a_further_name_is_restored_though_the_first_one_is_left_out() {
    let home = Home::new();
    let first = home.write("work/first", "content");
    std::fs::hard_link(&first, home.path("work/second")).unwrap();
    let work = home.path("work");
    home.snapshot(&work).ok();
    let target = home.path("target");
    restore(&home, &latest(&work), &target, &["--exclude", "first"]).ok();
    assert_eq!(std::fs::read_to_string(target.join("second")).unwrap(), "content");
    assert!(!target.join("first").exists());
}

#[test]
fn a_link_in_the_way_is_replaced_and_never_followed() {
    let home = Home::new();
    home.write("work/folder/file", "saved");
    home.write("work/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    let outside = home.write("outside/file", "mine");
    std::fs::remove_dir_all(work.join("folder")).unwrap();
    std::fs::remove_file(work.join("file")).unwrap();
    std::os::unix::fs::symlink(home.path("outside"), work.join("folder")).unwrap();
    std::os::unix::fs::symlink(&outside, work.join("file")).unwrap();
    restore(&home, &latest(&work), &work, &["--delete"]).ok();
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "mine");
    for path in ["folder/file", "file"] {
        assert!(work.join(path).symlink_metadata().unwrap().is_file(), "{path}");
    }
}
