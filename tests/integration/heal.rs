//! What a new snapshot mends.

use crate::support::{Draw, Home};
use std::path::PathBuf;

fn packs(home: &Home) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(home.repository().join("pack")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn after_packs_were_lost_the_next_snapshot_is_whole() {
    let home = Home::new();
    for n in 0..20u8 {
        let bytes: Vec<u8> = (0..50_000u32).map(|i| (i * i % 251) as u8 ^ n).collect();
        home.write(&format!("work/{n}"), bytes);
    }
    let work = home.path("work");
    home.snapshot(&work).ok();
    home.write("work/more", vec![7; 100_000]);
    home.snapshot(&work).ok();
    for pack in packs(&home) {
        std::fs::remove_file(pack).unwrap();
    }
    home.restore("latest", home.path("lost")).exit(4);
    home.snapshot(&work).ok();
    home.snapshot(&work).ok();
    for target in ["with-index", "without-index"] {
        home.restore("latest", home.path(target)).ok();
        for entry in std::fs::read_dir(&work).unwrap() {
            let name = entry.unwrap().file_name();
            // Below the target is the whole path of what was saved.
            let restored = home.path(target).join(work.strip_prefix("/").unwrap()).join(&name);
            assert!(std::fs::read(restored).unwrap() == std::fs::read(work.join(name)).unwrap());
        }
        let _ = std::fs::remove_dir_all(home.path("cache"));
    }
}

#[test]
fn an_index_database_that_is_damaged_inside_is_made_again() {
    let home = Home::new();
    let mut draw = Draw::new(3);
    for n in 0..600 {
        home.write(&format!("work/{n}"), draw.noise(1500));
    }
    let work = home.path("work");
    home.snapshot(&work).ok();
    let mut folders = std::fs::read_dir(home.path("cache/esker")).unwrap();
    let index = folders.next().unwrap().unwrap().path().join("index.sqlite");
    let sound = std::fs::read(&index).unwrap();
    let mut met = 0;
    for round in 0..12 {
        let mut bytes = sound.clone();
        // Whole pages of noise, anywhere behind the first.
        for _ in 0..3 {
            let page = 1 + draw.below(bytes.len() as u64 / 8192 - 1) as usize;
            bytes[page * 8192..][..8192].copy_from_slice(&draw.noise(8192));
        }
        std::fs::write(&index, bytes).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(index.with_extension(format!("sqlite{suffix}")));
        }
        home.write("work/new", draw.noise(1500));
        // A run that meets it begins anew by itself, and says so.
        met += usize::from(home.snapshot(&work).ok().err.contains("index database"));
        assert_eq!(home.snapshot(&work).ok().err, "", "round {round}");
        home.run(["check", "--read-data"]).ok();
    }
    assert!(met > 0, "no damage was ever met");
}
