//! A command whose output is saved: without a shell, in a process group of its own, which ends when
//! this value does.

use crate::group;
use rustix::process::Pid;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of standard error that are kept, the last ones.
const SAID_MAX: usize = 4 << 10;
/// Bytes of the command line that are kept.
const LINE_MAX: usize = 64 << 10;
/// A line of standard error that is longer is told in pieces.
const TOLD_MAX: usize = 4 << 10;
/// How long the last words may take to arrive.
const GRACE: Duration = Duration::from_secs(2);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// Is told each line of standard error.
pub type Tell = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A command, begun or not.
pub struct Command {
    words: Vec<OsString>,
    ok_exits: Vec<i32>,
    tell: Tell,
    running: Option<Running>,
}

struct Running {
    child: Child,
    said: Arc<Mutex<Said>>,
    /// Whether the child was waited for.
    is_over: bool,
}

#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    /// Nothing more comes.
    ended: bool,
}

/// How a command ended.
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What was wrong with that.
    pub why: Option<String>,
}

impl Command {
    /// A program and its arguments, and the exit codes other than 0 that are good ones.
    pub fn new(words: Vec<OsString>, ok_exits: Vec<i32>, tell: Tell) -> Self {
        Self { words, ok_exits, tell, running: None }
    }

    /// The name of the program.
    pub fn program(&self) -> String {
        self.words.first().map_or_else(String::new, |word| word.to_string_lossy().into_owned())
    }

    /// Program and arguments with NUL bytes between them.
    pub fn line(&self) -> Vec<u8> {
        let words: Vec<&[u8]> = self.words.iter().map(|word| word.as_bytes()).collect();
        let mut line = words.join(&0);
        line.truncate(LINE_MAX);
        line
    }

    /// Begins it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn begin(&mut self) -> io::Result<()> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // The passphrase, or the way to it, is none of its business.
        let ours = std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"ESKER_"));
        ours.for_each(|(name, _)| {
            command.env_remove(name);
        });
        group::end_with_us(&mut command);
        let mut child = command.spawn()?;
        let said = Arc::new(Mutex::new(Said::default()));
        if let Some(stderr) = child.stderr.take() {
            let (said, tell) = (Arc::clone(&said), Arc::clone(&self.tell));
            std::thread::spawn(move || listen(stderr, &said, &tell));
        }
        self.running = Some(Running { child, said, is_over: false });
        Ok(())
    }

    /// Where to read what it writes.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref()?.child.stdout.as_ref().map(AsFd::as_fd)
    }

    /// How it ended; none as long as it runs. What it has begun and left behind is ended then.
    ///
    /// # Errors
    /// When nobody can tell.
    pub fn ended(&mut self) -> io::Result<Option<Ended>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        if !running.has_ended()? {
            return Ok(None);
        }
        let status = running.end()?;
        running.wait_for_words();
        Ok(Some(self.judge(status)))
    }

    /// The last of what it wrote to standard error.
    pub fn said(&self) -> Vec<u8> {
        self.running.as_ref().map_or_else(Vec::new, |running| lock(&running.said).bytes.clone())
    }

    fn judge(&self, status: ExitStatus) -> Ended {
        let why = match (status.code(), status.signal()) {
            (Some(0), _) => None,
            (Some(code), _) if self.ok_exits.contains(&code) => None,
            (Some(code), _) => Some(format!("ended with exit code {code}")),
            (None, signal) => Some(format!("was ended by signal {}", signal.unwrap_or_default())),
        };
        Ended { code: status.code().unwrap_or(-1), why }
    }
}

impl Running {
    /// Whether the child itself has ended.
    fn has_ended(&self) -> io::Result<bool> {
        if self.is_over { Ok(true) } else { group::has_ended(Pid::from_child(&self.child)) }
    }

    /// Ends what is left of the group, and then the child.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.is_over {
            group::end(Pid::from_child(&self.child));
        }
        self.is_over = true;
        self.child.wait()
    }

    /// Waits for the last words. Whoever has left the group may hold standard error open for long.
    fn wait_for_words(&self) {
        let until = Instant::now() + GRACE;
        while !lock(&self.said).ended && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Without its reader it may end by itself.
        self.child.stdout = None;
        let _ = self.end();
    }
}

/// Keeps the last of what is said, and tells each line.
fn listen(mut stderr: impl Read, said: &Mutex<Said>, tell: &Tell) {
    let (mut buffer, mut line) = ([0; 1024], Vec::new());
    while let Ok(len @ 1..) = stderr.read(&mut buffer) {
        let bytes = &buffer[..len];
        {
            let mut said = lock(said);
            said.bytes.extend_from_slice(bytes);
            let extra = said.bytes.len().saturating_sub(SAID_MAX);
            said.bytes.drain(..extra);
        }
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= TOLD_MAX {
                tell(&line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        tell(&line);
    }
    lock(said).ended = true;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
