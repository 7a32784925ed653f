//! Lists of paths to save, from files or from standard input.

use crate::cli::exit::Failure;
use crate::cli::show;
use crate::repository::Error;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What stands between the paths of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// The end of a line.
    Lines,
    /// A NUL byte, which no path has in it.
    Nuls,
}

/// The name that stands for standard input.
pub fn is_stdin(list: &Path) -> bool {
    list.as_os_str() == "-"
}

/// Reads a list. Everything between two ends is a path as it stands there: no comments, no patterns,
/// no quotes, and spaces are part of it. Empty lines are passed over.
///
/// # Errors
/// When it cannot be read, or is a list of the other kind.
pub fn read(list: &Path, between: Between) -> Result<Vec<PathBuf>, Failure> {
    let mut bytes = Vec::new();
    let read = match is_stdin(list) {
        true => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
        false => std::fs::read(list).map(|read| bytes = read),
    };
    let name = if is_stdin(list) { "standard input".into() } else { list.display().to_string() };
    read.map_err(|source| Error::Io { action: "read", path: name.clone(), source })?;
    let end = if between == Between::Lines { b'\n' } else { 0 };
    let mut paths = Vec::new();
    for (at, path) in bytes.split(|b| *b == end).enumerate() {
        if between == Between::Lines && path.contains(&0) {
            let message =
                format!("line {} of {} has a NUL byte in it", at + 1, show::name(name.as_bytes()));
            let hint = "--files-from0 reads paths with NUL bytes between them".to_owned();
            return Err(Failure::Usage(message, Some(hint)));
        }
        if !path.is_empty() {
            paths.push(OsString::from_vec(path.to_vec()).into());
        }
    }
    if between == Between::Nuls && !bytes.contains(&0) && bytes.ends_with(b"\n") {
        let message = format!("{} has no NUL byte in it", show::name(name.as_bytes()));
        let hint = "--files-from reads paths that are lines".to_owned();
        return Err(Failure::Usage(message, Some(hint)));
    }
    Ok(paths)
}
