//! `forget --gc`: forgotten and collected in one go.

use super::*;

/// Bytes in the store.
fn bytes(home: &Home) -> u64 {
    fn sum(folder: &std::path::Path) -> u64 {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|e| match e.metadata().unwrap() {
                stat if stat.is_dir() => sum(&e.path()),
                stat => stat.len(),
            })
            .sum()
    }
    sum(&home.repository())
}

/// Two snapshots, the first of which alone has a file of 2 MB that nothing compresses.
fn large_once() -> Home {
    let home = Home::new();
    let mut noise = vec![0; 2_000_000];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    let folder = home.write("source/file", noise);
    let folder = folder.parent().unwrap().to_str().unwrap().to_owned();
    for content in [None, Some("small")] {
        content.map(|content| home.write("source/file", content));
        home.run(["snapshot", &folder, "--label", "a", "--host", "h", "-q"]).ok();
    }
    home
}

#[test]
fn what_is_forgotten_and_collected_in_one_go_frees_what_the_dry_run_said() {
    let home = large_once();
    let before = bytes(&home);
    let rules = ["--keep-last", "1", "--gc", "--grace", "0", "--json"];
    let dry = forget(&home, &[&rules[..], &["--dry-run"]].concat()).ok().json();
    let plan = dry.iter().find(|row| row["kind"] == "plan").unwrap();
    let frees = plan["frees"].as_u64().unwrap();
    assert!((2_000_000..2_100_000).contains(&frees), "{plan}");
    assert_eq!((bytes(&home), days(&home, &[]).len()), (before, 2));
    let done = forget(&home, &rules).ok().json();
    assert!(done.iter().any(|row| row["kind"] == "done"));
    let freed = before - bytes(&home);
    // Log entries came, and a manifest went.
    assert!(freed.abs_diff(frees) < frees / 100, "{freed} {frees}");
    let rows = home.run(["snapshots", "--forgotten", "--json"]).ok().json();
    assert_eq!(rows.len(), 1);
    let content = home.run(["cat", &format!("latest:{}", home.path("source/file").display())]);
    assert_eq!(content.ok().out, "small");
}

#[test]
fn within_the_grace_it_can_be_taken_back() {
    let home = large_once();
    let first = id(&home, 0);
    let ran = forget(&home, &[&first, "--gc"]).ok();
    let back = "1 forgotten snapshot can be brought back with `esker unforget` until --grace (1d)";
    assert!(ran.out.contains(back), "{}", ran.out);
    home.run(["unforget", &first]).ok();
    let file = home.path("source/file");
    let listed = home.run(["ls", &format!("{first}:{}", file.display()), "--json"]).ok().json();
    assert_eq!(listed[0]["size"], 2_000_000);
    home.run(["check", "--read-data"]).ok();
}

#[test]
fn snapshots_that_go_for_good_are_named_and_no_byte_is_told_twice() {
    let home = large_once();
    let first = id(&home, 0);
    forget(&home, &[&first]).ok();
    // It was forgotten before, and these rules are not about it.
    let words = ["forget", "--label", "none", "--keep-last", "1", "--gc", "--grace", "0"];
    let dry = home.run(words.iter().chain(&["--dry-run"])).ok().out;
    let line = format!(
        "  label a, host h, {}",
        &home.run(["snapshots", "--forgotten"]).ok().out.lines().nth(1).unwrap()[18..37]
    );
    assert!(dry.contains("would remove for good 1 forgotten snapshot:\n"), "{dry}");
    assert!(dry.contains(&format!("{line}, {}\n", &first[..16])), "{dry}");
    assert!(dry.contains("would remove 1 pack that nothing needs, 1.9 MiB\n"), "{dry}");
    assert!(!dry.contains("out of use"), "{dry}");
    let json = home.run(["gc", "--grace", "0", "-n", "--json"]).ok().json().remove(0);
    assert_eq!(json["snapshot_ids"], serde_json::json!([first]));
    assert_eq!((&json["snapshots"], &json["forgotten"]), (&1.into(), &0.into()));
    let json = home.run(["gc", "-n", "--json"]).ok().json().remove(0);
    assert_eq!((&json["snapshot_ids"], &json["forgotten"]), (&serde_json::json!([]), &1.into()));
    let done = home.run(words).ok().out;
    assert!(done.contains("removed for good 1 forgotten snapshot:\n"), "{done}");
    assert!(done.contains(&first[..16]), "{done}");
    // Whoever comes too late is told that it may have been there.
    home.run(["unforget", &first[..8]]).exit(1).says(&["no snapshot", "may have been collected"]);
    // Packs that are given up are in the repository no more.
    let total = home.run(["stats", "--json"]).ok().json().pop().unwrap();
    assert!(total["pack_bytes"].as_u64().unwrap() < 100_000, "{total}");
    assert_eq!(total["unknown_packs"], 0);
}

#[test]
fn minutes_are_min_because_m_is_months_elsewhere() {
    let home = home(&["2026-03-01"]);
    home.run(["gc", "--grace", "5m"]).exit(1).says(&["write min for minutes"]);
    home.run(["gc", "--grace", "5min", "--abort-after", "90min"]).ok();
}

#[test]
fn options_of_a_collection_need_one() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    for option in [["--grace", "0"], ["--max-repack", "0"], ["--abort-after", "1d"]] {
        forget(&home, &[&["--keep-last", "1"][..], &option].concat()).exit(1).says(&["--gc"]);
    }
    assert_eq!(days(&home, &[]), [1, 2]);
}
