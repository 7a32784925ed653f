//! What no copy has: segments made anew, packs salvaged, what is lost named and marked, and made good by the next
//! snapshot.

use super::*;

/// The packs of the repository, largest first.
fn packs(home: &Home) -> Vec<PathBuf> {
    let files = files(&home.repository());
    let mut packs = of_kind(&files, "pack");
    packs.sort_by_key(|name| std::cmp::Reverse(files[name].len()));
    packs.iter().map(|name| home.repository().join(name)).collect()
}

/// Ids and marks of all snapshots, oldest first.
fn snapshots(home: &Home) -> Vec<(String, bool)> {
    let rows = home.run(["snapshots", "--json"]).ok().json();
    let row = |row: &serde_json::Value| {
        (row["id"].as_str().unwrap().to_owned(), row["damaged"].as_bool().unwrap())
    };
    rows.iter().map(row).collect()
}

fn marks(home: &Home) -> Vec<bool> {
    snapshots(home).into_iter().map(|(_, damaged)| damaged).collect()
}

#[test]
fn segments_are_made_anew_from_the_packs() {
    let home = home(20);
    let sound = files(&home.repository());
    for (number, name) in of_kind(&sound, "index").iter().enumerate() {
        let path = home.repository().join(name);
        match number % 2 {
            0 => fs::remove_file(path).unwrap(),
            _ => flip(&path),
        }
    }
    repair(&home, &["-n"]).exit(4);
    let done = repair(&home, &["--json"]).ok().json();
    assert_eq!(done.last().unwrap()["segments"], 2, "{done:?}");
    assert!(of_kind(&files(&home.repository()), "index").len() < 3, "damaged ones are in the way");
    let _ = fs::remove_dir_all(home.path("cache"));
    assert_eq!(home.run(["check", "--read-data"]).ok().err, "");
    restores(&home, "latest");
    repair(&home, &[]).ok();
}

#[test]
fn what_is_lost_is_named_and_marked_and_comes_back_with_the_next_snapshot() {
    let home = home(21);
    let lost = packs(&home)[0].clone();
    fs::remove_file(&lost).unwrap();
    let dry = repair(&home, &["-n"]).exit(4);
    assert_eq!(marks(&home), [false, false], "{}", dry.out);
    let work = home.path("work");
    let path = |name: &str| work.join(name).to_str().unwrap().to_owned();
    repair(&home, &[]).exit(4).says(&[
        &path("0"),
        &path("5"),
        "has lost 40000 of 40000 bytes",
        "esker snapshot",
    ]);
    assert_eq!(marks(&home), [true, true]);
    assert!(home.run(["snapshots"]).ok().out.contains("DAMAGED"));
    home.run(["check"]).exit(4).says(&[&path("0"), "esker repair"]);
    // What is left can be restored.
    let target = home.path("left");
    home.restore(&format!("latest:{}", work.display()), &target).exit(4);
    assert_eq!(fs::read(target.join("more")).unwrap(), fs::read(work.join("more")).unwrap());
    // Run again it finds nothing new, and says again what is lost.
    let again = repair(&home, &["--json"]).exit(4).json().pop().unwrap();
    assert_eq!((again["packs"].as_u64(), again["marked"].as_u64()), (Some(0), Some(0)));
    assert_eq!(marks(&home), [true, true]);

    save(&home);
    assert_eq!(marks(&home), [true, true, false]);
    // The first one was of another tree, whose pages nobody makes again.
    let told = home.run(["check"]).exit(4);
    assert_eq!(told.err.matches("is marked as damaged, and has all that it needs").count(), 1);
    repair(&home, &[]).exit(4);
    assert_eq!(marks(&home), [true, false, false]);
    let ids: Vec<String> = snapshots(&home).into_iter().map(|(id, _)| id).collect();
    restores(&home, &ids[1]);
    home.run(["forget", &ids[0]]).ok();
    assert_eq!(home.run(["check", "--read-data"]).ok().err.matches("marked").count(), 0);
    repair(&home, &["--read-data"]).ok();
    // What came back is kept for the old snapshot too, by whoever collects.
    home.run(["forget", &ids[2]]).ok();
    home.run(["gc", "--grace", "0"]).ok();
    restores(&home, &ids[1]);
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn what_came_back_is_kept_for_the_old_snapshot_by_a_collector_who_cannot_look_inside() {
    let home = home(22);
    let collector = home.path("collector.key");
    let words = ["key", "export-writer", "--name", "c", "--role", "collect", "--scope", "0"];
    home.run(words.iter().chain(&[collector.to_str().unwrap()])).ok();
    packs(&home).iter().for_each(|pack| fs::remove_file(pack).unwrap());
    repair(&home, &[]).exit(4);
    save(&home);
    repair(&home, &[]).exit(4);
    assert_eq!(marks(&home), [true, false, false]);
    let ids: Vec<String> = snapshots(&home).into_iter().map(|(id, _)| id).collect();
    home.run(["forget", &ids[0]]).ok();
    home.run(["forget", &ids[2]]).ok();
    let repository = home.repository();
    let there = ["-r", repository.to_str().unwrap(), "-k", collector.to_str().unwrap()];
    home.run(there.iter().chain(&["gc", "--grace", "0"])).ok();
    restores(&home, &ids[1]);
}

#[test]
fn what_is_sound_in_a_damaged_pack_is_saved() {
    let home = Home::new();
    let mut draw = Draw::new(23);
    for n in 0..8 {
        home.write(&format!("work/{n}"), draw.noise(900_000));
    }
    save(&home);
    let pack = packs(&home)[0].clone();
    let mut bytes = fs::read(&pack).unwrap();
    let at = bytes.len() / 8;
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    repair(&home, &[]).ok();
    let ran = repair(&home, &["--json", "--read-data"]).exit(4);
    let done = ran.json().pop().unwrap();
    assert!(done["chunks"].as_u64().unwrap() > 2 && done["packs"] == 1, "{}", ran.out);
    let lost = ran.json().iter().filter(|row| row["kind"] == "path").count();
    assert!((1..6).contains(&lost), "{}", ran.out);
    // The damaged pack goes, and what was saved of it stays.
    home.run(["gc", "--grace", "0"]);
    assert!(!pack.exists());
    let target = home.path("left");
    home.restore(&format!("latest:{}", home.path("work").display()), &target).exit(4);
    let restored = files(&target);
    let work = files(&home.path("work"));
    let same = work.iter().filter(|(name, bytes)| restored.get(*name) == Some(bytes)).count();
    assert_eq!(same + lost, 8);
    // Run again, and with everything read, it finds the same.
    let again = repair(&home, &["--json", "--read-data"]).exit(4).json();
    assert_eq!(again.iter().filter(|row| row["kind"] == "path").count(), lost);
    save(&home);
    repair(&home, &["--read-data"]).ok();
    assert_eq!(marks(&home), [false, false]);
}

#[test]
fn a_pack_whose_directory_alone_is_damaged_loses_nothing() {
    let home = home(24);
    let pack = packs(&home).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    home.run(["check", "--read-data"]).exit(4);
    repair(&home, &["--read-data"]).ok();
    assert_eq!(marks(&home), [false, false]);
    home.run(["gc", "--grace", "0"]).ok();
    assert!(!pack.exists());
    home.run(["check", "--read-data"]).ok();
    restores(&home, "latest");
}

#[test]
fn a_pack_that_comes_back_later_makes_its_snapshots_whole() {
    let home = home(25);
    sync(&home);
    fs::remove_file(&packs(&home)[0]).unwrap();
    repair(&home, &[]).exit(4);
    assert_eq!(marks(&home), [true, true]);
    repair_from_copy(&home, &[]).ok();
    assert_eq!(marks(&home), [false, false]);
    restores(&home, "latest");
    home.run(["gc", "--grace", "0"]).ok();
    restores(&home, "latest");
    assert_eq!(repair(&home, &["--read-data"]).ok().out, "nothing to repair was found\n");
}

#[test]
fn a_lost_manifest_marks_its_snapshot_and_a_writer_of_snapshots_alone_repairs_nothing() {
    let home = home(26);
    let (first, _) = snapshots(&home)[0].clone();
    fs::remove_file(home.repository().join(format!("snapshot/{first}"))).unwrap();
    let writer = home.path("writer.key");
    home.run(["key", "export-writer", "--name", "w", "--scope", "0", writer.to_str().unwrap()])
        .ok();
    for name in of_kind(&files(&home.repository()), "index") {
        fs::remove_file(home.repository().join(name)).unwrap();
    }
    let repository = home.repository();
    let there = ["-r", repository.to_str().unwrap(), "-k", writer.to_str().unwrap()];
    repair(&home, &there).exit(4).says(&["this key may not", "use the owner's key"]);
    repair(&home, &[]).exit(4).says(&[&first, "esker forget"]);
    assert_eq!(marks(&home), [true, false]);
    home.run(["forget", &first]).ok();
    repair(&home, &[]).ok();
    home.run(["check"]).ok();
}

#[test]
fn a_damaged_checkpoint_gives_way_to_a_new_one() {
    let home = home(27);
    let words = ["key", "export-writer", "--name", "w", "--role", "collect"];
    home.run(words.iter().chain(&[home.path("w").to_str().unwrap()])).ok();
    home.run(["revoke", "w", "-q"]).ok();
    let name = of_kind(&files(&home.repository()), "checkpoint").remove(0);
    flip(&home.repository().join(&name));
    home.run(["check"]).exit(4).says(&["esker repair"]);
    repair(&home, &[]).ok();
    let left = of_kind(&files(&home.repository()), "checkpoint");
    assert!(left.len() == 1 && left[0] != name, "{left:?}");
    home.run(["check"]).ok();
}

#[test]
fn a_damaged_last_entry_is_removed_only_when_asked_for() {
    let home = home(28);
    let last = home.repository().join(of_kind(&files(&home.repository()), "log").pop().unwrap());
    flip(&last);
    home.run(["snapshot", home.path("work").to_str().unwrap()]).exit(4);
    repair(&home, &[]).exit(4).says(&["it is the last one", "--cut-log"]);
    assert!(last.exists());
    repair(&home, &["--cut-log", "-n"]).exit(4);
    assert!(last.exists());
    repair(&home, &["--cut-log"]).ok().says(&["accepted the log as it is now"]);
    assert!(!last.exists());
    save(&home);
    home.run(["check", "--read-data"]).ok();
    restores(&home, "latest");
    assert_eq!(marks(&home).len(), 2);
}

#[test]
fn of_a_damaged_entry_in_the_middle_is_said_what_can_be_done() {
    let home = home(29);
    flip(&home.repository().join("log/0/1"));
    let before = files(&home.repository());
    repair(&home, &["--cut-log"]).exit(4).says(&["log/0/1 is damaged", "name one that does"]);
    assert!(files(&home.repository()) == before);
}
