//! Files that are changed where they are, and of which the repository has lost something.

use super::mutate::change_unseen;
use super::{latest, restore};
use crate::support::{Draw, Home};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const IN_PLACE: &[&str] = &["--in-place", "--overwrite", "always"];

fn packs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { packs(&path) } else { vec![path] }).collect()
}

/// A file of which the first half lies in other packs than the second one and all else; it differs
/// in both halves. Returns it, what was saved, and the packs of the first half.
fn halves(home: &Home) -> (PathBuf, Vec<u8>, Vec<PathBuf>) {
    let mut draw = Draw::new(5);
    let mut saved = draw.noise(6 << 20);
    let file = home.write("work/file", &saved);
    home.snapshot(home.path("work")).ok();
    let first = packs(&home.repository().join("pack"));
    saved.extend(draw.noise(6 << 20));
    std::fs::write(&file, &saved).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o4751)).unwrap();
    home.snapshot(home.path("work")).ok();
    [1 << 20, 11 << 20].iter().for_each(|at| change_unseen(&file, *at));
    (file, saved, first)
}

fn state(file: &Path) -> (Vec<u8>, u32, i64, u64) {
    let stat = file.metadata().unwrap();
    (std::fs::read(file).unwrap(), stat.mode(), stat.mtime_nsec(), stat.ino())
}

#[test]
fn a_file_is_not_written_where_it_is_when_a_pack_of_it_is_gone() {
    let home = Home::new();
    let (file, saved, first) = halves(&home);
    let work = home.path("work");
    let (old, away) = (state(&file), home.path("away"));
    assert_eq!(first.len(), 1);
    std::fs::rename(&first[0], &away).unwrap();
    let ran = restore(&home, &latest(&work), &work, IN_PLACE).exit(4);
    ran.says(&["/work/file has lost", "what is in the target stays"]);
    assert!(state(&file) == old);
    assert!(!work.join(".esker-restore-journal").exists());
    std::fs::rename(&away, &first[0]).unwrap();
    restore(&home, &latest(&work), &work, IN_PLACE).ok();
    assert!(std::fs::read(&file).unwrap() == saved);
}

#[test]
fn a_file_that_is_neither_old_nor_new_stays_named_until_it_is_whole() {
    let home = Home::new();
    let (file, saved, first) = halves(&home);
    let (work, journal) = (home.path("work"), home.path("work/.esker-restore-journal"));
    let mode = state(&file).1;
    let sound = std::fs::read(&first[0]).unwrap();
    let mut rotten = sound.clone();
    rotten.iter_mut().skip(8 << 10).step_by(1000).for_each(|byte| *byte ^= 0x55);
    std::fs::remove_file(&first[0]).unwrap();
    std::fs::write(&first[0], &rotten).unwrap();
    for options in [IN_PLACE, &["--in-place"]] {
        let ran = restore(&home, &latest(&work), &work, options).exit(4);
        ran.says(&["/work/file has lost"]);
        assert!(std::fs::read_to_string(&journal).unwrap().contains("\nwriting /file\n"));
        assert_eq!(state(&file).1, mode);
    }
    std::fs::write(&first[0], &sound).unwrap();
    restore(&home, &latest(&work), &work, &["--in-place"]).ok();
    assert!(std::fs::read(&file).unwrap() == saved && !journal.exists());
}
