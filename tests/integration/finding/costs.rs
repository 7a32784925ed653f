//! `stats`: how much there is, and what a snapshot costs.

use crate::support::{Draw, Home};

#[test]
fn series_packs_and_chunks_are_counted() {
    let home = Home::new();
    let mut draw = Draw::new(3);
    let source = home.path("work");
    let save = |label: &str| {
        let words = ["snapshot", "--json", source.to_str().unwrap(), "--label", label];
        home.run(words).ok().json().remove(0)
    };
    home.write("work/noise", draw.noise(3_000_000));
    home.write("work/text", "a word ".repeat(100_000));
    let first = save("one");
    home.write("work/more", draw.noise(100_000));
    let second = save("one");
    let third = save("two\\");
    let rows = home.run(["stats", "--json"]).ok().says_nothing().json();
    assert_eq!(rows.len(), 3);
    let sum = |member: &str| {
        [&first, &second].iter().map(|s| s["counts"][member].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((&rows[0]["kind"], &rows[0]["label"]), (&"series".into(), &"one".into()));
    assert_eq!((&rows[0]["snapshots"], &rows[0]["newest"]), (&2.into(), &second["snapshot"]));
    assert_eq!(rows[0]["added_bytes"], sum("added_bytes"));
    assert_eq!(rows[0]["stored_bytes"], sum("stored_bytes"));
    assert_eq!((&rows[1]["label"], &rows[1]["newest"]), (&"two\\".into(), &third["snapshot"]));
    let total = &rows[2];
    assert_eq!((&total["kind"], &total["snapshots"]), (&"summary".into(), &3.into()));
    // What the packs have on disk is what the log says.
    let mut on_disk = 0;
    for folder in std::fs::read_dir(home.repository().join("pack")).unwrap() {
        for pack in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            on_disk += pack.unwrap().metadata().unwrap().len();
        }
    }
    assert_eq!(total["pack_bytes"], on_disk);
    let added = sum("added_bytes") + third["counts"]["added_bytes"].as_u64().unwrap();
    let number = |member: &str| total[member].as_u64().unwrap();
    assert_eq!(number("chunk_bytes") + number("page_bytes"), added);
    assert_eq!(number("chunk_bytes"), 3_000_000 + 700_000 + 100_000);
    assert!(number("chunks") >= 5 && number("pages") >= 2);
    let text = home.run(["stats"]).ok().out;
    assert!(
        text.contains("two\\\\") && text.contains("3 snapshots; in the repository: "),
        "{text}"
    );
    assert_eq!(home.run(["stats", "--json", "--label", "one"]).ok().json().len(), 2);
}

#[test]
fn what_only_one_snapshot_needs_is_told_and_is_not_what_it_added() {
    let home = Home::new();
    let mut draw = Draw::new(4);
    let work = home.path("work");
    home.write("work/stays", draw.noise(1_000_000));
    // Below the least length of a chunk, and so one wherever the key would cut.
    home.write("work/goes", draw.noise(120_000));
    home.snapshot(&work).ok();
    std::fs::remove_file(work.join("goes")).unwrap();
    home.snapshot(&work).ok();
    let row = home.run(["stats", "--json", "--exclusive", "latest~1"]).ok().json().remove(0);
    assert_eq!((&row["kind"], &row["exact"]), (&"exclusive".into(), &true.into()));
    assert_eq!((&row["chunks"], &row["chunk_bytes"]), (&1.into(), &120_000.into()));
    assert_eq!((&row["whole_packs"], &row["partly_packs"]), (&0.into(), &1.into()));
    let stored = row["stored_bytes"].as_u64().unwrap();
    assert!((120_000..126_000).contains(&stored), "noise does not get smaller: {stored}");
    home.run(["stats", "--exclusive", "latest:/x"]).exit(1).says(&["a whole snapshot"]);
    let ran = home.run(["stats", "--exclusive", "latest"]).ok();
    assert!(ran.out.contains("0 chunks, 0 B, and 1 page, "), "{}", ran.out);
    // With the map of the other one gone, nobody knows.
    let gone = home.run(["snapshots", "--json"]).ok().json()[1]["id"].as_str().unwrap().to_owned();
    std::fs::remove_file(home.repository().join("snapshot").join(gone)).unwrap();
    let ran = home.run(["stats", "--json", "--exclusive", "latest~1"]).exit(4);
    let ran = ran.says(&["something that snapshots share may be counted"]);
    assert_eq!(ran.json()[0]["exact"], false);
}
