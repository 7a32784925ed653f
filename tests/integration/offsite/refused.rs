//! Destinations that are refused, and damage that is not spread.

use super::{copy, files, home, last, save, sync, there};
use std::fs;
use std::path::Path;

fn duplicate(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_repository_that_was_rolled_back_does_not_take_its_copy_along() {
    let home = home(11);
    save(&home, "first");
    duplicate(&home.repository(), &home.path("older"));
    save(&home, "second");
    sync(&home, &["-q"]).ok();
    let before = files(&copy(&home));
    fs::remove_dir_all(home.repository()).unwrap();
    duplicate(&home.path("older"), &home.repository());
    let refused = sync(&home, &[]).exit(4);
    refused.says(&["has log/0/3, and the repository does not", "may be all that is left"]);
    // It goes on from there, as another machine would.
    fs::remove_dir_all(home.path("state")).unwrap();
    fs::remove_dir_all(home.path("cache")).unwrap();
    save(&home, "another");
    sync(&home, &[]).exit(4).says(&["log/0/3 is another one", "the histories went apart"]);
    assert_eq!(files(&copy(&home)), before);
}

#[test]
fn what_is_no_copy_of_this_repository_is_refused() {
    let (home, other) = (home(12), home(13));
    save(&home, "first");
    save(&other, "first");
    let to = |place: &Path| home.run(["sync", place.to_str().unwrap()]);
    to(&home.repository()).exit(1).says(&["is the repository itself"]);
    to(&home.repository().join("copy")).exit(1).says(&["is inside of the repository"]);
    to(&other.repository()).exit(1).says(&["not marked as a copy"]);
    to(&home.path("work")).exit(1).says(&["the folder is not empty"]);
    sync(&other, &["-q"]).ok();
    to(&copy(&other)).exit(1).says(&["is a copy of repository "]);
    let nothing = home.path("nothing");
    home.run(["-r", nothing.to_str().unwrap(), "sync", home.path("new").to_str().unwrap()])
        .exit(10);
    assert!(!home.path("new").exists());
}

#[test]
fn a_damaged_pack_is_named_and_stays_behind() {
    let home = home(14);
    save(&home, "first");
    let pack =
        files(&home.repository()).into_iter().find(|name| name.starts_with("pack/")).unwrap();
    let path = home.repository().join(&pack);
    let sound = fs::read(&path).unwrap();
    let mut bytes = sound.clone();
    bytes[5000] ^= 1;
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let ran = sync(&home, &["--json"]).exit(4);
        let damaged = last(&ran)["damaged"].clone();
        assert_eq!(damaged[0]["name"], pack.as_str());
        assert!(damaged[0]["message"].as_str().unwrap().starts_with("is damaged: "));
    }
    assert!(!copy(&home).join(&pack).exists());
    // The copy says itself what it does not have.
    there(&home, &["check"]).exit(4).says(&[pack.as_str()]);
    sync(&home, &[]).exit(4).says(&[pack.as_str(), "everything else was copied"]);
    fs::write(&path, &sound).unwrap();
    sync(&home, &["-q"]).ok().says_nothing();
    there(&home, &["check", "--read-data"]).ok();
}

#[test]
fn a_copy_on_a_full_disk_goes_on_when_there_is_room() {
    let home = home(15);
    save(&home, "first");
    // A file where a folder has to be: nothing can be put there.
    fs::create_dir(copy(&home)).unwrap();
    fs::write(copy(&home).join("mirror"), "").unwrap();
    fs::write(copy(&home).join("pack"), "").unwrap();
    sync(&home, &[]).exit(1).says(&["cannot write pack/"]);
    fs::remove_file(copy(&home).join("pack")).unwrap();
    sync(&home, &["-q"]).ok();
    there(&home, &["check", "--read-data"]).ok();
}
