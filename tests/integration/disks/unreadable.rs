//! Disks that cannot be read whole.

use super::sparse;
use crate::support::loops::{Loop, Mount, assert_equal, make};
use crate::support::{Home, Ran, needs};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn clone(home: &Home, from: &Path, to: &Path) -> Ran {
    Ran::of(home.command().arg("clone").arg(from).arg(to).arg("--json"))
}

/// What could not be read, as it was told.
fn unreadable(ran: &Ran) -> Vec<(u64, u64)> {
    let told = ran.json()[0]["unreadable"].as_array().unwrap().clone();
    told.iter().map(|r| (r["offset"].as_u64().unwrap(), r["length"].as_u64().unwrap())).collect()
}

/// A disk of which two blocks of 4 KiB cannot be read: a file on a file system whose checksums do not fit.
pub struct Flipped {
    /// The disk; it goes first.
    pub disk: Loop,
    _mount: Mount,
    _pool: Loop,
    /// What it is a disk over.
    pub image: PathBuf,
    /// What is to be had of it.
    pub good: PathBuf,
    /// Where it cannot be read.
    pub lost: [(u64, u64); 2],
}

pub const FLIPPED: u64 = 8 << 20;

pub fn flipped(home: &Home) -> Option<Flipped> {
    needs("mkfs.btrfs").then_some(())?;
    let pool = home.path("pool.img");
    let marks = [*b"these bytes are found again", *b"and so are these, elsewhere"];
    make("btrfs", &pool, 128 << 20);
    let good = home.path("good.img");
    let lost = [(5 << 20) + 3 * 4096, (5 << 20) + 40 * 4096];
    let mut bytes: Vec<u8> =
        (0..FLIPPED as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (lost, mark) in lost.iter().zip(&marks) {
        bytes[lost + 100..lost + 100 + mark.len()].copy_from_slice(mark);
    }
    {
        let device = Loop::over(&pool)?;
        let mount = Mount::of(device.path(), home.path("at"), "rw")?;
        std::fs::write(mount.path().join("disk.img"), &bytes).unwrap();
    }
    // Bytes of the file turn over below the file system, whose checksum tells.
    let all = std::fs::read(&pool).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&pool).unwrap();
    for mark in marks {
        let place = all.windows(mark.len()).position(|window| window == mark).unwrap();
        file.write_all_at(&[mark[0] ^ 1], place as u64).unwrap();
    }
    let pool = Loop::over(&pool)?;
    let mount = Mount::of(pool.path(), home.path("at"), "rw")?;
    let image = mount.path().join("disk.img");
    let disk = Loop::with(&image, &["--read-only"])?;
    lost.iter().for_each(|lost| bytes[*lost..lost + 4096].fill(0));
    std::fs::write(&good, &bytes).unwrap();
    let lost = lost.map(|lost| (lost as u64, 4096));
    Some(Flipped { disk, _mount: mount, _pool: pool, image, good, lost })
}

#[test]
fn only_the_bad_sectors_are_lost() {
    let home = Home::new();
    let Some(flipped) = flipped(&home) else { return };
    for from in [flipped.disk.path(), &flipped.image] {
        let copy = home.path("copy.img");
        let ran = clone(&home, from, &copy).exit(3);
        assert_eq!(unreadable(&ran), flipped.lost, "{}", from.display());
        assert_equal(&flipped.good, &copy, FLIPPED);
        std::fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn a_snapshot_says_what_could_not_be_read_and_has_all_the_rest() {
    let home = Home::new();
    let Some(flipped) = flipped(&home) else { return };
    let ran = home.run(["snapshot".as_ref(), "--image".as_ref(), flipped.disk.path().as_os_str()]);
    let [(first, _), (second, _)] = flipped.lost;
    let told = format!("8192 bytes could not be read: 4096 from {first} on, 4096 from {second} on");
    ran.exit(3).says(&[&told]);
    let listed = home.run(["ls", "--json", "latest"]).ok().json();
    assert_eq!(listed.last().unwrap()["fidelity"], "damaged");
    home.restore("latest", home.path("out")).exit(3);
    let name = flipped.disk.path().strip_prefix("/").unwrap();
    assert_equal(&flipped.good, &home.path("out").join(name), FLIPPED);
    let target = sparse(&home, "target.img", FLIPPED, &[(first, &[9; 4096])]);
    let options = ["--device", "--yes", "--json"];
    let ran = Ran::of(home.command().args(["restore", "latest"]).arg(&target).args(options));
    assert_eq!(unreadable(&ran.exit(3)), flipped.lost);
    assert_equal(&flipped.good, &target, FLIPPED);
    // It is not the repository that is to blame.
    let what = format!("latest:{}", flipped.disk.path().display());
    let said = "not all of it could be read when it was saved";
    home.run(["restore", &what, "--to-command", "wc", "--", "-c"]).exit(3).says(&[said]);
    let mut cat = home.command();
    let cat = cat.args(["cat", &what]).output().unwrap();
    assert_eq!(cat.status.code(), Some(3));
    let told = String::from_utf8_lossy(&cat.stderr).into_owned();
    assert!(told.contains(said) && !told.contains("damaged"), "{told}");
    let archive = home.path("a.tar");
    let ran = home.run(["export", "latest", "-o", archive.to_str().unwrap()]).exit(3);
    ran.says(&["has zeros for 8192 bytes that could not be read when it was saved"]);
    let mut tar = tar::Archive::new(std::fs::File::open(&archive).unwrap());
    let entry = tar.entries().unwrap().map(Result::unwrap).find(|entry| entry.size() > 0).unwrap();
    let unpacked = home.path("unpacked.img");
    std::io::copy(&mut { entry }, &mut std::fs::File::create(&unpacked).unwrap()).unwrap();
    assert_equal(&flipped.good, &unpacked, FLIPPED);
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
