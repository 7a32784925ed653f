//! `esker snapshot --image`.

use super::{noise, save, sparse, without_table};
use crate::support::loops::{Loop, Mount, assert_equal, disk, make};
use crate::support::{Home, Ran, needs};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

/// Where an image is restored to.
fn restored(home: &Home, image: &Path) -> std::path::PathBuf {
    let _ = std::fs::remove_dir_all(home.path("out"));
    home.restore("latest", home.path("out")).ok();
    home.path("out").join(image.canonicalize().unwrap().strip_prefix("/").unwrap())
}

#[test]
fn an_image_comes_back_equal_and_with_its_holes_and_tells_what_is_on_it() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(_) = disk(&image) else { return };
    save(&home, &[&image], &[]).ok();
    let found = std::fs::metadata(&image).unwrap();
    let copy = restored(&home, &image);
    assert_equal(&image, &copy, found.len());
    let there = std::fs::metadata(&copy).unwrap();
    assert_eq!(
        (there.len(), there.mode(), there.mtime()),
        (found.len(), found.mode(), found.mtime())
    );
    assert!(there.blocks() <= found.blocks());
    let listed = home.run(["ls", "latest"]).ok();
    for word in ["GPT", "ext4 \"root of it\"", "xfs \"srv\"", "btrfs \"pool\"", "swap \"swap\""] {
        assert!(listed.out.contains(word), "{word} is not in: {}", listed.out);
    }
    let rows = home.run(["ls", "--json", "latest"]).ok().json();
    let row = rows.last().unwrap();
    assert_eq!(
        (row["kind"].as_str(), row["image"]["table"].as_str()),
        (Some("image"), Some("gpt"))
    );
    assert_eq!(row["image"]["partitions"][1]["file_system"]["kind"], "xfs");
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn an_image_file_that_looks_as_it_did_is_not_read() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 32 << 20, &[(0, &noise(3 << 20, 1)), (20 << 20, b"x")]);
    // A change in the same tick of the clock could not be told.
    std::thread::sleep(Duration::from_millis(150));
    save(&home, &[&image], &[]).ok();
    if !needs("strace") {
        return;
    }
    let reads = |options: &[&str]| {
        let mut command = std::process::Command::new("strace");
        let esker = home.command();
        let calls = "trace=pread64,preadv2,read";
        command.args(["-f", "-y", "-e", calls, "-o"]).arg(home.path("calls"));
        command.arg(esker.get_program()).arg("snapshot").arg("--image").arg(&image).args(options);
        for (name, value) in esker.get_envs() {
            let _ = value.map(|value| command.env(name, value));
        }
        let ran = Ran::of(&mut command).ok();
        let calls = std::fs::read_to_string(home.path("calls")).unwrap();
        (ran.json()[0].clone(), calls.lines().filter(|line| line.contains("disk.img>")).count())
    };
    // One looks whether it is a raw image.
    let (report, calls) = reads(&["--json"]);
    assert!(calls <= 1, "{calls} reads");
    assert!(report["counts"]["added_bytes"].as_u64().unwrap() < 1000, "{report}");
    assert_equal(&image, &restored(&home, &image), 32 << 20);
    assert!(reads(&["--json", "--force"]).1 > 3);
    // The same length and time of modification, but other bytes.
    let before = std::fs::metadata(&image).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(b"y", 20 << 20).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    assert!(reads(&["--json"]).1 > 3);
    assert_equal(&image, &restored(&home, &image), 32 << 20);
}

#[test]
fn what_is_zero_or_was_never_written_takes_no_room() {
    let home = Home::new();
    let zeros = vec![0; 8 << 20];
    let len = 200 << 30;
    let image =
        sparse(&home, "disk.img", len, &[(0, b"begin"), (100 << 30, &zeros), (len - 3, b"end")]);
    let ran = save(&home, &[&image], &["--json"]).ok();
    assert!(ran.json()[0]["counts"]["added_bytes"].as_u64().unwrap() < 64 << 10, "{}", ran.out);
    let copy = restored(&home, &image);
    let found = std::fs::metadata(&copy).unwrap();
    assert_eq!(found.len(), len);
    assert!(found.blocks() * 512 < 1 << 20);
    let end = crate::support::loops::Part { start: len - 4096, len: 4096 };
    assert!(crate::support::loops::bytes(&copy, end).ends_with(b"end"));
}

#[test]
fn of_a_changed_image_only_what_changed_is_stored() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 32 << 20, &[(0, &noise(24 << 20, 2))]);
    save(&home, &[&image], &[]).ok();
    let file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.write_all_at(&noise(4096, 3), 7 << 20).unwrap();
    // Blocks that moved are known.
    let moved: Vec<u8> = std::fs::read(&image).unwrap()[1 << 20..3 << 20].to_vec();
    file.write_all_at(&moved, (25 << 20) + 4096).unwrap();
    let ran = save(&home, &[&image], &["--json"]).ok();
    assert!(ran.json()[0]["counts"]["added_bytes"].as_u64().unwrap() < 600 << 10, "{}", ran.out);
    assert_equal(&image, &restored(&home, &image), 32 << 20);
}

#[test]
fn a_disk_is_saved_as_a_whole_and_a_damaged_table_is_no_hindrance() {
    let home = Home::new();
    let Some(image) = without_table(&home) else { return };
    let Some(device) = Loop::over(&image) else { return };
    save(&home, &[device.path()], &[]).ok();
    let listed = home.run(["ls", "latest"]).ok();
    assert!(
        listed.out.contains("partition table unreadable: the GPT is damaged"),
        "{}",
        listed.out
    );
    assert_equal(&image, &restored(&home, device.path()), 16 << 20);
}

#[test]
fn a_mounted_disk_is_saved_only_when_that_is_allowed_and_the_snapshot_says_so() {
    let home = Home::new();
    let image = home.path("disk.img");
    if !needs("mkfs.ext4") {
        return;
    }
    make("ext4", &image, 16 << 20);
    let Some(device) = Loop::over(&image) else { return };
    let Some(_mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
    save(&home, &[device.path()], &[]).exit(1).says(&["is mounted at", "--allow-live"]);
    save(&home, &[device.path()], &["--allow-live"]).ok().says(&["may change while it is read"]);
    let rows = home.run(["ls", "--json", "latest"]).ok().json();
    let live = rows.last().unwrap()["image"]["live"][0].as_str().unwrap().to_owned();
    assert!(live.contains("is mounted at"), "{live}");
    let listed = home.run(["ls", "latest"]).ok();
    assert!(listed.out.contains("was read while in use"), "{}", listed.out);
}

#[test]
fn a_disk_that_holds_the_repository_is_not_saved_into_it() {
    let home = Home::new();
    let image = home.path("disk.img");
    if !needs("mkfs.ext4") {
        return;
    }
    make("ext4", &image, 32 << 20);
    let Some(device) = Loop::over(&image) else { return };
    let Some(mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
    let repository = mount.path().join("repository");
    let key = home.path("key");
    let repository = ["--repo", repository.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let run = |words: &[&str]| home.run(words.iter().chain(&repository));
    run(&["init"]).ok();
    for disk in [device.path(), &image] {
        let ran = run(&["snapshot", "--allow-live", "--image", disk.to_str().unwrap()]).exit(1);
        ran.says(&["holds the repository", "--allow-repository-disk"]);
        let other = sparse(&home, "other.img", 1 << 20, &[(0, b"x")]);
        run(&["snapshot", "--image", other.to_str().unwrap()]).ok();
        let words = ["restore", "latest", disk.to_str().unwrap(), "--device", "--yes"];
        run(&words).exit(1).says(&["holds the repository"]);
    }
}

#[test]
fn words_that_make_no_sense_together_are_refused() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 1 << 20, &[]);
    let path = image.to_str().unwrap();
    save(&home, &[&image], &[path]).exit(1).says(&["paths cannot be in one snapshot with"]);
    save(&home, &[&image, &image], &[]).exit(1).says(&["is given twice"]);
    save(&home, &[&home.path("nothing")], &[]).exit(1).says(&["cannot be opened"]);
    home.run(["snapshot", "--allow-live", path]).exit(1).says(&["--image"]);
}
