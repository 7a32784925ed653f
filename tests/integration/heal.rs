//! What a new snapshot mends.

use crate::support::Home;
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
