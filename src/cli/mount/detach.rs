//! Going on in the background: a second process does the work, and the first one ends when that is ready.
//!
//! The first passes on what the second prints, until a zero byte says that it is ready, or the end that it
//! is not. Passphrases are asked for in between, on the same terminal.

use crate::cli::Outcome;
use crate::cli::exit::{Exit, Failure};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Tells the second process that it is that.
const MARK: &str = "ESKER_IN_BACKGROUND";

/// What says that it is ready.
const READY: u8 = 0;

/// Who this process is.
pub enum Role {
    /// The only one.
    Foreground,
    /// The first one, which waits and ends.
    Front,
    /// The second one, which does the work.
    Back,
}

/// Who this process is, when there are two.
pub fn role() -> Role {
    if std::env::var_os(MARK).is_some() { Role::Back } else { Role::Front }
}

/// Starts the second process with the same words, and waits until it is ready or has ended.
///
/// # Errors
/// When it cannot be started.
pub fn send() -> Outcome {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("no process can be started for the background: {error}"))
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(MARK, "1").stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut is_ready = false;
    if let Some(mut from) = child.stdout.take() {
        let mut some = [0; 4096];
        while !is_ready {
            let len = from.read(&mut some)?;
            let said = &some[..len];
            is_ready = said.last() == Some(&READY);
            std::io::stdout().write_all(said.strip_suffix(&[READY]).unwrap_or(said))?;
            if len == 0 {
                break;
            }
        }
    }
    std::io::stdout().flush()?;
    if is_ready {
        return Ok(Exit::Ok);
    }
    // It has said why.
    let status = child.wait()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(match code {
        Some(code) => Exit::OfProcess(code),
        None => Exit::Error,
    })
}

/// Says that this one is ready, and lets go of the terminal. What goes wrong is written to `log` from here
/// on.
///
/// # Errors
/// When the terminal cannot be let go of.
pub fn leave(log: Option<File>) -> Result<(), Failure> {
    // The place where it was begun may be unmounted. All that is opened later has an absolute path.
    std::env::set_current_dir("/")?;
    let mut out = std::io::stdout();
    out.write_all(&[READY])?;
    out.flush()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    let own = |error: rustix::io::Errno| Failure::from(std::io::Error::from(error));
    rustix::stdio::dup2_stdin(&nothing).map_err(own)?;
    rustix::stdio::dup2_stdout(&nothing).map_err(own)?;
    rustix::stdio::dup2_stderr(log.as_ref().unwrap_or(&nothing)).map_err(own)?;
    // Nobody who leads a group gets here: the shell knows the first process alone.
    let _ = rustix::process::setsid();
    Ok(())
}
