//! Objects that are there and cannot be read.

use crate::support::{Draw, Home};
use std::path::PathBuf;

/// The packs of a repository, largest first.
fn packs(home: &Home) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(home.repository().join("pack")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let mut found: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    found.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().len()));
    found
}

#[test]
fn a_pack_that_cannot_be_read_loses_what_is_in_it_and_nothing_else() {
    let home = Home::new();
    for number in 0..20 {
        home.write(&format!("work/{number:02}"), Draw::new(number).noise(3 << 20));
    }
    home.snapshot(home.path("work")).ok();
    // Not even root reads a folder as a file.
    let pack = packs(&home).remove(0);
    std::fs::remove_file(&pack).unwrap();
    std::fs::create_dir(&pack).unwrap();

    let target = home.path("target");
    let what = format!("latest:{}", home.path("work").display());
    let ran = home.restore(&what, &target).exit(4);
    let same = |number: &u64| {
        let name = format!("{number:02}");
        std::fs::read(target.join(&name)).unwrap()
            == std::fs::read(home.path("work").join(name)).unwrap()
    };
    let (whole, lost): (Vec<u64>, Vec<u64>) = (0..20).partition(same);
    assert!(!whole.is_empty() && !lost.is_empty(), "{whole:?} {lost:?}");
    for number in lost {
        assert!(ran.err.contains(&format!("work/{number:02} has lost ")), "{}", ran.err);
    }
    let ran = home.run(["check", "--read-data"]).exit(4);
    ran.says(&[pack.file_name().unwrap().to_str().unwrap(), "snapshot "]);
}
