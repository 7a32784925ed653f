//! Files with more holes than any disk could hold.

use super::below;
use crate::support::{Home, skipped};
use rustix::fs::{SeekFrom, seek};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

const TERABYTE: u64 = 1 << 40;

/// The parts of a file that are no hole: where, and which bytes.
fn data(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let file = File::open(path).unwrap();
    let (mut at, mut out) = (0, Vec::new());
    while let Ok(from) = seek(&file, SeekFrom::Data(at)) {
        at = seek(&file, SeekFrom::Hole(from)).unwrap();
        let mut bytes = vec![0; (at - from) as usize];
        file.read_exact_at(&mut bytes, from).unwrap();
        out.push((from, bytes));
    }
    out
}

#[test]
fn a_hole_of_a_terabyte_is_saved_and_restored_at_once_and_stays_a_hole() {
    let home = Home::new();
    let shapes: [(&str, &[u64]); 5] = [
        ("whole", &[]),
        ("begin", &[TERABYTE - 4096]),
        ("end", &[0]),
        ("middle", &[0, TERABYTE - 10_000]),
        ("several", &[8192, TERABYTE / 2, TERABYTE - (1 << 20)]),
    ];
    for (name, places) in shapes {
        let file = File::create(home.write(&format!("work/{name}"), "")).unwrap();
        file.set_len(TERABYTE).unwrap();
        for place in places {
            file.write_all_at(format!("{name} {place}").as_bytes(), *place).unwrap();
        }
    }
    let began = Instant::now();
    let (work, target) = (home.path("work"), home.path("target"));
    home.run(["snapshot".as_ref(), work.as_os_str()]).ok();
    home.run(["check", "--read-data"]).ok();
    home.run(["restore".as_ref(), "latest".as_ref(), target.as_os_str()]).ok();
    // Reading five terabytes takes far longer than this on any machine.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    for (name, _) in shapes {
        let (saved, restored) = (work.join(name), below(&target, &work).join(name));
        let (was, is) = (saved.metadata().unwrap(), restored.metadata().unwrap());
        assert_eq!((is.len(), is.blocks()), (was.len(), was.blocks()), "{name}");
        assert!(data(&saved) == data(&restored), "{name}");
    }
}

#[test]
fn a_file_with_which_a_snapshot_had_more_than_64_bits_of_bytes_is_named_and_left_out() {
    let reason = "needs a file system in memory at /dev/shm";
    let Ok(home) = Home::within(Path::new("/dev/shm")) else { return skipped(reason) };
    for name in ["1", "2", "3"] {
        let file = File::create(home.write(&format!("work/{name}"), "")).unwrap();
        if file.set_len(i64::MAX as u64).is_err() {
            return skipped(reason);
        }
    }
    let work = home.path("work");
    let ran = home.run(["snapshot".as_ref(), "--json".as_ref(), work.as_os_str()]).exit(3);
    let third = work.join("3");
    let ran = ran.says(&[&format!("{} cannot be stored", third.display())]);
    let counts = &ran.json()[0]["counts"];
    assert_eq!(counts["bytes"].as_u64(), Some(u64::MAX - 1));
    assert_eq!(counts["files"], 2);
    home.run(["check", "--read-data"]).ok();
}
