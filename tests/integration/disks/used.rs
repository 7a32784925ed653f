//! `esker snapshot --image --used-only`.

use super::{noise, save};
use crate::support::loops::{Loop, Mount, administration, assert_equal, disk, does};
use crate::support::{Home, needs};
use std::path::{Path, PathBuf};

/// Makes an ext4 in which files came and went, with these options of `mkfs.ext4`.
fn worn(home: &Home, options: &[&str], mebibytes: u64) -> Option<PathBuf> {
    (needs("mkfs.ext4") && needs("debugfs")).then_some(())?;
    let image = home.path("disk.img");
    std::fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
    let mut command = administration("mkfs.ext4");
    does(command.args(["-q", "-F"]).args(options).arg(&image));
    let device = Loop::over(&image)?;
    let mount = Mount::of(device.path(), home.path("at"), "rw")?;
    for number in 0..40 {
        let len = 300_000 + number as usize * 7000;
        std::fs::write(mount.path().join(format!("file{number}")), noise(len, number)).unwrap();
    }
    rustix::fs::syncfs(std::fs::File::open(mount.path()).unwrap()).unwrap();
    for number in (0..40).step_by(3) {
        std::fs::remove_file(mount.path().join(format!("file{number}"))).unwrap();
    }
    Some(image)
}

/// Bytes of a block, and the blocks that `dumpe2fs` calls free.
fn free(image: &Path) -> (u64, Vec<bool>) {
    let told = does(administration("dumpe2fs").arg(image));
    let field = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let (size, count) = (field("Block size:"), field("Block count:"));
    let mut free = vec![false; count as usize];
    for ranges in told.lines().filter_map(|line| line.strip_prefix("  Free blocks: ")) {
        for range in ranges.split(", ").filter(|range| !range.is_empty()) {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            free[from..=to].fill(true);
        }
    }
    (size, free)
}

fn restored(home: &Home, image: &Path) -> PathBuf {
    let _ = std::fs::remove_dir_all(home.path("out"));
    home.restore("latest", home.path("out")).ok();
    home.path("out").join(image.canonicalize().unwrap().strip_prefix("/").unwrap())
}

#[test]
fn every_used_block_is_saved_and_what_was_deleted_is_not() {
    let kinds: [&[&str]; 6] = [
        &["-b", "4096"],
        &["-b", "1024"],
        &["-b", "4096", "-O", "^flex_bg"],
        &["-b", "1024", "-O", "^metadata_csum,uninit_bg,^64bit"],
        &["-b", "4096", "-O", "^has_journal,^metadata_csum", "-g", "8192"],
        &["-b", "1024", "-O", "sparse_super2", "-E", "lazy_itable_init=1"],
    ];
    for options in kinds {
        let home = Home::new();
        let Some(image) = worn(&home, options, 160) else { return };
        let ran = save(&home, &[&image], &["--used-only"]).ok();
        assert!(!ran.err.contains("read as a whole"), "{}", ran.err);
        let copy = restored(&home, &image);
        let (size, free) = free(&image);
        let (from, to) = (std::fs::read(&image).unwrap(), std::fs::read(&copy).unwrap());
        let mut left_out = 0;
        for (number, is_free) in free.iter().enumerate() {
            let range = number * size as usize..(number + 1) * size as usize;
            if from[range.clone()] == to[range.clone()] {
                continue;
            }
            assert!(is_free, "block {number} is used, with {options:?}");
            left_out += size;
        }
        // A third of what was written went again.
        assert!(left_out > 3 << 20, "{left_out} bytes, with {options:?}");
        does(administration("e2fsck").arg("-fn").arg(&copy));
        let listed = home.run(["ls", "latest"]).ok();
        assert!(listed.out.contains("that are free"), "{}", listed.out);
    }
}

#[test]
fn in_partitions_what_is_no_ext4_is_read_as_a_whole() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    let ran = save(&home, &[&image], &["--used-only"]).ok();
    ran.says(&["partition 2 is read as a whole", "xfs", "partition 3", "partition 4"]);
    let copy = restored(&home, &image);
    super::check(&image, &copy, &parts[..0]);
    // What was made here was never used before, so that nothing free has anything in it.
    assert_equal(&image, &copy, std::fs::metadata(&image).unwrap().len());
}

#[test]
fn a_file_system_that_is_not_in_order_is_read_as_a_whole() {
    let home = Home::new();
    let Some(image) = worn(&home, &["-b", "4096"], 64) else { return };
    let sound = std::fs::read(&image).unwrap();
    let whole = |words: &str| {
        let ran = save(&home, &[&image], &["--used-only"]).ok();
        ran.says(&["it is read as a whole", words]);
        assert_equal(&image, &restored(&home, &image), 64 << 20);
    };
    // Errors, an unknown feature, a journal that is not empty.
    for (at, bits, words) in
        [(58, 2, "it has errors"), (96 + 3, 0x80, "not known here"), (96, 4, "its journal")]
    {
        let mut bytes = sound.clone();
        bytes[1024 + at] |= bits;
        std::fs::write(&image, &bytes).unwrap();
        whole(words);
    }
    // A bitmap that says something else than the descriptor of its group.
    std::fs::write(&image, &sound).unwrap();
    let told = does(administration("dumpe2fs").arg(&image).stderr(std::process::Stdio::null()));
    let line = told.lines().find(|line| line.contains("Block bitmap at")).unwrap();
    let block: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    let mut bytes = sound;
    bytes[block * 4096 + 900] ^= 1;
    std::fs::write(&image, &bytes).unwrap();
    whole("the bitmap of its group 0");
    let Some(device) = Loop::over(&image) else { return };
    let Some(_mount) = Mount::of(device.path(), home.path("at"), "rw,errors=continue") else {
        return;
    };
    let ran = save(&home, &[device.path()], &["--used-only", "--allow-live"]).ok();
    ran.says(&["it may change meanwhile"]);
}
