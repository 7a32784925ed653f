//! `--verify`.

use super::{latest, restore, summary};
use crate::support::{Draw, Home};

#[test]
fn every_file_is_read_again_and_one_that_cannot_be_written_right_is_named() {
    let home = Home::new();
    for number in 0..20u64 {
        home.write(&format!("work/{number}"), Draw::new(number).noise(number as usize * 7000));
    }
    let sparse = std::fs::File::create(home.path("work/sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    let work = home.path("work");
    home.snapshot(&work).ok();
    let ran = restore(&home, &latest(&work), &home.path("target"), &["--verify"]).ok();
    assert_eq!(summary(&ran)["verified"], 21);
    // Trusted by length and time, and wrong all the same: this is what it is for.
    super::mutate::change_unseen(&home.path("target/9"), 62_000);
    let ran = restore(&home, &latest(&work), &home.path("target"), &["--verify"]).exit(4);
    let wrong = summary(&ran)["damaged"].clone();
    assert_eq!(wrong[0][0], work.join("9").to_str().unwrap());
    assert!(wrong[0][1].as_str().unwrap().contains("at byte"), "{wrong}");
    let options = ["--verify", "--overwrite", "always"];
    restore(&home, &latest(&work), &home.path("target"), &options).ok();
}
