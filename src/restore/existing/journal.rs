//! The journal: what may be half done when a restore is cut off.
//!
//! It is a file in the target, made before the first change and removed when all is on disk. Each
//! line says what is about to happen, before it does:
//!
//! ```text
//! esker-restore RUN SNAPSHOT PATH   which run, and what it restores
//! making PATH                       below this directory, all may be incomplete
//! changing PATH                     in this directory there may be temporary files of the run
//! writing PATH                      this file is changed where it is; on disk before it begins
//! ```
//! Paths are absolute below the target, with `\xNN` for a byte and `\\` for a backslash. The next
//! restore trusts no length and time, removes temporary files, and finishes what it restores too;
//! the rest it names and leaves in the journal. A journal from a stranger can do no more than that.

use crate::restore::place::prefixes;
use crate::restore::tree::{RunId, TreeError};
use esker_format::path::MapKey;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Its name in the target.
pub const NAME: &[u8] = b".esker-restore-journal";
/// A longer one was not made by us. Bytes.
const LEN_MAX: u64 = 64 << 20;

/// What a run restores: the snapshot, and the path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct What {
    /// The id of the snapshot.
    pub snapshot: String,
    /// The path in it; empty for all.
    pub path: Vec<u8>,
}

impl std::fmt::Display for What {
    /// As the command line takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.snapshot)?;
        if !self.path.is_empty() {
            write!(f, ":{}", escape(&self.path))?;
        }
        Ok(())
    }
}

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A run began.
    Run(RunId, What),
    /// A directory is being made.
    Making(MapKey),
    /// Temporary files may be in the directory with this path as a parent.
    Changing(Vec<u8>),
    /// A file is changed where it is.
    Writing(MapKey),
}

/// The journal of the run, made when it is needed first.
#[derive(Debug)]
pub struct Journal {
    target: Arc<OwnedFd>,
    first: String,
    state: Mutex<State>,
    /// Nothing is written: the run changes nothing.
    is_off: bool,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    changing: HashSet<Vec<u8>>,
    /// We may not make files in the target itself, though perhaps below it. Then there is no
    /// journal; files are replaced as a whole all the same.
    is_refused: bool,
}

impl Journal {
    /// The journal of a run; nothing is written yet.
    pub fn new(target: &Arc<OwnedFd>, run: RunId, what: &What, is_off: bool) -> Self {
        let first = Line::Run(run, what.clone()).text();
        Self { target: Arc::clone(target), first, state: Mutex::default(), is_off }
    }

    /// Says that a directory is being made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn making(&self, key: &MapKey) -> Result<(), TreeError> {
        self.say(&mut self.lock(), &Line::Making(key.clone()), false)
    }

    /// Says that there will be temporary files in the directory that is this parent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn changing(&self, parent: &[u8]) -> Result<(), TreeError> {
        let mut state = self.lock();
        if !state.changing.contains(parent) {
            self.say(&mut state, &Line::Changing(parent.to_vec()), false)?;
            state.changing.insert(parent.to_vec());
        }
        Ok(())
    }

    /// Says that a file is changed where it is. When this returns, that is on disk: after a loss
    /// of power too, nothing of the file can be new and unnamed. False when there can be no
    /// journal, and the file must not be changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn writing(&self, key: &MapKey) -> Result<bool, TreeError> {
        let mut state = self.lock();
        self.say(&mut state, &Line::Writing(key.clone()), true)?;
        Ok(!state.is_refused)
    }

    /// Removes it, as nothing is half done any more, except for `left`.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn end(&self, left: &[Line]) -> Result<(), TreeError> {
        let mut state = self.lock();
        state.file = None;
        if self.is_off || !self.is_there() {
            return Ok(());
        }
        let end = || -> std::io::Result<()> {
            if left.is_empty() {
                return Ok(rustix::fs::unlinkat(&*self.target, NAME, AtFlags::empty())?);
            }
            let temporary = [NAME, b".new"].concat();
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
            let mut file = open(&self.target, &temporary, flags)?;
            let text: String = left.iter().map(Line::text).collect();
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(&*self.target, &*temporary, &*self.target, NAME)?)
        };
        end().map_err(|error| failed("remove", error))
    }

    fn is_there(&self) -> bool {
        rustix::fs::statat(&*self.target, NAME, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    fn say(&self, state: &mut State, line: &Line, durable: bool) -> Result<(), TreeError> {
        if self.is_off || state.is_refused {
            return Ok(());
        }
        let mut say = || -> std::io::Result<()> {
            let mut text = String::new();
            if state.file.is_none() {
                // An older one, of a run that was cut off, is continued until all of it is done.
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
                state.file = Some(open(&self.target, NAME, flags)?);
                text.clone_from(&self.first);
            }
            text.push_str(&line.text());
            let Some(file) = &mut state.file else { return Ok(()) };
            // In one piece: whoever reads it finds whole lines.
            file.write_all(text.as_bytes())?;
            if durable {
                file.sync_data()?;
                rustix::fs::fsync(&*self.target)?;
            }
            Ok(())
        };
        match say() {
            Err(error) if refuses(&error) => state.is_refused = true,
            said => said.map_err(|error| failed("write", error))?,
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(target: &OwnedFd, name: &[u8], flags: OFlags) -> std::io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(File::from(rustix::fs::openat(target, name, flags, Mode::from_raw_mode(0o600))?))
}

fn refuses(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ACCESS | Errno::PERM))
}

fn failed(operation: &'static str, error: std::io::Error) -> TreeError {
    let key = MapKey { parent: Vec::new(), name: NAME.to_vec() };
    TreeError { path: key.path(), operation, cause: error.into() }
}

/// What an earlier run that was cut off left behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Its lines, and those of runs before it.
    pub lines: Vec<Line>,
    /// Directories that were being made, as parents.
    making: HashSet<Vec<u8>>,
    /// Files that were being changed where they are.
    writing: HashSet<MapKey>,
}

impl Cut {
    /// Reads the journal in a target; none when there is none. What is in it that makes no sense
    /// is passed over: its last line may be cut off.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is not ours.
    pub fn read(target: &OwnedFd) -> Result<Option<Self>, TreeError> {
        let read = || -> std::io::Result<Option<Vec<u8>>> {
            let file = match open(target, NAME, OFlags::RDONLY | OFlags::NOFOLLOW) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {
                    return Ok(None);
                }
                opened => opened?,
            };
            let now = rustix::fs::fstat(file.as_fd())?;
            let is_file = rustix::fs::FileType::from_raw_mode(now.st_mode).is_file();
            if !is_file || now.st_size as u64 > LEN_MAX {
                let message = "it is no journal of a restore; move it away";
                return Err(std::io::Error::other(message));
            }
            let mut bytes = Vec::new();
            file.take(LEN_MAX).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        };
        let bytes = read().map_err(|error| failed("read", error))?;
        Ok(bytes.map(|bytes| {
            let lines = bytes.split(|byte| *byte == b'\n');
            Self::new(lines.filter_map(Line::parse).collect())
        }))
    }

    fn new(lines: Vec<Line>) -> Self {
        let mut cut = Self { lines, ..Self::default() };
        for line in &cut.lines {
            match line {
                Line::Making(key) => drop(cut.making.insert(key.as_parent())),
                Line::Writing(key) => drop(cut.writing.insert(key.clone())),
                Line::Run(..) | Line::Changing(_) => {}
            }
        }
        cut
    }

    /// Whether this entry may be half written.
    pub fn names(&self, key: &MapKey) -> bool {
        let is_made = || prefixes(&key.as_parent()).any(|above| self.making.contains(above));
        self.writing.contains(key) || is_made()
    }

    /// Each run, with what it left: directories to look through.
    pub fn changed(&self) -> Vec<(RunId, Vec<u8>)> {
        let (mut run, mut found) = (None, Vec::new());
        for line in &self.lines {
            match (line, run) {
                (Line::Run(id, _), _) => run = Some(*id),
                (Line::Changing(parent), Some(run)) => found.push((run, parent.clone())),
                _ => {}
            }
        }
        found
    }

    /// What is left of it after a run that restored `what`, whole or not, and went through every
    /// entry in `done`. Lines that are left come with the line of their run before them.
    pub fn left(&self, what: &What, is_whole: bool, done: &HashSet<MapKey>) -> Vec<Line> {
        let (mut left, mut run): (Vec<Line>, Option<(&Line, bool)>) = (Vec::new(), None);
        for line in &self.lines {
            let stays = match line {
                Line::Run(_, of) => {
                    run = Some((line, is_whole && of == what));
                    continue;
                }
                Line::Making(_) => true,
                Line::Writing(key) => !done.contains(key),
                // Temporary files are removed at the beginning.
                Line::Changing(_) => false,
            };
            match run {
                Some((_, true)) => {}
                Some((head, false)) if stays => {
                    if left.last() != Some(head) && !left.contains(head) {
                        left.push(head.clone());
                    }
                    left.push(line.clone());
                }
                _ => {}
            }
        }
        left
    }
}

impl Line {
    fn text(&self) -> String {
        match self {
            Self::Run(run, what) => {
                let path = escape(&what.path);
                format!("esker-restore {:016x} {} {path}\n", run.0, what.snapshot)
            }
            Self::Making(key) => format!("making {}\n", escape(&key.path())),
            Self::Changing(parent) => {
                format!("changing {}\n", escape(&MapKey::from_parent(parent).path()))
            }
            Self::Writing(key) => format!("writing {}\n", escape(&key.path())),
        }
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let (word, rest) = line.split_once(' ')?;
        let key = || MapKey::from_path(&unescape(rest)?).ok();
        match word {
            "esker-restore" => {
                let (run, rest) = rest.split_once(' ')?;
                let (snapshot, path) = rest.split_once(' ')?;
                let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if run.len() != 16 || !hex(run) || !hex(snapshot) || snapshot.len() > 64 {
                    return None;
                }
                let run = RunId(u64::from_str_radix(run, 16).ok()?);
                let what = What { snapshot: snapshot.to_owned(), path: unescape(path)? };
                Some(Self::Run(run, what))
            }
            "making" => Some(Self::Making(key()?)),
            "changing" => Some(Self::Changing(key()?.as_parent())),
            "writing" => Some(Self::Writing(key()?)),
            _ => None,
        }
    }
}

fn escape(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match *byte {
            b'\\' => out.push_str("\\\\"),
            byte if plain(byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next()? {
            b'\\' => out.push(b'\\'),
            b'x' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                out.push((digit()? << 4 | digit()?) as u8);
            }
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
