//! Caches that are not what they were: each snapshot is the one that a run without them would make.

use super::scene::tell;
use crate::bad_input::mounted::Mounted;
use crate::support::{Draw, Home, Ran, differences, needs};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The two databases of a cache folder.
const DATABASES: [&str; 2] = ["files.sqlite", "index.sqlite"];

/// A source of several leaves, with what a table can get wrong: files of many chunks and of none,
/// and further names.
fn home(seed: u64) -> Home {
    let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
    let mut draw = Draw::new(seed);
    for number in 0..900 {
        let bytes = draw.noise(1500);
        home.write(&format!("work/{:02}/file {number:03}", number / 40), bytes);
    }
    home.write("work/large", draw.noise(9 << 20));
    home.write("work/tiny", "tiny");
    home.write("work/empty", "");
    for (name, of) in [("link", "tiny"), ("other", "large"), ("third", "02/file 090")] {
        std::fs::hard_link(home.path("work").join(of), home.path("work").join(name)).unwrap();
    }
    home
}

/// Changes some of the source.
fn change(home: &Home, draw: &mut Draw) {
    for _ in 0..3 {
        let number = draw.below(900);
        home.write(&format!("work/{:02}/file {number:03}", number / 40), draw.noise(1500));
    }
    home.write(&format!("work/{:02}/new", draw.below(20)), draw.noise(1500));
    let _ = std::fs::remove_file(home.path(format!("work/{:02}/new", draw.below(20))));
}

fn save(home: &Home) -> Ran {
    home.run(["snapshot", "--json", home.path("work").to_str().unwrap()])
}

/// The cache folder of the only repository.
fn cache(home: &Home) -> PathBuf {
    let mut folders = std::fs::read_dir(home.path("cache/esker")).unwrap();
    folders.next().unwrap().unwrap().path()
}

/// The latest snapshot is what a run without a cache makes of the source: that run finds nothing
/// new and nothing changed, and all data are there.
#[track_caller]
fn expect_true(home: &Home) {
    let fresh = home.path("fresh");
    let _ = std::fs::remove_dir_all(&fresh);
    let run = |arguments: &[&str]| {
        let fresh = ["--cache-dir".as_ref(), fresh.as_os_str()];
        home.run(arguments.iter().map(|argument| argument.as_ref()).chain(fresh))
    };
    run(&["check", "--read-data"]).ok();
    let work = home.path("work");
    let ran = run(&["snapshot", "--json", "-v", work.to_str().unwrap()]).ok();
    let mut rows = ran.json();
    let report = rows.pop().unwrap();
    assert!(rows.len() > 900, "{} entries", rows.len());
    for row in rows.iter().filter(|row| row["change"] != "unchanged") {
        // Other tests work in the folders above, and this one too.
        let path = row["path"].as_str().unwrap();
        assert!(row["change"] == "changed" && home.path("").starts_with(path), "{row}");
    }
    assert_eq!(report["counts"]["removed"], 0, "{report}");
}

#[track_caller]
fn expect_restored(home: &Home) {
    if needs("rsync") {
        let (work, target) = (home.path("work"), home.path("target"));
        home.restore(&format!("latest:{}", work.display()), &target).ok();
        assert_eq!(differences(&work, &target), Vec::<String>::new());
        std::fs::remove_dir_all(target).unwrap();
    }
}

/// Does something to the cache folder between two snapshots, of which the second changes some files,
/// and the third none.
#[track_caller]
fn after(seed: u64, name: &str, trouble: impl FnOnce(&Home, &Path)) {
    tell(name);
    let (home, mut draw) = (home(seed), Draw::new(seed + 1));
    save(&home).ok();
    change(&home, &mut draw);
    save(&home).ok();
    trouble(&home, &cache(&home));
    change(&home, &mut draw);
    for _ in 0..2 {
        save(&home).ok();
        expect_true(&home);
    }
    expect_restored(&home);
}

#[test]
fn a_database_of_the_cache_that_is_none_is_made_anew() {
    for (number, database) in DATABASES.into_iter().enumerate() {
        let seed = 100 + number as u64 * 10;
        after(seed, "garbage", |_, cache| {
            std::fs::write(cache.join(database), Draw::new(1).noise(300_000)).unwrap();
        });
        after(seed + 1, "nothing", |_, cache| std::fs::write(cache.join(database), "").unwrap());
        after(seed + 2, "cut", |_, cache| {
            let bytes = std::fs::read(cache.join(database)).unwrap();
            std::fs::write(cache.join(database), &bytes[..bytes.len() / 16_384 * 8192]).unwrap();
        });
        after(seed + 3, "a folder", |_, cache| {
            std::fs::remove_file(cache.join(database)).unwrap();
            std::fs::create_dir(cache.join(database)).unwrap();
        });
        after(seed + 4, "gone", |_, cache| std::fs::remove_file(cache.join(database)).unwrap());
    }
}

#[test]
fn a_cache_of_another_repository_with_the_same_source_says_nothing_of_this_one() {
    for (number, databases) in
        [&DATABASES[..1], &DATABASES[1..], &DATABASES[..]].into_iter().enumerate()
    {
        after(200 + number as u64, "another repository", |home, cache| {
            let (other, key) = (home.path("other"), home.path("other key"));
            let other_cache = home.path("other cache");
            let run = |arguments: &[&str]| {
                let places = [
                    "-r".as_ref(),
                    other.as_os_str(),
                    "-k".as_ref(),
                    key.as_os_str(),
                    "--cache-dir".as_ref(),
                    other_cache.as_os_str(),
                ];
                home.run(arguments.iter().map(|word| word.as_ref()).chain(places)).ok()
            };
            run(&["init"]);
            run(&["snapshot", home.path("work").to_str().unwrap()]);
            let folder = std::fs::read_dir(&other_cache).unwrap().next().unwrap().unwrap().path();
            for database in databases {
                std::fs::copy(folder.join(database), cache.join(database)).unwrap();
            }
        });
    }
}

#[test]
fn an_older_copy_of_the_cache_is_only_older() {
    for (number, databases) in
        [&DATABASES[..1], &DATABASES[1..], &DATABASES[..]].into_iter().enumerate()
    {
        after(300 + number as u64, "an older copy", |home, cache| {
            let old: Vec<_> =
                databases.iter().map(|name| std::fs::read(cache.join(name)).unwrap()).collect();
            let mut draw = Draw::new(7);
            for _ in 0..3 {
                change(home, &mut draw);
                save(home).ok();
            }
            for (name, bytes) in databases.iter().zip(old) {
                std::fs::write(cache.join(name), bytes).unwrap();
            }
        });
    }
}

#[test]
fn rows_that_are_gone_from_the_file_table_are_read_again() {
    let queries = [
        "DELETE FROM leaf WHERE no % 3 = 1",
        "DELETE FROM leaf",
        "DELETE FROM run",
        "DELETE FROM source",
        "UPDATE run SET done = 0",
        "UPDATE source SET snapshot = randomblob(32)",
        "UPDATE source SET root = NULL",
        "UPDATE source SET turn = turn + 1",
        "UPDATE leaf SET marks = substr(marks, 1, length(marks) / 2)",
        "UPDATE leaf SET page = zeroblob(length(page)) WHERE no % 2 = 0",
        "UPDATE leaf SET lists = x''",
        "UPDATE leaf SET reference = (SELECT reference FROM leaf AS o ORDER BY no LIMIT 1)",
        "UPDATE leaf SET parent = x'00', name = x'00'",
        "INSERT INTO leaf SELECT no + 1000, source, run, parent, name, reference, sum, len, codec,
         marks, page_codec, page, lists FROM leaf",
    ];
    for (number, query) in queries.into_iter().enumerate() {
        after(400 + number as u64, query, |_, cache| {
            let connection = Connection::open(cache.join(DATABASES[0])).unwrap();
            connection.execute_batch(query).unwrap();
        });
    }
}

/// Flips bits in some pages of a database, and saves what has changed since, again and again.
fn flip(database: &str, seed: u64) {
    let (home, mut draw) = (home(seed), Draw::new(seed));
    let mut warned = 0;
    for round in 0..40 {
        save(&home).ok();
        let path = cache(&home).join(database);
        let mut bytes = std::fs::read(&path).unwrap();
        for _ in 0..=draw.below(6) {
            let at = draw.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << draw.below(8);
        }
        std::fs::write(&path, bytes).unwrap();
        change(&home, &mut draw);
        let ran = [save(&home).ok(), save(&home).ok()];
        // Whoever notices begins anew, and the next one has nothing to complain of.
        let told: Vec<&str> = ran.iter().map(|ran| ran.err.as_str()).collect();
        assert!(told.contains(&""), "{told:?}");
        warned += 2 - told.iter().filter(|said| said.is_empty()).count();
        expect_true(&home);
        if round % 10 == 9 {
            // What no run has looked at may still be damaged; a reader says so, and does not call it
            // damage of the repository.
            let target = home.path("target");
            let ran = home.restore("latest", &target);
            if ran.code != 0 {
                ran.exit(1).says(&["index database", "delete it"]);
                std::fs::remove_file(&path).unwrap();
            }
            let _ = std::fs::remove_dir_all(&target);
            expect_restored(&home);
        }
    }
    tell(&format!("{database}: {warned} of 80 runs had something to say"));
}

#[test]
fn flipped_bits_in_the_file_table_are_noticed() {
    flip(DATABASES[0], 500);
}

#[test]
fn flipped_bits_in_the_index_database_lose_nothing() {
    flip(DATABASES[1], 600);
}

#[test]
fn a_cache_that_is_deleted_while_a_run_goes_on_changes_nothing() {
    for round in 0..6 {
        let (home, mut draw) = (home(700 + round), Draw::new(round));
        save(&home).ok();
        change(&home, &mut draw);
        home.write("work/later", draw.noise(24 << 20));
        let mut command = home.command();
        command.args(["snapshot", "--json"]).arg(home.path("work"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5 + draw.below(120)));
        let id = Pid::from_raw(child.id() as i32).unwrap();
        kill_process(id, Signal::STOP).unwrap();
        std::fs::remove_dir_all(home.path("cache")).unwrap();
        kill_process(id, Signal::CONT).unwrap();
        let ran = Ran::from_output(child.wait_with_output().unwrap());
        // It may say that its cache is gone, and then there is no snapshot.
        assert!(ran.code == 0 || (ran.code == 1 && ran.err.contains("hint: ")), "{ran:?}");
        save(&home).ok();
        expect_true(&home);
        expect_restored(&home);
    }
}

#[test]
fn a_cache_folder_that_cannot_be_written_is_no_reason_to_save_nothing() {
    let home = home(800);
    let save =
        |home: &Home| Ran::of(home.command_without_root().arg("snapshot").arg(home.path("work")));
    save(&home).ok();
    let mut draw = Draw::new(8);
    for mode in [0o500, 0o000] {
        change(&home, &mut draw);
        let folder = cache(&home);
        // The owner's rights are given back at the end, so that the home can go.
        let allow = |mode| {
            let ran = Command::new("chmod").arg(format!("{mode:o}")).arg(&folder).status();
            assert!(ran.unwrap().success());
        };
        for database in DATABASES {
            let _ = std::fs::set_permissions(
                folder.join(database),
                std::os::unix::fs::PermissionsExt::from_mode(0o400),
            );
        }
        allow(mode);
        let ran = save(&home);
        allow(0o700);
        ran.ok();
        for database in DATABASES {
            let _ = std::fs::remove_file(folder.join(database));
        }
        let ran = save(&home).ok();
        assert!(ran.out.contains("new 0, "), "{}", ran.out);
        expect_true(&home);
        expect_restored(&home);
        save(&home).ok();
    }
}

#[test]
fn a_cache_folder_on_a_full_disk_is_no_reason_to_save_nothing() {
    let home = home(900);
    let Some(disk) = Mounted::new(home.path("disk"), 1) else { return };
    let mut draw = Draw::new(9);
    for room in [0, 64, 200, 500] {
        // Filled up to some KiB.
        let filler = disk.path().join("filler");
        let _ = std::fs::remove_file(&filler);
        let all = rustix::fs::statvfs(disk.path()).unwrap();
        let free = (all.f_bavail * all.f_bsize).saturating_sub(room << 10);
        std::fs::write(&filler, vec![0; free as usize]).unwrap();
        change(&home, &mut draw);
        let mut arguments = vec!["snapshot".as_ref(), "--cache-dir".as_ref()];
        arguments.push(disk.path().as_os_str());
        let work = home.path("work");
        arguments.push(work.as_os_str());
        home.run(&arguments).ok();
        home.run(&arguments).ok();
        expect_true(&home);
    }
    expect_restored(&home);
}
