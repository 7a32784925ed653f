//! Disk images in a mount: a file, and its partitions beside it.

use super::{Mount, has_fuse};
use crate::support::Home;
use crate::support::loops::{self, Part, assert_equal, bytes, disk};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

fn names(of: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(of).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn partitions_of_an_image_are_files_that_can_be_mounted() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    home.run(["snapshot", "--image", image.to_str().unwrap()]).ok();
    if !has_fuse() {
        return;
    }
    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let shown = mount.path(image.strip_prefix("/").unwrap());
    let folder = shown.with_extension("img.parts");
    assert_eq!(names(shown.parent().unwrap()), ["disk.img", "disk.img.parts"]);
    assert_eq!(names(&folder), ["1", "2", "3", "4"]);
    assert_equal(&shown, &image, loops::DISK);
    // So that others look for the holes.
    let taken = |path: &Path| std::fs::metadata(path).unwrap().blocks();
    assert!((1..=taken(&image)).contains(&taken(&shown)), "{}", taken(&shown));
    assert!(taken(&folder.join("1")) < parts[0].len / 512);
    for (at, part) in parts.iter().enumerate() {
        let file = folder.join((at + 1).to_string());
        assert_eq!(std::fs::metadata(&file).unwrap().len(), part.len);
        let whole = Part { start: 0, len: part.len };
        assert!(bytes(&file, whole) == bytes(&image, *part), "{}", at + 1);
    }
    assert!(std::fs::metadata(folder.join("5")).is_err());
    assert!(std::fs::metadata(shown.join("parts")).is_err());
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    let Some(device) = loops::Loop::with(&folder.join("1"), &["--read-only"]) else { return };
    let options = "ro,noload";
    let Some(inside) = loops::Mount::of(device.path(), home.path("inside"), options) else {
        return;
    };
    let mut command = Command::new("diff");
    command.args(["-r", "--exclude", "lost+found", documents]).arg(inside.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn of_a_disk_that_was_cut_short_what_is_there_is_shown() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    let cut = parts[2].start + 1000;
    std::fs::File::options().write(true).open(&image).unwrap().set_len(cut).unwrap();
    home.run(["snapshot", "--image", image.to_str().unwrap()]);
    for words in [["nbd", "latest", "--partition", "3"], ["nbd", "latest", "--partition", "4"]] {
        home.run(words).exit(1).says(&["reaches past the end of the image"]);
    }
    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let folder = mount.path(image.strip_prefix("/").unwrap()).with_extension("img.parts");
    assert_eq!(names(&folder), ["1", "2", "3"]);
    assert_eq!(std::fs::metadata(folder.join("3")).unwrap().len(), 1000);
}

#[test]
fn what_was_saved_under_the_name_of_the_partitions_comes_first() {
    let home = Home::new();
    let image = home.path("in/disk.img");
    std::fs::create_dir(home.path("in")).unwrap();
    let Some(_) = disk(&image) else { return };
    // An archive can have both, an image and a file beside it.
    let other = home.write("in/disk.img.parts", "something else");
    let images = ["--image".as_ref(), image.as_os_str(), "--image".as_ref(), other.as_os_str()];
    let words = ["snapshot".as_ref()].into_iter().chain(images);
    home.run(words).ok();
    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let shown = mount.path(home.path("in").strip_prefix("/").unwrap());
    assert_eq!(names(&shown), ["disk.img", "disk.img.parts"]);
    let text = std::fs::read(shown.join("disk.img.parts")).unwrap();
    assert_eq!(text, b"something else");
}
