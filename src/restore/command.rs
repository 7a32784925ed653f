//! A command that is fed what was saved.

use super::stream::{Source, StreamError};
use crate::repository::Error;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a command may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
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
    let child = command.spawn().map_err(|error| FeedError::NotRun(name.clone(), error))?;
    let mut fed = Fed(child);
    let written = match fed.0.stdin.take() {
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
        Err((StreamError::Output(_), stdin)) => {
            drop(stdin);
            let why = fed.wait(stop).map_or_else(|| "stopped".to_owned(), describe);
            Err(FeedError::Early(name, why))
        }
    }
}

/// A command that ends with this value.
struct Fed(Child);

impl Fed {
    /// How it ends; none when somebody wants it to stop before.
    fn wait(&mut self, stop: &AtomicBool) -> Option<ExitStatus> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if !stop.load(Ordering::Relaxed) => std::thread::sleep(LOOK),
                _ => return None,
            }
        }
    }

    fn end(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let group = Pid::from_child(&self.0);
        let _ = kill_process_group(group, Signal::TERM);
        let until = Instant::now() + GRACE;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.0.wait();
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
