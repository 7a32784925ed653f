//! `diff --live` of images.

use super::{noise, save, sparse};
use crate::support::Home;
use crate::support::loops::Loop;
use std::os::unix::fs::FileExt;
use std::path::Path;

fn write(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
    file.sync_all().unwrap();
}

/// What `diff --live` says of the latest snapshot, but for the last line.
fn differences(home: &Home, options: &[&str]) -> String {
    let ran = home.run([&["diff", "--live", "latest"], options].concat()).ok();
    let lines: Vec<&str> = ran.out.lines().collect();
    let said = if ran.out == "no differences\n" { &lines[..] } else { &lines[..lines.len() - 1] };
    said.join("\n")
}

#[test]
fn an_image_is_compared_with_the_file_that_it_is_of() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 8 << 20, &[(1 << 20, &noise(2 << 20, 30))]);
    let path = image.canonicalize().unwrap();
    save(&home, &[&image], &[]).ok();
    assert_eq!(differences(&home, &[]), "no differences");
    assert_eq!(differences(&home, &["--content"]), "no differences");
    write(&image, 5 << 20, b"other");
    assert_eq!(differences(&home, &[]), format!("?  {}", path.display()));
    assert_eq!(differences(&home, &["--content"]), format!("M  {}", path.display()));
    home.restore("latest", home.path("out")).ok();
    let place = format!("--live={}", home.path("out").display());
    let ran = home.run(["diff", "latest", &place, "--content"]).ok();
    assert_eq!(ran.out, "no differences\n");
    std::fs::remove_file(&image).unwrap();
    assert_eq!(differences(&home, &[]), format!("-  {}", path.display()));
}

#[test]
fn an_image_is_compared_with_the_disk_that_it_is_of() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 8 << 20, &[(1 << 20, &noise(2 << 20, 31))]);
    let Some(device) = Loop::over(&image) else { return };
    save(&home, &[device.path()], &[]).ok();
    let path = device.path().display();
    assert_eq!(differences(&home, &[]), format!("?  {path}"));
    assert_eq!(differences(&home, &["--content"]), "no differences");
    write(device.path(), 6 << 20, b"other");
    assert_eq!(differences(&home, &["--content"]), format!("M  {path}"));
}
