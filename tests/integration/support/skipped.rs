//! Tests that cannot run here: they say so, and are counted.

use std::io::Write;

/// Says that this test, or a part of it, does not run here, and why. `tests/run` counts it: a test
/// that shows nothing must not look like one that passed.
#[allow(dead_code, reason = "each test binary has its own reasons")]
pub fn skipped(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed").replace(' ', "_");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
    if let Some(list) = std::env::var_os("ESKER_SKIPPED") {
        let open = std::fs::OpenOptions::new().append(true).create(true).open(list);
        // One write for one line: tests run at the same time.
        open.unwrap().write_all(format!("{test} {reason}\n").as_bytes()).unwrap();
    }
}
