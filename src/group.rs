//! The process group of a command: all that it has begun and that has not left it.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long processes may take to end when they are asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// A command ends with the thread that begins it, however that ends: the kernel kills it. What the command begins
/// itself the kernel leaves alone.
pub fn end_with_us(command: &mut Command) {
    let parent = rustix::process::getpid();
    let told = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have ended before.
        match rustix::process::getppid() == Some(parent) {
            true => Ok(()),
            false => Err(Errno::SRCH.into()),
        }
    };
    // SAFETY: between `fork` and `exec` only two system calls are made, and no memory is asked for.
    unsafe { command.pre_exec(told) };
}

/// Whether the first process of a group, a child of ours, has ended. It stays unwaited for, so that nobody else gets
/// the number by which the group is ended.
///
/// # Errors
/// When nobody can tell.
pub fn has_ended(leader: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Ok(waitid(WaitId::Pid(leader), options)?.is_some())
}

/// Ends a group whose first process was not waited for yet: first it is asked to, then it has to.
pub fn end(leader: Pid) {
    // Where nobody is left there is nobody to end.
    let _ = kill_process_group(leader, Signal::TERM);
    let until = Instant::now() + GRACE;
    let is_left = || !has_ended(leader).unwrap_or(true) || has_others(leader);
    while is_left() {
        if Instant::now() > until {
            let _ = kill_process_group(leader, Signal::KILL);
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether somebody else of the group still runs.
fn has_others(leader: Pid) -> bool {
    let number = leader.as_raw_nonzero().get().to_string();
    let mut entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.any(|entry| {
        let name = entry.file_name();
        let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        is_process
            && *name != *number
            && fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| is_in(&stat, &number))
    })
}

/// Whether a process with this `stat` is in the group and runs. Its name, in parentheses, may have anything in it.
fn is_in(stat: &str, group: &str) -> bool {
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut words = rest.split_whitespace();
    let state = words.next();
    !matches!(state, Some("Z" | "X")) && words.nth(1) == Some(group)
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn a_process_is_told_by_its_group_whatever_its_name_is() {
        assert!(is_in("12 (sleep) S 1 77 77 0 -1", "77"));
        assert!(is_in("12 (a) S 1 5) R 1 77 77 0 -1", "77"));
        assert!(!is_in("12 (sleep) S 77 5 77 0 -1", "77"));
        assert!(!is_in("12 (sleep) Z 1 77 77 0 -1", "77"));
    }
}
