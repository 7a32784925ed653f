//! `--time`, `--host`, `--tag`, `--label`, `--compression`.

use super::save;
use crate::support::{Draw, Home};

#[test]
fn a_snapshot_can_be_given_another_time() {
    let home = Home::new();
    let file = home.write("work/file", "saved");
    for (text, start) in [
        ("2001-02-03", "2001-02-03T00:00:00.000000000Z"),
        ("2001-02-03 04:05", "2001-02-03T04:05:00.000000000Z"),
        ("2001-02-03T04:05:06+01:00", "2001-02-03T03:05:06.000000000Z"),
        ("@981173106", "2001-02-03T04:05:06.000000000Z"),
    ] {
        let shown = save(&home, &file, &["--time", text]);
        assert_eq!(shown["start"], start, "{text}");
        let end = shown["end"].as_str().unwrap();
        assert!(start <= end && end.starts_with("2001-02-03"), "{end}");
    }
    let file = file.to_str().unwrap();
    for text in ["", "yesterday", "2001-02-30", "04:05"] {
        let ran = home.run(["snapshot", "--time", text, file]).exit(1);
        ran.says(&["--time", "2026-11-21"]);
    }
    assert_eq!(home.run(["snapshots", "--json"]).ok().json().len(), 4);
}

#[test]
fn host_label_and_tags_must_be_something_that_can_be_seen() {
    let home = Home::new();
    let file = home.write("work/file", "saved");
    for option in ["--host", "--label", "--tag"] {
        for (text, word) in
            [("", "empty"), ("  ", "empty"), ("a\nb", "\\n"), ("\x1b[2J", "\\u{1b}")]
        {
            let ran = home.run(["snapshot", option, text, file.to_str().unwrap()]).exit(1);
            ran.says(&[option, word]);
        }
    }
    assert!(!home.repository().exists());
    let options =
        ["--host", "ein Rechner", "--label", "täglich", "--tag", "b", "--tag", "a", "--tag", "b"];
    let shown = save(&home, &file, &options);
    assert_eq!((&shown["host"], &shown["label"]), (&"ein Rechner".into(), &"täglich".into()));
    let listed = home.run(["snapshots", "--json"]).ok().json().remove(0);
    assert_eq!(listed["tags"], serde_json::json!(["a", "b"]));
}

#[test]
fn content_is_compressed_as_told_and_equal_content_is_stored_once_all_the_same() {
    let mut draw = Draw::new(1);
    let text = draw.text(3 << 20);
    let stored = |level: &str| {
        let home = Home::new();
        let file = home.write("work/file", &text);
        let shown = save(&home, &file, &["--compression", level]);
        home.run(["check", "--read-data"]).ok();
        let again = save(&home, &file, &["--compression", "7", "--label", "another series"]);
        // Directories above it may have changed; the content is there.
        assert!(again["counts"]["added_bytes"].as_u64().unwrap() < 64 << 10);
        shown["counts"]["stored_bytes"].as_u64().unwrap()
    };
    let [off, low, high, auto] = ["off", "1", "19", "auto"].map(stored);
    assert!(off > 3 << 20, "{off}");
    assert!(high < low && low < off / 2, "{off} {low} {high}");
    assert!(auto < off / 2, "{auto}");
}

#[test]
fn a_compression_that_does_not_exist_is_refused() {
    let home = Home::new();
    let file = home.write("work/file", "saved");
    for text in ["0", "20", "-1", "max", ""] {
        let argument = format!("--compression={text}");
        let ran = home.run(["snapshot", &argument, file.to_str().unwrap()]).exit(1);
        ran.says(&["--compression", "1 to 19"]);
    }
    assert!(!home.repository().exists());
}
