//! The name of a machine: its host name, and a number that its state folder keeps, so that two machines of one name
//! are two. Two that share a state folder have names of their own.

use crate::repository::entropy;
use crate::repository::error::{Error, Result};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Digits of the number.
const DIGITS: usize = 16;

/// The name of this machine; none where its state folder has no number yet, or there is no such folder.
///
/// # Errors
/// When the folder cannot be read, or what is there is no number.
pub fn find(state: Option<&Path>) -> Result<Option<String>> {
    let Some(path) = state.map(|folder| folder.join("host")) else { return Ok(None) };
    let failed = |source| failure("read the number of this machine in", &path, source);
    match std::fs::read_to_string(&path) {
        Ok(text) => match number(&text) {
            Some(number) => Ok(Some(format!("{} {number}", host_name()))),
            None => Err(failed(std::io::Error::new(ErrorKind::InvalidData, "it is damaged"))),
        },
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(failed(e)),
    }
}

/// The same; a number is drawn where there is none.
///
/// # Errors
/// [`Error::NoStateFolder`], or when the folder cannot be used.
pub fn make(state: Option<&Path>) -> Result<String> {
    let folder = state.ok_or(Error::NoStateFolder)?;
    if let Some(name) = find(state)? {
        return Ok(name);
    }
    draw(folder).map_err(|source| {
        failure("keep a number of this machine in", &folder.join("host"), source)
    })?;
    // Of two at once one was first.
    find(state)?.ok_or(Error::NoStateFolder)
}

fn draw(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let number = u64::from_le_bytes(entropy().take());
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{number:0DIGITS$x}")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(folder.join("host")) {
        Err(e) if e.error.kind() != ErrorKind::AlreadyExists => return Err(e.error),
        _ => {}
    }
    // The log is about to name it: without it nobody could write there any more.
    std::fs::File::open(folder)?.sync_all()
}

fn number(text: &str) -> Option<&str> {
    let number = text.strip_suffix('\n')?;
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (number.len() == DIGITS && number.bytes().all(is_digit)).then_some(number)
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
}

fn failure(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { action, path: path.display().to_string(), source }
}
