//! Which of the files that are there are replaced, and how.

use super::mutate::change_unseen;
use super::{counts, latest, restore, summary};
use crate::support::{Draw, Home, skipped};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn touch(path: &Path, from_now: i64) {
    let now = SystemTime::now();
    let by = Duration::from_secs(from_now.unsigned_abs());
    let time = if from_now < 0 { now - by } else { now + by };
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn each_mode_replaces_what_it_says_and_counts_what_it_keeps() {
    for (mode, older, newer, unseen, kept) in [
        ("always", "saved", "saved", "saved", 0),
        ("if-changed", "saved", "saved", "Saved", 0),
        ("if-newer", "saved", "newer", "Saved", 1),
        ("never", "older", "newer", "Saved", 3),
    ] {
        let home = Home::new();
        let files =
            ["older", "newer", "unseen", "gone"].map(|n| home.write(&format!("work/{n}"), "saved"));
        let work = home.path("work");
        home.snapshot(&work).ok();
        let [a, b, c, gone] = &files;
        std::fs::write(a, "older").unwrap();
        touch(a, -1000);
        std::fs::write(b, "newer").unwrap();
        touch(b, 1000);
        let time = c.metadata().unwrap().modified().unwrap();
        std::fs::write(c, "Saved").unwrap();
        std::fs::File::open(c).unwrap().set_modified(time).unwrap();
        std::fs::remove_file(gone).unwrap();
        let ran = restore(&home, &latest(&work), &work, &["--overwrite", mode]).ok();
        assert_eq!([read(a), read(b), read(c)], [older, newer, unseen], "{mode}");
        assert_eq!(read(gone), "saved", "{mode}");
        assert_eq!(counts(&ran)[3], kept, "{mode}: {}", ran.out);
    }
}

#[test]
fn what_is_kept_in_the_place_of_a_directory_keeps_all_that_would_be_in_it() {
    let home = Home::new();
    home.write("work/folder/deep/file", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    std::fs::remove_dir_all(work.join("folder")).unwrap();
    std::fs::write(work.join("folder"), "mine").unwrap();
    let ran = restore(&home, &latest(&work), &work, &["--overwrite", "never"]).ok();
    assert_eq!((read(&work.join("folder")), counts(&ran)[3]), ("mine".to_owned(), 3));
    restore(&home, &latest(&work), &work, &[]).ok();
    assert_eq!(read(&work.join("folder/deep/file")), "saved");
}

#[test]
fn a_directory_with_things_in_it_stays_where_a_file_should_be_unless_it_may_be_deleted() {
    let home = Home::new();
    home.write("work/a", "saved");
    home.write("work/b", "saved");
    let work = home.path("work");
    home.snapshot(&work).ok();
    for (name, inside) in [("a", true), ("b", false)] {
        std::fs::remove_file(work.join(name)).unwrap();
        std::fs::create_dir(work.join(name)).unwrap();
        if inside {
            std::fs::write(work.join(name).join("mine"), "mine").unwrap();
        }
    }
    let ran = restore(&home, &latest(&work), &work, &[]).exit(3);
    ran.says(&[work.join("a").to_str().unwrap(), "directory that is not empty", "--delete"]);
    assert_eq!(
        (read(&work.join("a/mine")), read(&work.join("b"))),
        ("mine".into(), "saved".into())
    );
    restore(&home, &latest(&work), &work, &["--delete"]).ok();
    assert_eq!(read(&work.join("a")), "saved");
}

#[test]
fn metadata_are_corrected_without_reading_or_replacing_the_content() {
    let home = Home::new();
    let file = home.write("work/file", Draw::new(1).noise(300 << 10));
    home.snapshot(home.path("work")).ok();
    let before = file.metadata().unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o4711)).unwrap();
    let attribute = rustix::fs::XattrFlags::empty();
    let has_attributes = rustix::fs::setxattr(&file, "user.more", b"x", attribute).is_ok();
    let ran = restore(&home, &latest(&home.path("work")), &home.path("work"), &[]).ok();
    let after = file.metadata().unwrap();
    assert_eq!((after.mode(), after.ino()), (before.mode(), before.ino()));
    assert_eq!(
        (counts(&ran)[..3].to_vec(), summary(&ran)["fetched_bytes"].as_u64()),
        (vec![0, 1, 1], Some(0))
    );
    if has_attributes {
        assert!(rustix::fs::getxattr(&file, "user.more", &mut [0u8; 9][..]).is_err());
    }
}

#[test]
fn a_large_file_is_changed_where_it_is_and_a_small_one_is_replaced() {
    let home = Home::new();
    let large = home.write("work/large", Draw::new(1).noise(65 << 20));
    let small = home.write("work/small", Draw::new(2).noise(2 << 20));
    let work = home.path("work");
    home.snapshot(&work).ok();
    for (options, keeps_small) in
        [(&["--overwrite", "always"][..], false), (&["--overwrite", "always", "--in-place"], true)]
    {
        let inodes = [&large, &small].map(|path| path.metadata().unwrap().ino());
        let sound = [&large, &small].map(|path| std::fs::read(path).unwrap());
        change_unseen(&large, 33 << 20);
        change_unseen(&small, 1 << 20);
        let ran = restore(&home, &latest(&work), &work, options).ok();
        assert_eq!(counts(&ran)[1], 2);
        let kept = [&large, &small].map(|path| path.metadata().unwrap().ino());
        assert_eq!([kept[0] == inodes[0], kept[1] == inodes[1]], [true, keeps_small]);
        assert!([&large, &small].map(|path| std::fs::read(path).unwrap()) == sound);
        assert!(summary(&ran)["fetched_bytes"].as_u64().unwrap() < 10 << 20);
        assert!(!work.join(".esker-restore-journal").exists());
    }
}

#[test]
fn a_hole_is_punched_again() {
    let home = Home::new();
    let file = home.write("work/file", "begin");
    let grow = |file: &Path| {
        std::fs::File::options().write(true).open(file).unwrap().set_len(8 << 20).unwrap()
    };
    grow(&file);
    let work = home.path("work");
    home.snapshot(&work).ok();
    let blocks = file.metadata().unwrap().blocks();
    let mut solid = std::fs::read(&file).unwrap();
    let inode = file.metadata().unwrap().ino();
    std::fs::write(&file, &solid).unwrap();
    if file.metadata().unwrap().blocks() <= blocks {
        return skipped("the file system makes holes by itself");
    }
    restore(&home, &latest(&work), &work, &[]).ok();
    let now = file.metadata().unwrap();
    assert_eq!((now.blocks(), now.ino()), (blocks, inode), "zeros are freed where they are");
    solid[5 << 20] = 1;
    std::fs::write(&file, &solid).unwrap();
    for options in [&[][..], &["--in-place", "--overwrite", "always"]] {
        std::fs::write(&file, &solid).unwrap();
        restore(&home, &latest(&work), &work, options).ok();
        assert_eq!(file.metadata().unwrap().blocks(), blocks, "{options:?}");
        assert!(std::fs::read(&file).unwrap()[5..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_file_that_the_repository_has_lost_leaves_the_one_that_is_there() {
    let home = Home::new();
    let [lost, same] = ["lost", "same"].map(|name| {
        home.write(&format!("work/{name}"), Draw::new(7 + name.len() as u64).noise(1 << 20))
    });
    std::fs::write(&same, Draw::new(99).noise(1 << 20)).unwrap();
    let work = home.path("work");
    home.snapshot(&work).ok();
    std::fs::write(&lost, "another content").unwrap();
    let packs = home.repository().join("pack");
    std::fs::rename(&packs, home.path("packs away")).unwrap();
    std::fs::create_dir(&packs).unwrap();
    let ran = restore(&home, "latest", Path::new("/nowhere"), &["--dry-run"]);
    assert_eq!(ran.code, 4, "pages of the map are lost too: {}", ran.err);
    assert_eq!(read(&lost), "another content");
    assert!(!Path::new("/nowhere").exists());
}
