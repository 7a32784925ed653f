//! The child process `ssh`: how it is begun, what it says, how it ends.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{SshOptions, SshTarget, Trouble};
use crate::store::StoreErrorKind;

/// Bytes of what `ssh` says that are kept: the last ones tell why it ended.
const SAID_MAX: usize = 4096;
/// How long a child may take to end by itself, and the last words to arrive.
const GRACE: Duration = Duration::from_secs(2);
/// How often a child is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A running `ssh`. It ends with this value.
#[derive(Debug)]
pub struct Child {
    process: Mutex<process::Child>,
    said: Arc<Mutex<Said>>,
}

/// What a child has written to its standard error.
#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    /// Nothing more comes.
    ended: bool,
}

/// What runs at the far end.
pub enum Far<'a> {
    /// A subsystem that the server knows by name.
    Subsystem(&'a str),
    /// A command for the login shell there.
    Command(&'a str),
}

impl Child {
    /// Begins `ssh`; returns where to write and where to read, too.
    pub fn begin(
        options: &SshOptions,
        target: &SshTarget,
        far: Far<'_>,
    ) -> Result<(Self, ChildStdin, ChildStdout), Trouble> {
        let words = arguments(options, target, far);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        if !options.ask {
            // What ends us from the keyboard must leave us time to end well. Where somebody may be asked
            // for a password, `ssh` has to stay where it can ask.
            command.process_group(0);
        }
        let mut process = command.spawn().map_err(|error| {
            let program = words[0].display();
            Trouble::Fault(StoreErrorKind::Other, format!("cannot run {program}: {error}"))
        })?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let said = Arc::new(Mutex::new(Said::default()));
        if let Some(stderr) = process.stderr.take() {
            let said = Arc::clone(&said);
            thread::spawn(move || listen(stderr, &said));
        }
        let child = Self { process: Mutex::new(process), said };
        match (input, output) {
            (Some(input), Some(output)) => Ok((child, input, output)),
            _ => Err(Trouble::Lost("ssh has no pipes".to_owned())),
        }
    }

    /// Ends it at once, if it runs.
    pub fn kill(&self) {
        let mut process = self.process();
        let _ = process.kill(); // it has ended already
        let _ = process.wait();
    }

    /// The child's number, for tests that end it.
    #[cfg(test)]
    pub fn id(&self) -> u32 {
        self.process().id()
    }

    /// Why there is no connection any more, once nothing more can be read: in the words of `ssh`.
    pub fn verdict(&self, otherwise: &str) -> Trouble {
        let code = self.wait(GRACE);
        let until = Instant::now() + GRACE;
        // Whoever shares a connection may hold its standard error open for long.
        while !lock(&self.said).ended && Instant::now() < until {
            thread::sleep(LOOK);
        }
        judge(code, &lock(&self.said).text(), otherwise)
    }

    /// The exit code, when it ends in time by itself.
    fn wait(&self, grace: Duration) -> Option<i32> {
        let until = Instant::now() + grace;
        loop {
            if let Ok(Some(status)) = self.process().try_wait() {
                return status.code();
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(LOOK);
        }
    }

    fn process(&self) -> MutexGuard<'_, process::Child> {
        lock(&self.process)
    }
}

/// Requests that were sent are carried out by a far end that hears the end of its input; one that hangs is
/// not waited for.
impl Drop for Child {
    fn drop(&mut self) {
        self.wait(GRACE);
        self.kill();
    }
}

impl Said {
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        // What a server shows before the login comes first, what went wrong last.
        let lines: Vec<&str> = lines.collect();
        let lines = lines[lines.len().saturating_sub(4)..].join("; ");
        lines.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }
}

/// The words of the command line.
fn arguments(options: &SshOptions, target: &SshTarget, far: Far<'_>) -> Vec<OsString> {
    let mut words = options.command.clone();
    if words.is_empty() {
        words.push("ssh".into());
    }
    let mut add = |word: &str| words.push(word.into());
    if !options.ask {
        add("-oBatchMode=yes");
    }
    // Nothing of ours is for a terminal, a display or another port over there.
    for word in ["-T", "-x", "-oClearAllForwardings=yes"] {
        add(word);
    }
    if let Some(port) = target.port {
        add("-p");
        add(&port.to_string());
    }
    if let Some(user) = &target.user {
        add("-l");
        add(user);
    }
    if let Far::Subsystem(_) = far {
        add("-s");
    }
    add("--");
    add(&target.host);
    match far {
        Far::Subsystem(word) | Far::Command(word) => add(word),
    }
    words
}

fn listen(mut stderr: impl Read, said: &Mutex<Said>) {
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = stderr.read(&mut buffer) {
        let mut said = lock(said);
        said.bytes.extend_from_slice(&buffer[..len]);
        let extra = said.bytes.len().saturating_sub(SAID_MAX);
        said.bytes.drain(..extra);
    }
    lock(said).ended = true;
}

/// What the end of a child means. `ssh` ends with 255 when it could not connect, and with the code of the
/// far program else.
fn judge(code: Option<i32>, said: &str, otherwise: &str) -> Trouble {
    let refused =
        ["Permission denied (", "Host key verification failed", "Too many authentication"];
    let text = if said.is_empty() { otherwise } else { said };
    match code {
        Some(255) if refused.iter().any(|words| said.contains(words)) => {
            Trouble::Fault(StoreErrorKind::Permission, text.to_owned())
        }
        // 126 and 127: no such program; 1 and 2: it does not want to go on, and says why.
        Some(1 | 2 | 126 | 127) => Trouble::Fault(StoreErrorKind::Other, text.to_owned()),
        _ => Trouble::Lost(text.to_owned()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
