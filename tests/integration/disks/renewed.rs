//! `--new-uuids`: a copy beside its original.

use super::{noise, save, sparse, without_table};
use crate::support::loops::{
    Loop, Mount, Part, administration, bytes, disk, does, make, partition,
};
use crate::support::{Home, Ran, needs};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn clone(home: &Home, from: &Path, to: &Path, options: &[&str]) -> Ran {
    Ran::of(home.command().arg("clone").arg(from).arg(to).args(options))
}

/// All ids that `blkid` finds, by what they are of.
fn ids(disk: &Path, parts: &[Part]) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let mut add = |of: String, said: String| {
        ids.extend(said.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let is_id = ["UUID", "PTUUID", "ID_FS_UUID", "ID_PART_TABLE_UUID"].contains(&name);
            is_id.then(|| (format!("{of} {name}"), value.to_owned()))
        }));
    };
    let probe = ["--probe", "--output", "export"];
    let table = administration("blkid").args(probe).arg(disk).output().unwrap();
    add("disk".to_owned(), String::from_utf8(table.stdout).unwrap());
    for (number, part) in parts.iter().enumerate() {
        let (offset, size) = (part.start.to_string(), part.len.to_string());
        let mut command = administration("blkid");
        command.args(probe).args(["--offset", &offset, "--size", &size]).arg(disk);
        add(format!("part {}", number + 1), does(&mut command));
    }
    let dump = does(administration("sfdisk").arg("--dump").arg(disk));
    let entries = dump.lines().filter(|line| line.contains("start="));
    for (number, line) in entries.enumerate() {
        let id = line.split("uuid=").nth(1).unwrap_or("none").to_owned();
        ids.insert(format!("part {} PARTUUID", number + 1), id);
    }
    ids
}

/// What the tools of the system find wrong.
fn check(disk: &Path, parts: &[Part]) {
    let said = does(administration("sfdisk").arg("--verify").arg(disk));
    assert!(said.contains("No errors detected"), "{said}");
    for (part, (check, option)) in parts.iter().zip([("e2fsck", "-fn"), ("xfs_repair", "-n")]) {
        let Some(device) = part_of(disk, *part) else { return };
        does(administration(check).arg(option).arg(device.path()));
    }
}

fn part_of(disk: &Path, part: Part) -> Option<Loop> {
    let (start, len) = (part.start.to_string(), part.len.to_string());
    Loop::with(disk, &["--read-only", "--offset", &start, "--sizelimit", &len])
}

/// Fails unless the file systems in this part of both disks hold the same tree.
fn assert_same_tree(home: &Home, a: &Path, b: &Path, part: Part) {
    let (Some(one), Some(other)) = (part_of(a, part), part_of(b, part)) else { return };
    let Some(one) = Mount::of(one.path(), home.path("one"), "ro") else { return };
    let Some(other) = Mount::of(other.path(), home.path("other"), "ro") else { return };
    let mut command = Command::new("diff");
    does(command.arg("--recursive").arg(one.path()).arg(other.path()));
    assert!(std::fs::read_dir(other.path()).unwrap().count() > 1);
}

/// Puts files into the XFS of a disk.
fn fill(home: &Home, image: &Path, part: Part) -> Option<()> {
    let (start, len) = (part.start.to_string(), part.len.to_string());
    let device = Loop::with(image, &["--offset", &start, "--sizelimit", &len])?;
    let mount = Mount::of(device.path(), home.path("fill"), "rw")?;
    for n in 0..50 {
        std::fs::write(mount.path().join(format!("file {n}")), noise(9_000 * n, n as u64)).unwrap();
    }
    Some(())
}

/// What was told of the ids, by what they are of: whether it is new, kept, or refused.
fn told(ran: &Ran) -> BTreeMap<String, String> {
    let ids = ran.json()[0]["ids"].as_array().unwrap().clone();
    let of = |id: &serde_json::Value| match (&id["after"], &id["why"], &id["kept"]) {
        (serde_json::Value::String(_), _, _) => "new".to_owned(),
        (_, serde_json::Value::String(why), _) => why.clone(),
        (_, _, kept) => format!("kept: {kept}"),
    };
    ids.iter()
        .map(|id| (format!("{} {}", id["partition"], id["kind"].as_str().unwrap()), of(id)))
        .collect()
}

/// Fails unless all ids of the copy are other ones than those of the image, but those that stay.
#[track_caller]
fn assert_renewed(image: &Path, copy: &Path, parts: &[Part], kept: &[&str]) {
    let (before, after) = (ids(image, parts), ids(copy, parts));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before.len() >= 9, "{before:?}");
    for (of, id) in &before {
        assert_eq!(after[of] == *id, kept.contains(&of.as_str()), "{of} {id}");
    }
}

#[test]
fn a_copy_beside_its_original_has_ids_of_its_own_and_is_sound() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    let Some(()) = fill(&home, &image, parts[1]) else { return };
    let len = std::fs::metadata(&image).unwrap().len();
    save(&home, &[&image], &[]).ok();
    let Some(_original) = Loop::with(&image, &["--read-only"]) else { return };
    // One of the same size, and a larger one, where the second copy of the table moves.
    for (name, more) in [("same.img", 0), ("larger.img", 40 << 20)] {
        let copy = sparse(&home, name, len + more, &[]);
        {
            let Some(to) = Loop::over(&copy) else { return };
            let mut command = home.command();
            let options = ["--device", "--yes", "--json", "--verify", "--new-uuids"];
            let ran =
                Ran::of(command.args(["restore", "latest"]).arg(to.path()).args(options)).ok();
            let told = told(&ran);
            let kept = ["3 btrfs", "4 swap"];
            for (of, fate) in &told {
                let expected = if kept.contains(&of.as_str()) { "kept: true" } else { "new" };
                assert_eq!(fate, expected, "{of}");
            }
            assert_eq!(told.len(), 9);
            // Only of what is kept there are two on this machine.
            assert_eq!(ran.json()[0]["gpt_moved"], more > 0);
        }
        assert_renewed(&image, &copy, &parts, &["part 3 UUID", "part 4 UUID"]);
        check(&copy, &parts);
        for (number, part) in parts.iter().enumerate() {
            match number {
                0 | 1 => assert_same_tree(&home, &image, &copy, *part),
                _ => assert!(bytes(&image, *part) == bytes(&copy, *part)),
            }
        }
    }
}

#[test]
fn nothing_warns_of_twins_where_all_ids_are_new() {
    let home = Home::new();
    if !["sfdisk", "mkfs.ext4", "mkfs.xfs"].iter().all(|program| needs(program)) {
        return;
    }
    let image = sparse(&home, "disk.img", 400 << 20, &[]);
    partition(&image, "label: gpt\nsize=32MiB\nsize=320MiB\n");
    for (kind, at, len) in [("ext4", 1, 32), ("xfs", 33, 320)] {
        let single = home.path(kind);
        make(kind, &single, len << 20);
        crate::support::loops::put(&single, &image, at << 20);
    }
    let copy = sparse(&home, "copy.img", 400 << 20, &[]);
    let Some(from) = Loop::with(&image, &["--read-only"]) else { return };
    let Some(to) = Loop::over(&copy) else { return };
    let plain = clone(&home, from.path(), to.path(), &["--dry-run"]).ok();
    plain.says(&["goes by the id"]);
    let looked = clone(&home, from.path(), to.path(), &["--dry-run", "--new-uuids", "--json"]).ok();
    assert_eq!(looked.json()[0]["also_here"].as_array().unwrap().len(), 0);
    assert!(told(&looked).values().all(|fate| fate == "kept: false"));
    let ran = clone(&home, from.path(), to.path(), &["--yes", "--new-uuids"]).ok();
    assert!(ran.out.contains("new id of the xfs in partition 2: "), "{}", ran.out);
    assert!(ran.out.contains("may still name the ids of the original"), "{}", ran.out);
    assert!(!ran.err.contains("goes by the id"), "{}", ran.err);
    // Saved and restored elsewhere, it does not meet the original any more.
    let parts = [Part { start: 1 << 20, len: 32 << 20 }, Part { start: 33 << 20, len: 320 << 20 }];
    let (before, after) = (ids(from.path(), &parts), ids(to.path(), &parts));
    assert!(before.values().all(|id| !after.values().any(|other| other == id)));
    let third = sparse(&home, "third.img", 400 << 20, &[]);
    let Some(third) = Loop::over(&third) else { return };
    drop(from);
    let again = clone(&home, &image, third.path(), &["--dry-run", "--json"]).ok();
    assert_eq!(again.json()[0]["also_here"].as_array().unwrap().len(), 0);
}

#[test]
fn a_single_partition_gets_an_id_of_its_own() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    save(&home, &[&image], &[]).ok();
    let copy = sparse(&home, "copy.img", parts[0].len, &[]);
    let options = ["--device", "--yes", "--json", "--new-uuids", "--partition", "1"];
    let ran = Ran::of(home.command().args(["restore", "latest"]).arg(&copy).args(options)).ok();
    assert_eq!(told(&ran), [("null ext4".to_owned(), "new".to_owned())].into());
    let id = &ran.json()[0]["ids"][0];
    assert!(id["before"] != id["after"]);
    let said = does(
        administration("blkid").args(["--probe", "--output", "value", "-s", "UUID"]).arg(&copy),
    );
    assert_eq!(said.trim(), id["after"].as_str().unwrap());
    does(administration("e2fsck").arg("-fn").arg(&copy));
}

#[test]
fn a_file_system_that_was_mounted_keeps_its_id_and_all_its_bytes() {
    let home = Home::new();
    if !["mkfs.ext4", "mkfs.xfs"].iter().all(|program| needs(program)) {
        return;
    }
    for (kind, len, words) in [
        ("ext4", 48 << 20, "journal has to be played back"),
        ("xfs", 320 << 20, "log which needs to be replayed"),
    ] {
        let live = home.path(format!("{kind}.live"));
        make(kind, &live, len);
        let image = home.path(format!("{kind}.img"));
        {
            let Some(device) = Loop::over(&live) else { return };
            let Some(mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
            std::fs::write(mount.path().join("file"), noise(100_000, 1)).unwrap();
            let file = std::fs::File::open(mount.path().join("file")).unwrap();
            rustix::fs::syncfs(file).unwrap();
            std::fs::write(mount.path().join("other"), noise(100_000, 2)).unwrap();
            std::fs::File::open(mount.path().join("other")).unwrap().sync_all().unwrap();
            let mut from = std::fs::File::open(device.path()).unwrap();
            std::io::copy(&mut from, &mut std::fs::File::create(&image).unwrap()).unwrap();
        }
        let copy = home.path(format!("{kind}.copy"));
        let ran = clone(&home, &image, &copy, &["--new-uuids", "--json"]).exit(3);
        let ran = ran.says(&["keeps its id"]);
        let told = told(&ran);
        assert!(told[&format!("null {kind}")].contains(words), "{told:?}");
        assert!(std::fs::read(&image).unwrap() == std::fs::read(&copy).unwrap());
    }
}

#[test]
fn without_the_programs_nothing_is_written() {
    let home = Home::new();
    if !needs("mkfs.xfs") {
        return;
    }
    let image = home.path("disk.img");
    make("xfs", &image, 320 << 20);
    let copy = home.path("copy.img");
    // A file system with nothing in it but our own program: whatever is elsewhere is not found.
    let empty = home.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec"]);
    command.arg("for folder in /usr/sbin /sbin /usr/local/sbin; do mount --bind \"$1\" \"$(readlink -f $folder)\"; done; shift; PATH=/nowhere exec \"$@\"");
    command
        .arg("sh")
        .arg(&empty)
        .arg(env!("CARGO_BIN_EXE_esker"))
        .arg("clone")
        .arg(&image)
        .arg(&copy)
        .arg("--new-uuids");
    let ran = Ran::of(&mut command);
    if ran.err.contains("unshare") {
        return crate::support::skipped("needs the right to mount");
    }
    ran.exit(1).says(&[
        "is not installed",
        "install the package util-linux",
        "nothing was written",
    ]);
    assert!(!copy.exists());
}

#[test]
fn a_copy_that_is_not_whole_keeps_its_ids() {
    let home = Home::new();
    if !needs("sfdisk") {
        return;
    }
    let image = sparse(&home, "disk.img", 40 << 20, &[(2 << 20, &noise(30 << 20, 8))]);
    partition(&image, "label: gpt\nsize=32MiB\n");
    save(&home, &[&image], &[]).ok();
    let packs = Command::new("find")
        .arg(home.repository().join("pack"))
        .args(["-type", "f", "-size", "+8M"])
        .output();
    let packs = String::from_utf8(packs.unwrap().stdout).unwrap();
    std::fs::remove_file(packs.lines().next().unwrap()).unwrap();
    let copy = sparse(&home, "copy.img", 40 << 20, &[]);
    let options = ["--device", "--yes", "--json", "--new-uuids"];
    let ran = Ran::of(home.command().args(["restore", "latest"]).arg(&copy).args(options)).exit(4);
    assert!(told(&ran).values().all(|why| why.contains("not all of it")), "{:?}", told(&ran));
    assert_eq!(told(&ran).len(), 2);
}

#[test]
fn the_older_table_gets_a_new_id_too() {
    let home = Home::new();
    if !needs("sfdisk") {
        return;
    }
    let image = sparse(&home, "disk.img", 16 << 20, &[]);
    partition(&image, "label: dos\nsize=4MiB\nsize=4MiB\n");
    let copy = home.path("copy.img");
    let ran = clone(&home, &image, &copy, &["--new-uuids", "--json"]).ok();
    assert_eq!(told(&ran).len(), 3);
    assert!(told(&ran).values().all(|fate| fate == "new"), "{:?}", told(&ran));
    let dump = |path: &Path| {
        let dump = does(administration("sfdisk").arg("--dump").arg(path));
        dump.replace(&path.display().to_string(), "")
    };
    let (before, after) = (dump(&image), dump(&copy));
    let differing = before.lines().zip(after.lines()).filter(|(a, b)| a != b);
    let differing: Vec<_> = differing.map(|(a, _)| a.split(':').next().unwrap()).collect();
    assert_eq!(differing, ["label-id"], "{before}\n{after}");
}

#[test]
fn where_the_table_cannot_be_read_no_id_is_new_and_that_is_told() {
    let home = Home::new();
    let Some(image) = without_table(&home) else { return };
    let told = "the partition table of";
    let copy = home.path("copy.img");
    let ran = clone(&home, &image, &copy, &["--new-uuids"]).exit(3);
    ran.says(&[told, "keeps its id: it cannot be read"]);
    let larger = sparse(&home, "larger.img", 20 << 20, &[]);
    let Some(to) = Loop::over(&larger) else { return };
    clone(&home, &image, to.path(), &["--yes"])
        .ok()
        .says(&[told, "nothing of it is moved to the end"]);
}
