//! Syncs beside runs, forgets and collections without grace in the repository.

use super::{home, ids, last, save, sync, there};
use crate::support::Home;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rounds of what goes on in the repository.
const ROUNDS: u64 = 14;

/// One round: most of the source changes, an old snapshot goes with what only it needs.
fn round(home: &Home, number: u64, trees: &mut BTreeMap<String, PathBuf>) {
    use crate::support::Draw;
    let mut draw = Draw::new(1000 + number);
    for file in 0..6 {
        let at = (number * 5 + file) % 30;
        home.write(&format!("work/{at:02}"), draw.noise(200 << 10));
    }
    let id = save(home, "round");
    let kept = home.path(format!("trees/{id}"));
    let copied =
        std::process::Command::new("cp").arg("-a").arg(home.path("work")).arg(&kept).status();
    assert!(copied.unwrap().success());
    trees.insert(id, kept);
    home.run(["forget", "--keep-last", "2", "-q"]).ok();
    home.run(["gc", "--grace", "0", "-q"]).ok();
}

#[test]
fn every_snapshot_that_a_copy_shows_can_be_restored_at_every_moment() {
    let home = home(31);
    std::fs::create_dir(home.path("trees")).unwrap();
    let mut trees = BTreeMap::new();
    round(&home, 0, &mut trees);
    sync(&home, &["-q"]).ok();
    let is_over = AtomicBool::new(false);
    let (mut syncs, mut relisted, mut looks) = (0, 0, 0);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut trees = BTreeMap::new();
            for number in 1..=ROUNDS {
                round(&home, number, &mut trees);
            }
            is_over.store(true, Ordering::Relaxed);
            trees
        });
        let syncing = scope.spawn(|| {
            let (mut syncs, mut relisted) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let ran = sync(&home, &["--json"]);
                // It was collected again and again meanwhile: that is no harm.
                if ran.code != 6 {
                    relisted += u64::from(last(&ran.ok())["listings"].as_u64().unwrap() > 1);
                    syncs += 1;
                }
            }
            (syncs, relisted)
        });
        while !is_over.load(Ordering::Relaxed) {
            // What is named is whole, all of it: the copy deletes nothing.
            there(&home, &["check", "--read-data", "-q"]).ok();
            looks += 1;
        }
        trees.extend(busy.join().unwrap());
        (syncs, relisted) = syncing.join().unwrap();
    });
    super::tell(&format!("{syncs} syncs, {relisted} listed again, {looks} checks"));
    assert!(syncs > 1 && looks > 0);
    sync(&home, &["-q"]).ok();
    let listed = ids(&there(&home, &["snapshots", "--json"]).ok());
    assert_eq!(listed, ids(&home.run(["snapshots", "--json"]).ok()));
    for id in &listed {
        super::restores(&home, id, &trees[id]);
    }
    there(&home, &["gc", "-q"]).ok();
    for id in &listed {
        super::restores(&home, id, &trees[id]);
    }
    let objects = last(&sync(&home, &["--json"]).ok())["objects"].clone();
    assert_eq!(objects, 0);
}
