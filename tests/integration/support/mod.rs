//! What the tests share.

mod program;
mod skipped;

pub use program::{Home, Ran};
pub use skipped::skipped;

use std::process::{Command, Stdio};

/// Whether a program that a test needs is here. If not, the test is counted as skipped:
///
/// `if !needs("rsync") { return; }`
#[must_use]
pub fn needs(program: &str) -> bool {
    let mut command = Command::new(program);
    let tried = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = tried.is_ok();
    if !found {
        skipped(&format!("needs the program {program}"));
    }
    found
}
