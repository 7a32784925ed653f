//! What cannot be read is an error where it is, is told once, and is no more than that.

use super::Mount;
use crate::support::{Draw, Home};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// The largest pack of a repository.
fn pack(home: &Home) -> PathBuf {
    let folders = std::fs::read_dir(home.repository().join("pack")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files
        .map(|file| file.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

#[test]
fn a_damaged_chunk_is_an_error_for_its_bytes_alone_and_is_told_once() {
    let home = Home::new();
    let bytes = Draw::new(1).noise(24 * MIB as usize);
    let large = home.write("in/large", &bytes);
    home.write("in/small", "text");
    home.snapshot(home.path("in")).ok();
    let pack = pack(&home);
    let file = File::options().read(true).write(true).open(&pack).unwrap();
    let middle = pack.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    let mut options = std::fs::metadata(&pack).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut options, 0o600);
    std::fs::set_permissions(&pack, options).unwrap();
    file.write_all_at(&[byte[0] ^ 1], middle).unwrap();

    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let shown = mount.path(large.strip_prefix("/").unwrap());
    let file = File::open(&shown).unwrap();
    let (mut wrong, mut piece) = (0, vec![0; 4096]);
    for at in (0..bytes.len()).step_by(4096) {
        let len = piece.len().min(bytes.len() - at);
        match file.read_exact_at(&mut piece[..len], at as u64) {
            Ok(()) => assert!(piece[..len] == bytes[at..at + len], "other bytes at {at}"),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
                wrong += len as u64;
            }
        }
    }
    drop(file);
    assert!((1..=6 * MIB).contains(&wrong), "{wrong} bytes are errors");
    let mut text = String::new();
    let small = home.path("in/small");
    File::open(mount.path(small.strip_prefix("/").unwrap()))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "text");
    let (status, said) = mount.end();
    assert_eq!(status.code(), Some(4), "as it was damage");
    let told: Vec<&str> = said.lines().filter(|line| line.contains("/in/large")).collect();
    assert_eq!(told.len(), 1, "{said}");
    assert!(told[0].contains("cannot be read whole"), "{said}");
}

#[test]
fn a_file_that_could_not_be_read_when_it_was_saved_is_an_error_and_not_empty() {
    let home = Home::new();
    home.write("in/file", "text");
    let mut command = home.command_without_root();
    let closed = home.path("in/file");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let ran = crate::support::Ran::of(command.arg("snapshot").arg(home.path("in")));
    assert_eq!(ran.code, 3, "{}", ran.err);
    let Some(mount) = Mount::of(&home, ["--snapshot", "latest"]) else { return };
    let shown = mount.path(closed.strip_prefix("/").unwrap());
    assert_eq!(shown.metadata().unwrap().len(), 4);
    assert!(std::fs::read(&shown).is_err());
}
