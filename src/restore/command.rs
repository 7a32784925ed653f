//! A command that is fed what was saved.

use super::stream::{Source, StreamError};
use crate::group;
use crate::repository::Error;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Why a command was not fed well.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It cannot be run.
    #[error("{0} cannot be run: {1}")]
    NotRun(String, io::Error),
    /// What it was to be given could not be had. It was ended before it could take what it got for all.
    #[error("{0} was ended before it had read everything")]
    Cut(String, #[source] Box<Error>),
    /// What it was to be given could not be read when it was saved. It was ended as above.
    #[error("{0}")]
    Unread(String),
    /// It did not want all.
    #[error("{0} ended before it had read everything ({1})")]
    Early(String, String),
    /// It read all and was not content.
    #[error("{0} {1}")]
    Failed(String, String),
}

/// Runs a command, without a shell and in a process group of its own, and writes content to its standard
/// input; returns how many bytes.
///
/// # Errors
/// When it could not be given all, or ended with another exit code than 0.
pub fn feed(source: &Source<'_>, words: &[OsString], stop: &AtomicBool) -> Result<u64, FeedError> {
    let (program, arguments) = words.split_first().map_or((None, words), |(p, a)| (Some(p), a));
    let program = program.cloned().unwrap_or_default();
    let name = program.to_string_lossy().into_owned();
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::piped()).process_group(0);
    let ours = std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"ESKER_"));
    ours.for_each(|(name, _)| {
        command.env_remove(name);
    });
    group::end_with_us(&mut command);
    let child = command.spawn().map_err(|error| FeedError::NotRun(name.clone(), error))?;
    let mut fed = Fed { child, is_over: false };
    let written = match fed.child.stdin.take() {
        Some(mut stdin) => source.write(&mut stdin, stop).map_err(|error| (error, stdin)),
        None => Ok(0),
    };
    match written {
        Ok(len) => match fed.wait(stop) {
            Some(status) if status.success() => Ok(len),
            Some(status) => Err(FeedError::Failed(name, describe(status))),
            None => Err(FeedError::Cut(name, Box::new(Error::Interrupted))),
        },
        Err((StreamError::Repository(error), stdin)) => {
            // Before its standard input ends: the end would say that this was all.
            fed.end();
            drop::<Box<dyn Write>>(Box::new(stdin));
            Err(FeedError::Cut(name, Box::new(error)))
        }
        Err((error @ StreamError::Unread(_), stdin)) => {
            fed.end();
            drop::<Box<dyn Write>>(Box::new(stdin));
            Err(FeedError::Unread(error.to_string()))
        }
        Err((StreamError::Output(_), stdin)) => {
            drop(stdin);
            let why = fed.wait(stop).map_or_else(|| "stopped".to_owned(), describe);
            Err(FeedError::Early(name, why))
        }
    }
}

/// A command that ends with this value.
struct Fed {
    child: Child,
    /// Whether it was waited for.
    is_over: bool,
}

impl Fed {
    /// How it ends; none when somebody wants it to stop before. What a command that was not content has left behind
    /// is ended.
    fn wait(&mut self, stop: &AtomicBool) -> Option<ExitStatus> {
        let leader = Pid::from_child(&self.child);
        while !group::has_ended(leader).ok()? {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(LOOK);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let ended = waitid(WaitId::Pid(leader), options).ok().flatten();
        if ended.is_none_or(|ended| ended.exit_status() != Some(0)) {
            group::end(leader);
        }
        self.is_over = true;
        self.child.wait().ok()
    }

    fn end(&mut self) {
        if !self.is_over {
            group::end(Pid::from_child(&self.child));
            self.is_over = true;
            let _ = self.child.wait();
        }
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        self.end();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    }
}
