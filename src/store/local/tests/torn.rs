//! Objects are whole or absent, whoever reads and whoever dies.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::*;

#[test]
fn a_reader_sees_an_object_whole_or_not_at_all() {
    for way in [Way::Unnamed, Way::Link, Way::Rename] {
        let (_folder, store) = new_store();
        store.way.store(way as u8, Ordering::Relaxed);
        let bytes = noise(1, 1 << 20);
        thread::scope(|scope| {
            scope.spawn(|| {
                (0..40).for_each(|n| assert!(put(&store, &format!("{n}"), &bytes).is_ok()))
            });
            let mut out = Vec::new();
            for n in 0..40 {
                let name = format!("{n}");
                while let Err(error) = store.get(&name, u64::MAX, &mut out) {
                    assert_eq!(error.kind, StoreErrorKind::NotFound);
                }
                assert!(out == bytes, "{way:?}: a torn object");
            }
        });
    }
}

/// Not a test of its own: the process that the next one kills. Without a folder to write to it
/// has nothing to do.
#[test]
fn a_writer_that_does_not_stop() {
    let Some(root) = env::var_os("ESKER_TEST_ROOT") else { return };
    let store = LocalStore::open(root).unwrap();
    for n in 0_u64.. {
        put(&store, &format!("{}/{n}", n % 3), &noise(n, 300_000)).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_whole_objects_and_nothing_else() {
    for round in 0..8 {
        let (folder, store) = new_store();
        let test = format!("{}::a_writer_that_does_not_stop", module_path!());
        let test = test.split_once("::").unwrap().1;
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", test])
            .env("ESKER_TEST_ROOT", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while names(&store, "").len() < 5 {
            assert!(writer.try_wait().unwrap().is_none(), "the writer has stopped");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(700 * round));
        writer.kill().unwrap();
        writer.wait().unwrap();

        let found = names(&store, "");
        assert_eq!(files(folder.path()).len(), found.len(), "litter");
        for name in found {
            let seed = name.split_once('/').unwrap().1.parse().unwrap();
            assert!(read(&store, &name) == noise(seed, 300_000), "{name} is torn");
        }
    }
}
