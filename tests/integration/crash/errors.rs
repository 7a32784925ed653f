//! System calls that fail at any moment: a full disk, a broken one, one that became read-only. A
//! run ends with a clear error and without a snapshot, or has saved all that it says.

use super::scene::{Scene, tell};
use super::traced::{Moment, can_trace, moments, struck, was_struck};
use crate::support::Ran;

/// The calls that are failed: those that change something, and those that read.
const CALLS: [&str; 15] = [
    "write",
    "writev",
    "pwrite64",
    "fsync",
    "syncfs",
    "linkat",
    "unlink",
    "ftruncate",
    "mkdir",
    "mkdirat",
    "openat",
    "getdents64",
    "pread64",
    "preadv2",
    "flock",
];

const ERRORS: [&str; 3] = ["error=ENOSPC", "error=EIO", "error=EROFS"];

/// Exit codes of a run that tells why it made no snapshot.
const REFUSED: [i32; 3] = [1, 4, 5];

/// Runs a snapshot with a call that fails; false when there was no such call.
fn fail(scene: &mut Scene, moment: Moment) -> bool {
    let mut command = struck(&scene.home, moment);
    command.args(["snapshot", "--json"]).arg(scene.work());
    let ran = Ran::of(&mut command);
    assert!(!ran.err.contains("panicked"), "{moment:?}: {}", ran.err);
    match ran.code {
        0 => {
            scene.note(&ran);
            scene.expect_restored();
        }
        // Files that could not be read are named, and the rest is saved.
        3 => {
            scene.note(&ran);
            assert!(ran.err.contains("warning: "), "{moment:?}: {ran:?}");
        }
        // The program did not even begin.
        127 => {}
        code => {
            assert!(REFUSED.contains(&code), "{moment:?}: {ran:?}");
            assert!(ran.err.contains("{\"error\":"), "{moment:?}: {ran:?}");
        }
    }
    was_struck(&scene.home)
}

/// Fails calls of runs in `prepare`d scenes; returns how many runs were met.
fn at_all_moments(mut scene_for: impl FnMut(Option<Scene>) -> Scene) -> usize {
    let mut met = 0;
    for call in CALLS {
        let mut scene = None;
        for (number, when) in moments(true).enumerate() {
            let mut this = scene_for(scene.take().filter(|scene: &Scene| !scene.is_worn()));
            let what = ERRORS[number % ERRORS.len()];
            let was_met = fail(&mut this, Moment { call, what, when });
            if this.home.repository().join("config").exists() {
                this.expect_sound();
            }
            this.save();
            this.expect_restored();
            scene = Some(this);
            if !was_met {
                break;
            }
            met += 1;
        }
        if let Some(last) = scene {
            last.expect_nothing_differs();
        }
    }
    tell(&format!("{met} runs were met by an error"));
    met
}

#[test]
fn a_first_run_that_an_error_meets_at_any_moment_says_so_and_the_next_one_is_whole() {
    if !can_trace() {
        return;
    }
    let met = at_all_moments(|_| Scene::new(4));
    assert!(met > 40, "{met}");
}

#[test]
fn a_run_that_an_error_meets_at_any_moment_says_so_or_has_saved_everything() {
    if !can_trace() {
        return;
    }
    let met = at_all_moments(|scene| {
        let mut scene = scene.unwrap_or_else(|| {
            let mut scene = Scene::new(5);
            scene.save();
            scene
        });
        scene.change();
        scene
    });
    assert!(met > 40, "{met}");
}
