//! A program at the far end of `ssh`, and requests to it.
//!
//! `ssh` is the system's own, a child process: the user's configuration, agents, `known_hosts` and jump
//! hosts work as they do everywhere. Two stores stand on this: `sftp` and `ssh`.

mod child;
mod keeper;
mod link;
mod target;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::time::Duration;

pub use self::target::{SshTarget, TargetError};

pub(super) use self::child::{Child, Far};
pub(super) use self::keeper::Keeper;
pub(super) use self::link::{Framing, Link, Pending, Whose};

use super::{StoreError, StoreErrorKind};

/// How `ssh` is run.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// The program and its first arguments: `ssh`, or `ssh -F config`.
    pub command: Vec<OsString>,
    /// Whether somebody may be asked for a password; else `ssh` fails where it would ask.
    pub ask: bool,
    /// How long the far end may say nothing and take nothing while it owes an answer.
    pub timeout: Duration,
    /// How often a lost connection is made anew for one request.
    pub retries: u32,
}

impl Default for SshOptions {
    /// `ssh`, nobody to ask, two minutes, five times.
    fn default() -> Self {
        Self {
            command: vec!["ssh".into()],
            ask: false,
            // A large fsync on a busy disk takes a while, and SFTP has no sign of life meanwhile.
            timeout: Duration::from_secs(120),
            retries: 5,
        }
    }
}

/// Why a request has no good answer.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The connection is gone; another may do better.
    Lost(String),
    /// An SFTP status other than "ok", with the words of the server.
    Status(u32, String),
    /// Anything that trying again does not change; words where there are any.
    Fault(StoreErrorKind, String),
}

impl Trouble {
    /// As an error of a store. `words` gives a status its meaning.
    pub(super) fn into_error(
        self,
        operation: &'static str,
        location: &str,
        name: &str,
        words: impl FnOnce(u32, String) -> (StoreErrorKind, String),
    ) -> StoreError {
        let (kind, text) = match self {
            Self::Lost(text) => (StoreErrorKind::Unreachable, text),
            Self::Status(code, text) => words(code, text),
            Self::Fault(kind, text) => (kind, text),
        };
        let error = StoreError::new(kind, operation, location, name);
        if text.is_empty() { error } else { error.because(text) }
    }
}
