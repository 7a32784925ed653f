//! SIGKILL at every moment at which a run changes something: the repository is sound, what was
//! reported is there, and the next run ends well.

use super::scene::{Scene, tell};
use super::traced::{Moment, can_trace, moments, struck};
use crate::support::Ran;

/// The calls by which a run changes anything, here or in the store.
const CALLS: [&str; 14] = [
    "write",
    "writev",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "linkat",
    "unlink",
    "unlinkat",
    "ftruncate",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat2",
];

/// How a killed process ends.
const KILLED: i32 = 137;

/// Runs a snapshot that is killed at a moment; false when it came to its end before.
fn kill(scene: &mut Scene, moment: Moment, more: &[&str]) -> bool {
    let work = scene.work();
    let mut command = struck(&scene.home, moment);
    command.args(["snapshot", "--json"]).args(more).arg(work);
    let ran = Ran::of(&mut command);
    if ran.code == KILLED {
        // The report is the last thing that a run writes: whoever has read it has a snapshot.
        scene.note(&ran);
        return true;
    }
    scene.note(&ran.ok());
    false
}

/// Kills runs of `prepare`d scenes at the moments of all `calls`; returns how many were killed.
fn at_all_moments(
    calls: &[&'static str],
    more: &[&str],
    mut scene_for: impl FnMut(Option<Scene>) -> Scene,
) -> usize {
    let mut killed = 0;
    for &call in calls {
        let mut scene = None;
        for when in moments(false) {
            let mut this = scene_for(scene.take().filter(|scene: &Scene| !scene.is_worn()));
            let moment = Moment { call, what: "signal=KILL", when };
            let was_killed = kill(&mut this, moment, more);
            if this.home.repository().join("config").exists() {
                this.expect_sound();
            }
            this.save();
            this.expect_restored();
            scene = Some(this);
            if !was_killed {
                break;
            }
            killed += 1;
        }
        if let Some(last) = scene {
            last.expect_sound();
            last.expect_nothing_differs();
        }
    }
    tell(&format!("{killed} runs were killed"));
    killed
}

#[test]
fn a_first_run_that_is_killed_at_any_moment_leaves_nothing_that_is_in_the_way() {
    if !can_trace() {
        return;
    }
    let killed = at_all_moments(&CALLS, &[], |_| Scene::new(1));
    assert!(killed > 60, "{killed}");
}

#[test]
fn a_run_that_is_killed_at_any_moment_loses_no_snapshot_and_the_next_one_is_whole() {
    if !can_trace() {
        return;
    }
    let killed = at_all_moments(&CALLS, &[], |scene| {
        let mut scene = scene.unwrap_or_else(|| {
            let mut scene = Scene::new(2);
            scene.save();
            scene
        });
        scene.change();
        scene
    });
    assert!(killed > 40, "{killed}");
}

#[test]
fn a_run_that_finds_nothing_new_can_be_killed_at_any_moment() {
    if !can_trace() {
        return;
    }
    let killed = at_all_moments(&CALLS, &["--skip-if-unchanged"], |scene| {
        scene.unwrap_or_else(|| {
            let mut scene = Scene::new(3);
            scene.save();
            scene.change();
            scene.save();
            scene
        })
    });
    assert!(killed > 10, "{killed}");
}
