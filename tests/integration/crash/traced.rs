//! The program under `strace`, which ends it or fails one of its system calls at a chosen moment.

use crate::support::{Home, needs, skipped};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// One moment of a run: the `when`th `call` of one of its threads, and what happens to it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub call: &'static str,
    /// In the words of `strace`: `signal=KILL`, `error=EIO`.
    pub what: &'static str,
    pub when: u32,
}

/// Whether programs can be traced here. If not, the test is counted as skipped.
#[must_use]
pub fn can_trace() -> bool {
    static TRIED: OnceLock<bool> = OnceLock::new();
    if !needs("strace") {
        return false;
    }
    let can = *TRIED.get_or_init(|| {
        let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
        tried.is_ok_and(|output| output.status.success())
    });
    if !can {
        skipped("needs the right to trace a process");
    }
    can
}

/// The program in this home, with something happening to one of its calls. When it is killed,
/// `strace` ends as it did.
pub fn struck(home: &Home, moment: Moment) -> Command {
    let Moment { call, what, when } = moment;
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}:when={when}"));
    let list = home.path("struck");
    strace(home, &["-o", list.to_str().unwrap(), "-s", "0", "-e", &trace, "-e", &inject])
}

/// Whether the last moment came.
pub fn was_struck(home: &Home) -> bool {
    std::fs::read_to_string(home.path("struck")).unwrap().contains("(INJECTED)")
}

/// The program in this home; the names that it opens go to `list`.
pub fn watched(home: &Home, list: &Path) -> Command {
    let list = list.to_str().unwrap();
    strace(home, &["-o", list, "-s", "4096", "-e", "trace=openat"])
}

fn strace(home: &Home, arguments: &[&str]) -> Command {
    let program = home.command();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(arguments).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// The moments of a loop: each of the first, then wider apart, so that a run of hundreds of calls
/// is met in some fifteen places, or in ten when it is by `leaps`. `ESKER_CRASH=all` takes every one.
pub fn moments(leaps: bool) -> impl Iterator<Item = u32> {
    let all = std::env::var_os("ESKER_CRASH").is_some_and(|value| value == "all");
    let more = move |n: u32| match (all, leaps) {
        (true, _) => 0,
        (false, true) => n / 2,
        (false, false) => n / 4,
    };
    std::iter::successors(Some(1), move |n| Some(n + 1 + more(*n)))
}
