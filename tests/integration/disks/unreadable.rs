//! Disks that cannot be read whole.

use super::sparse;
use crate::support::loops::{Loop, Mount, assert_equal, make};
use crate::support::{Home, Ran, needs};
use std::os::unix::fs::FileExt;
use std::path::Path;

fn clone(home: &Home, from: &Path, to: &Path) -> Ran {
    Ran::of(home.command().arg("clone").arg(from).arg(to).arg("--json"))
}

/// What could not be read, as it was told.
fn unreadable(ran: &Ran) -> Vec<(u64, u64)> {
    let told = ran.json()[0]["unreadable"].as_array().unwrap().clone();
    told.iter().map(|r| (r["offset"].as_u64().unwrap(), r["length"].as_u64().unwrap())).collect()
}

#[test]
fn only_the_bad_sectors_are_lost() {
    let home = Home::new();
    if !needs("mkfs.btrfs") {
        return;
    }
    let (pool, mark) = (home.path("pool.img"), *b"these bytes are found again");
    make("btrfs", &pool, 128 << 20);
    let good = home.path("good.img");
    let at = (5 << 20) + 3 * 4096 + 100;
    let mut bytes: Vec<u8> =
        (0..8u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    bytes[at..at + mark.len()].copy_from_slice(&mark);
    std::fs::write(&good, &bytes).unwrap();
    {
        let Some(device) = Loop::over(&pool) else { return };
        let Some(mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
        std::fs::write(mount.path().join("disk.img"), &bytes).unwrap();
    }
    // A byte of the file turns over below the file system, whose checksum tells.
    let all = std::fs::read(&pool).unwrap();
    let place = all.windows(mark.len()).position(|window| window == mark).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&pool).unwrap();
    file.write_all_at(&[mark[0] ^ 1], place as u64).unwrap();
    let Some(device) = Loop::over(&pool) else { return };
    let Some(mount) = Mount::of(device.path(), home.path("at"), "rw") else { return };
    let image = mount.path().join("disk.img");
    let Some(disk) = Loop::with(&image, &["--read-only"]) else { return };
    let lost = (5 << 20) + 3 * 4096;
    bytes[lost..lost + 4096].fill(0);
    std::fs::write(&good, &bytes).unwrap();
    for from in [disk.path(), &image] {
        let copy = home.path("copy.img");
        let ran = clone(&home, from, &copy).exit(3);
        assert_eq!(unreadable(&ran), [(lost as u64, 4096)], "{}", from.display());
        assert_equal(&good, &copy, 8 << 20);
        std::fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn a_disk_whose_file_became_shorter_is_read_as_far_as_it_goes() {
    let home = Home::new();
    let content = vec![5; 3 << 20];
    let image = sparse(&home, "disk.img", 8 << 20, &[(0, &content)]);
    let Some(device) = Loop::over(&image) else { return };
    std::fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(2 << 20).unwrap();
    let copy = home.path("copy.img");
    let ran = clone(&home, device.path(), &copy).exit(3);
    assert_eq!(unreadable(&ran), [(2 << 20, 6 << 20)]);
    let good = sparse(&home, "good.img", 8 << 20, &[(0, &content[..2 << 20])]);
    assert_equal(&good, &copy, 8 << 20);
}
