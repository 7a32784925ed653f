//! A restore of which a system call fails: it says so, or has done everything; and the next one
//! ends as if nothing had been.

use super::killed::{change, grow};
use super::latest;
use crate::crash::traced::{Moment, can_trace, moments, struck, was_struck};
use crate::support::{Home, Ran, differences, needs};

/// The calls that are failed.
const CALLS: [&str; 18] = [
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "fsync",
    "syncfs",
    "linkat",
    "symlinkat",
    "renameat",
    "renameat2",
    "unlinkat",
    "mkdirat",
    "fchown",
    "fchmod",
    "utimensat",
    "openat",
    "pread64",
];

const ERRORS: [&str; 3] = ["error=ENOSPC", "error=EIO", "error=EROFS"];

fn at_all_moments(options: &[&str]) -> usize {
    let home = Home::new();
    let work = grow(&home);
    home.snapshot(&work).ok();
    let pristine = home.path("pristine");
    home.restore(&latest(&work), &pristine).ok();
    let mut met = 0;
    for call in CALLS {
        for (number, when) in moments(true).enumerate() {
            change(&work);
            let moment = Moment { call, what: ERRORS[number % ERRORS.len()], when };
            let mut command = struck(&home, moment);
            command.args(["restore", "--quiet", "--delete", "--threads", "1"]).args(options);
            let ran = Ran::of(command.arg(latest(&work)).arg(&work));
            assert!(!ran.err.contains("panicked"), "{moment:?}: {}", ran.err);
            match ran.code {
                0 => {
                    let found = differences(&pristine, &work);
                    assert!(found.is_empty(), "{moment:?}: {found:?}\n{}", ran.err);
                }
                // The program did not even begin.
                127 => {}
                code => {
                    assert!([1, 3, 4, 5].contains(&code), "{moment:?}: {ran:?}");
                    assert!(
                        ran.err.contains("error: ") || ran.err.contains("warning: "),
                        "{ran:?}"
                    );
                }
            }
            let again = [&["restore", "--delete"], options].concat();
            let again = Ran::of(home.command().args(again).arg(latest(&work)).arg(&work));
            assert_eq!(again.code, 0, "{moment:?}: {again:?}");
            let found = differences(&pristine, &work);
            assert!(found.is_empty(), "{moment:?}, and again: {found:?}");
            if !was_struck(&home) {
                break;
            }
            met += 1;
        }
    }
    met
}

#[test]
fn a_restore_that_an_error_meets_says_so_or_has_done_everything_and_the_next_one_is_whole() {
    if !can_trace() || !needs("rsync") || !needs("find") {
        return;
    }
    let met = at_all_moments(&[]);
    assert!(met > 40, "{met}");
}

#[test]
fn the_same_of_a_restore_that_writes_into_files_where_they_are() {
    if !can_trace() || !needs("rsync") || !needs("find") {
        return;
    }
    let met = at_all_moments(&["--in-place"]);
    assert!(met > 40, "{met}");
}
