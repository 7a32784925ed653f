//! What a copy has comes back from it.

use super::*;

#[test]
fn all_that_is_damaged_comes_back_from_a_copy() {
    let home = home(1);
    let passphrase = |command: &mut std::process::Command| {
        command.env("ESKER_NEW_PASSWORD", "secret").args(["key", "add"]);
        Ran::of(command).ok();
    };
    passphrase(&mut home.command());
    sync(&home);
    let sound = files(&home.repository());
    for (number, name) in sound.keys().enumerate() {
        let path = home.repository().join(name);
        match number % 3 {
            // A lost key slot is another matter.
            0 if !name.starts_with("keys/") => fs::remove_file(path).unwrap(),
            1 => fs::write(path, &sound[name][..70]).unwrap(),
            _ => fs::write(path, b"").unwrap(),
        }
    }
    let before = files(&home.repository());
    repair_from_copy(&home, &["-n"]).exit(4);
    assert!(files(&home.repository()) == before, "a dry run has changed something");
    let done = repair_from_copy(&home, &[]).ok();
    assert!(done.out.contains(&format!("brought back {} objects", sound.len())), "{}", done.out);
    assert!(files(&home.repository()) == sound);
    home.run(["check", "--read-data"]).ok();
    let again = repair_from_copy(&home, &["--read-data"]).ok();
    assert_eq!(again.out, "nothing to repair was found\n");
    restores(&home, "latest");
}

#[test]
fn rot_inside_of_packs_is_found_by_reading_them() {
    let home = home(2);
    sync(&home);
    let sound = files(&home.repository());
    for pack in of_kind(&sound, "pack") {
        flip(&home.repository().join(pack));
    }
    repair_from_copy(&home, &[]).ok();
    assert!(files(&home.repository()) != sound);
    let rows = repair_from_copy(&home, &["--read-data", "--json"]).ok().json();
    assert!(rows[..rows.len() - 1].iter().all(|row| row["cure"] == "copy"), "{rows:?}");
    assert!(files(&home.repository()) == sound);
}

#[test]
fn a_copy_is_mended_from_its_repository() {
    let home = home(3);
    sync(&home);
    let sound = files(&copy(&home));
    for name in sound.keys().filter(|name| *name != "mirror") {
        fs::remove_file(copy(&home).join(name)).unwrap();
    }
    // Without anything that tells of which repository it was, it is none.
    let (there, from) = (copy(&home), home.repository());
    let key = home.path("config/esker/key");
    let words = [
        "-k",
        key.to_str().unwrap(),
        "-r",
        there.to_str().unwrap(),
        "--from",
        from.to_str().unwrap(),
    ];
    repair(&home, &words).exit(10);
    fs::write(there.join("log/0/2"), &sound["log/0/2"]).unwrap();
    repair(&home, &words).ok();
    let log = of_kind(&files(&there), "log");
    assert_eq!(log, ["log/0/0", "log/0/1", "log/0/2"], "those behind it are for a sync");
    sync(&home);
    for name in of_kind(&sound, "log").iter().chain(&of_kind(&sound, "pack")) {
        fs::write(there.join(name), b"rot").unwrap();
    }
    repair(&home, &words).ok();
    assert!(files(&there) == sound);
}

#[test]
fn the_end_of_the_log_comes_back_from_a_copy_when_nothing_was_appended_since() {
    let home = home(4);
    sync(&home);
    let sound = files(&home.repository());
    let last = of_kind(&sound, "log").pop().unwrap();
    fs::remove_file(home.repository().join(&last)).unwrap();
    repair_from_copy(&home, &[]).ok();
    assert!(files(&home.repository()) == sound);
    // Somebody who did not notice has appended in its place: these are two histories now.
    fs::remove_file(home.repository().join(&last)).unwrap();
    let _ = fs::remove_dir_all(home.path("state"));
    let _ = fs::remove_dir_all(home.path("cache"));
    home.write("work/other", "x");
    save(&home);
    let before = files(&home.repository());
    repair_from_copy(&home, &[]).exit(4).says(&["the histories went apart"]);
    assert!(files(&home.repository()) == before);
}

#[test]
fn an_entry_that_does_not_fit_those_around_it_is_not_taken() {
    let home = home(5);
    sync(&home);
    let sound = files(&home.repository());
    // A sound entry of the same number, as a thief could put it into a copy: of another history.
    let other = home.path("other");
    fs::create_dir_all(&other).unwrap();
    for (name, bytes) in &sound {
        let path = other.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for name in of_kind(&sound, "log").iter().skip(2) {
        fs::remove_file(other.join(name)).unwrap();
    }
    let key = home.path("config/esker/key");
    let work = home.path("work");
    let there = ["-r", other.to_str().unwrap(), "-k", key.to_str().unwrap()];
    home.run(there.iter().chain(&["--accept-history", "snapshot", "-q", work.to_str().unwrap()]))
        .ok();
    fs::copy(other.join("log/0/2"), copy(&home).join("log/0/2")).unwrap();
    fs::remove_file(home.repository().join("log/0/2")).unwrap();
    let ran = repair_from_copy(&home, &[]).exit(4);
    ran.says(&["log/0/2 is missing", "does not fit the entries behind it"]);
    assert!(!home.repository().join("log/0/2").exists());
}

#[test]
fn places_that_are_no_copy_of_this_repository_are_refused() {
    let (home, other) = (home(6), home(7));
    let words = |path: &Path| repair(&home, &["--from", path.to_str().unwrap()]);
    words(&home.repository()).exit(1).says(&["is the repository itself"]);
    words(&other.repository()).exit(1).says(&["is a copy of repository"]);
    words(&home.path("nothing")).exit(1).says(&["not found"]);
    words(&home.path("work")).exit(10).says(&["holds no esker repository"]);
}

#[test]
fn a_passphrase_that_was_removed_comes_back_only_when_asked_for() {
    let home = home(8);
    let mut add = home.command();
    add.env("ESKER_NEW_PASSWORD", "secret").args(["key", "add", "--json"]);
    let slot = Ran::of(&mut add).ok().json()[0]["slot"].as_str().unwrap().to_owned();
    sync(&home);
    let name = home.repository().join(format!("keys/{slot}"));
    let sound = fs::read(&name).unwrap();
    fs::remove_file(&name).unwrap();
    repair_from_copy(&home, &[]).ok().says(&[&slot, "removed, or lost", "--key-slots"]);
    assert!(!name.exists());
    repair_from_copy(&home, &["--key-slots"]).ok();
    assert_eq!(fs::read(&name).unwrap(), sound);
    // One that can be read as a slot, and is another one: only its passphrase tells which is right.
    let mut bytes = sound.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&name, &bytes).unwrap();
    repair_from_copy(&home, &[]).ok().says(&["differs from that in"]);
    assert_eq!(fs::read(&name).unwrap(), bytes);
    repair_from_copy(&home, &["--key-slots"]).ok();
    assert_eq!(fs::read(&name).unwrap(), sound);
    fs::write(&name, b"").unwrap();
    repair(&home, &[]).exit(4).says(&[&slot, "esker key add"]);
    repair_from_copy(&home, &[]).ok();
    assert_eq!(fs::read(&name).unwrap(), sound);
}
