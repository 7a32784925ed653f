//! Files that change while they are saved, or are not what the file system says.

use crate::support::{Draw, Home, Ran, skipped};
use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_small_file_that_becomes_enormous_before_it_is_read_is_saved_to_its_first_length() {
    let home = Home::new();
    // The names are listed together, and the large file is read first.
    home.write("work/a", Draw::new(1).noise(96 << 20));
    let grows = home.write("work/b", "first");
    let mut command = home.command();
    command.args(["snapshot", "--threads", "1"]).arg(home.path("work"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    // Folders for packs are there with the first of them.
    let has_pack =
        || home.repository().join("pack").read_dir().is_ok_and(|mut d| d.next().is_some());
    while !has_pack() {
        assert!(began.elapsed() < Duration::from_secs(60), "no pack came");
        std::thread::sleep(Duration::from_millis(1));
    }
    OpenOptions::new().write(true).open(&grows).unwrap().set_len(30 << 30).unwrap();
    let ran = Ran::from_output(child.wait_with_output().unwrap()).exit(3);
    ran.says(&[grows.to_str().unwrap(), "grew while it was read"]);
    assert_eq!(home.run(["cat", &format!("latest:{}", grows.display())]).out, "first");
}

#[test]
fn a_file_of_the_kernel_that_says_a_page_and_gives_a_line_is_whole() {
    let home = Home::new();
    let line = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    let Ok(text) = std::fs::read_to_string(line) else {
        return skipped("needs sysfs with transparent huge pages");
    };
    assert!((text.len() as u64) < line.metadata().unwrap().len());
    home.snapshot(line).ok();
    assert_eq!(home.run(["cat", &format!("latest:{}", line.display())]).ok().out, text);
}

#[test]
fn a_file_of_the_kernel_that_says_nothing_and_gives_lines_is_whole() {
    let home = Home::new();
    let file = Path::new("/proc/version");
    let Ok(text) = std::fs::read_to_string(file) else { return skipped("needs /proc") };
    assert_eq!(file.metadata().unwrap().len(), 0);
    for _ in 0..2 {
        home.snapshot(file).ok();
        assert_eq!(home.run(["cat", "latest:/proc/version"]).ok().out, text);
    }
}
