//! QEMU's programs, and what they say.

use crate::disk::error::{Error, Result};
use crate::source::Command;
use rustix::io::Errno;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of what one tells that are kept. An image can have many snapshots inside; each is told in a few lines.
const TOLD_MAX: usize = 16 << 20;
/// How often is looked whether one has ended.
const LOOK: Duration = Duration::from_millis(5);

/// What one told, once it had ended.
pub struct Told {
    /// Its exit code.
    pub code: i32,
    /// What it wrote.
    pub output: Vec<u8>,
    /// What it said of errors.
    pub said: String,
}

/// One of them, not begun yet. What it says is for errors; nobody is told meanwhile.
pub fn command(words: Vec<OsString>) -> Command {
    Command::new(words, Vec::new(), Arc::new(|_| ()))
}

/// Why `program` is not running for the image at `path`.
pub fn missing(path: &Path, program: &'static str, source: std::io::Error) -> Error {
    Error::Tool { path: path.to_owned(), program, source }
}

/// Runs `qemu-img` for the image at `path`, to its end.
pub fn qemu_img(path: &Path, arguments: Vec<OsString>) -> Result<Told> {
    const PROGRAM: &str = "qemu-img";
    let failed = |source| missing(path, PROGRAM, source);
    let mut command = command([vec![PROGRAM.into()], arguments].concat());
    command.begin().map_err(failed)?;
    let (mut output, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    while let Some(from) = command.output() {
        match rustix::io::read(from, &mut *buffer) {
            Ok(0) => break,
            // The rest is read all the same: it would wait for that.
            Ok(len) if output.len() + len <= TOLD_MAX => output.extend_from_slice(&buffer[..len]),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    loop {
        if let Some(ended) = command.ended().map_err(failed)? {
            return Ok(Told { code: ended.code, output, said: words(&command) });
        }
        std::thread::sleep(LOOK);
    }
}

/// What a program has said of errors, as one line.
pub fn words(command: &Command) -> String {
    let said = command.said();
    let said = String::from_utf8_lossy(&said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// Whether these words mean that somebody else has locked a file.
pub fn is_lock(said: &str) -> bool {
    said.contains("Failed to get") && said.contains(" lock")
}
