//! Rules: which snapshots they keep, what they say, and what they leave alone.

use super::*;

/// Twice a day from the 1st to the 9th, at 6 and 18 o'clock.
fn twice_a_day() -> Home {
    let home = Home::new();
    for day in 1..10 {
        for hour in ["06:00", "18:00"] {
            save(&home, &format!("2026-03-0{day} {hour}"), &["--skip-if-unchanged"]);
        }
    }
    home
}

#[test]
fn each_option_keeps_what_it_says_and_names_itself() {
    let home = twice_a_day();
    let cases: [(&[&str], &[u32], &str); 13] = [
        (&["--keep-last", "3"], &[8, 9, 9], "last 1"),
        (&["--keep-hourly", "3"], &[8, 9, 9], "hourly 2026-03-09 18:00"),
        (&["--keep-daily", "3"], &[7, 8, 9], "daily 2026-03-09"),
        // The 1st and the 8th are Sundays.
        (&["--keep-weekly", "3"], &[1, 8, 9], "weekly 2026-W11"),
        (&["--keep-monthly", "3"], &[9], "monthly 2026-03"),
        (&["--keep-yearly", "unlimited"], &[9], "yearly 2026"),
        (&["--keep-within", "1d"], &[8, 9, 9], "within 1d"),
        (&["--keep-within-hourly", "12h"], &[9, 9], "hourly 2026-03-09 18:00 within 12h"),
        (&["--keep-within-daily", "2d"], &[7, 8, 9], "daily 2026-03-09 within 2d"),
        (&["--keep-within-weekly", "1w"], &[8, 9], "weekly 2026-W11 within 1w"),
        (&["--keep-within-monthly", "1y6m"], &[9], "monthly 2026-03 within 1y6m"),
        (&["--keep-within-yearly", "1m"], &[9], "yearly 2026 within 1m"),
        (&["--keep-tag", "x", "--keep-last", "0"], &[9], "newest of the series"),
    ];
    for (options, days, why) in cases {
        let plan = plan(&home, options);
        assert_eq!(plan.len(), 18);
        let newest = &plan[17].1;
        assert!(newest.split(", ").any(|reason| reason == why), "{options:?}: {newest}");
        assert_eq!(stay(&home, options), days, "{options:?}");
    }
    let several = plan(&home, &["--keep-last", "1", "--keep-daily", "1", "--keep-weekly", "1"]);
    let reasons = "last 1, daily 2026-03-09, weekly 2026-W11, newest of the series";
    assert_eq!(several[17].1, reasons);
}

#[test]
fn the_table_names_for_each_snapshot_the_rule_that_keeps_it_or_that_it_goes() {
    let home = home(&["2026-03-01 12:00", "2026-03-02 12:00", "2026-03-02 13:00"]);
    save_partial(&home, "2026-03-03 13:00");
    let ran = forget(&home, &["--keep-daily", "9"]).ok().says_nothing();
    let table: Vec<&str> = ran.out.lines().map(|line| line.trim_start()).collect();
    assert_eq!(table[0], "a, host h: 1 of 4 snapshots go");
    let rest = |line: &str| line[16..].to_owned();
    assert_eq!(rest(table[1]), "  2026-03-01 12:00:00  stays     daily 2026-03-01");
    assert_eq!(rest(table[2]), "  2026-03-02 12:00:00  goes");
    assert_eq!(
        rest(table[3]),
        "  2026-03-02 13:00:00  stays     daily 2026-03-02, newest complete one"
    );
    assert_eq!(
        rest(table[4]),
        "  2026-03-03 13:00:00  stays  P  daily 2026-03-03, newest of the series"
    );
    assert!(
        table[5].starts_with("1 snapshot forgotten; `esker unforget` brings it back"),
        "{table:?}"
    );
    let again = forget(&home, &["--keep-daily", "9"]).ok();
    assert!(again.out.ends_with("nothing to forget\n"), "{}", again.out);
}

#[test]
fn a_day_is_one_of_this_place() {
    let home = home(&["2026-03-01T23:30:00Z", "2026-03-02T00:30:00Z", "2026-03-02T23:30:00Z"]);
    for (zone, stay) in [("UTC", [1, 2].as_slice()), ("XYZ-2", &[2, 2])] {
        let words = ["forget", "--keep-daily", "9", "--dry-run", "--json"];
        let rows = Ran::of(home.command().args(words).env("TZ", zone)).ok().json();
        let days: Vec<u32> = rows.iter().filter(|row| row["stays"] == true).map(day).collect();
        assert_eq!(days, stay, "{zone}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let home = twice_a_day();
    let before = objects(&home);
    let ran = forget(&home, &["--keep-last", "1", "--dry-run"]).ok();
    assert!(ran.out.ends_with("dry run: 17 snapshots would be forgotten\n"), "{}", ran.out);
    forget(&home, &[&id(&home, 0), "-n"]).ok();
    assert_eq!((objects(&home), days(&home, &[]).len()), (before, 18));
    // What is done is one entry, for all of them; what changes nothing is none.
    forget(&home, &["--keep-last", "1"]).ok();
    assert_eq!((objects(&home), days(&home, &[])), (before + 1, vec![9]));
    forget(&home, &["--keep-last", "1"]).ok();
    assert_eq!(objects(&home), before + 1);
}

#[test]
fn without_a_rule_nothing_is_done() {
    let home = home(&["2026-03-01", "2026-03-02"]);
    for options in [&[][..], &["--keep-last", "0"], &["--label", "a"], &["--dry-run"]] {
        forget(&home, options)
            .exit(1)
            .says(&["no rule says which snapshots stay", "--keep-daily 7"]);
    }
    let both = forget(&home, &["latest", "--keep-last", "1"]).exit(1);
    both.says(&["name the snapshots that are to go, or give rules: not both"]);
    for wrong in ["--keep-last=-1", "--keep-last=x", "--keep-within=3", "--keep-within=0d"] {
        forget(&home, &[wrong]).exit(1).says(&[wrong.split('=').next().unwrap()]);
    }
    assert_eq!(days(&home, &[]), [1, 2]);
}

#[test]
fn json_has_a_row_for_each_snapshot_and_a_summary() {
    let home = home(&["2026-03-01 12:00", "2026-03-02 12:00"]);
    let rows = forget(&home, &["--keep-last", "1", "--json", "--reason", "room"]).ok().json();
    assert_eq!(rows.len(), 3);
    assert_eq!((&rows[0]["stays"], &rows[1]["stays"]), (&false.into(), &true.into()));
    assert_eq!(rows[0]["id"], id(&home, 0));
    assert_eq!(rows[0]["label"], "a");
    assert_eq!(rows[1]["reasons"], serde_json::json!(["last 1", "newest of the series"]));
    let summary = serde_json::json!(
        {"kind": "summary", "dry_run": false, "stay": 1, "go": 1, "forgotten": 1}
    );
    assert_eq!(rows[2], summary);
}
