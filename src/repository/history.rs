//! How far this machine has read the log of a repository: kept outside of the cache, because
//! nobody else can notice that the end of a log was taken away.

mod compare;
mod doubt;
#[cfg(test)]
mod tests;

pub use doubt::Doubt;

use crate::repository::error::{Error, Result};
use crate::repository::state::Head;
use esker_format::ids::{RepositoryId, Seq};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The first line of the file.
const FIRST: &str = "esker history 1";
/// The file has some 250 bytes.
const FILE_MAX: u64 = 4096;

/// What was read of the log before, on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Where it ended.
    pub head: Head,
    /// Whether was looked for entries behind its end, and none were there.
    pub to_the_end: bool,
}

/// The memory of one repository.
#[derive(Debug, Default)]
pub struct History {
    path: Option<PathBuf>,
    repository: Option<RepositoryId>,
    seen: Option<Seen>,
}

impl History {
    /// What is remembered in `folder`; nothing is kept without one.
    ///
    /// # Errors
    /// When there is a memory that cannot be read; the second value is an empty one to go on with.
    pub fn open(folder: Option<&Path>, repository: RepositoryId) -> (Self, Result<()>) {
        let path = folder.map(|folder| folder.join("history").join(repository.to_string()));
        let mut history = Self { path, repository: Some(repository), seen: None };
        let read = match history.path.as_deref().map(|path| read(path, repository)) {
            None => Ok(None),
            Some(read) => read,
        };
        match read {
            Ok(seen) => {
                history.seen = seen;
                (history, Ok(()))
            }
            Err(error) => (history, Err(error)),
        }
    }

    /// What was seen before.
    pub const fn seen(&self) -> Option<Seen> {
        self.seen
    }

    /// Learns what was read before by another memory, which is about to go: it counts when it goes
    /// further.
    pub fn learn(&mut self, head: Head) {
        if self.seen.is_none_or(|seen| seen.head.seq < head.seq) {
            // Where it cannot be written, this run still knows.
            let _ = self.remember(head, false);
        }
    }

    /// Remembers how far the log was read, which goes on from what was seen before. A memory that
    /// another run has taken further stays.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(&mut self, head: Head, to_the_end: bool) -> Result<()> {
        let to_the_end = to_the_end || self.seen.is_some_and(|seen| seen.to_the_end);
        self.write(Seen { head, to_the_end }, false)
    }

    /// Remembers this history in place of what was seen before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn accept(&mut self, head: Head) -> Result<()> {
        self.write(Seen { head, to_the_end: false }, true)
    }

    fn write(&mut self, seen: Seen, anyhow: bool) -> Result<()> {
        let known = self.seen.replace(seen);
        let (Some(path), Some(repository)) = (&self.path, self.repository) else { return Ok(()) };
        if known == Some(seen) && path.exists() {
            return Ok(());
        }
        let failed = |source| Error::Io {
            action: "remember the history of the repository in",
            path: path.display().to_string(),
            source,
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        make_folder(folder).map_err(failed)?;
        // Between looking and writing nobody else writes. Where locks do not work, runs at the same
        // time are rare, and what they forget is an entry or two.
        let lock = File::open(folder).map_err(failed)?;
        let _ = rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive);
        if !anyhow
            && let Ok(Some(other)) = read(path, repository)
            && (other.head.seq, other.to_the_end) >= (seen.head.seq, seen.to_the_end)
        {
            return Ok(());
        }
        replace(path, folder, &text(repository, &seen)).map_err(failed)
    }
}

/// Makes a folder that is nobody else's business.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts a file in the place of another; a power cut leaves the one or the other.
fn replace(path: &Path, folder: &Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    Ok(())
}

fn text(repository: RepositoryId, seen: &Seen) -> String {
    let Head { seq, entry, log } = seen.head;
    let end = if seen.to_the_end { "yes" } else { "no" };
    let mut text = format!(
        "{FIRST}\nrepository {repository}\nnumber {seq}\nentry {entry}\nhead {log}\nend {end}\n"
    );
    let sum = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&format!("sum {sum}\n"));
    text
}

/// What the file says; none when there is no file.
fn read(path: &Path, repository: RepositoryId) -> Result<Option<Seen>> {
    let failed = |source| Error::Io {
        action: "read the remembered history of the repository in",
        path: path.display().to_string(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(failed(e)),
    };
    let mut found = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, FILE_MAX), &mut found)
        .map_err(failed)?;
    let seen = parse(&found).filter(|seen| text(repository, seen) == found);
    match seen {
        Some(seen) => Ok(Some(seen)),
        None => Err(failed(std::io::Error::new(ErrorKind::InvalidData, "it is damaged"))),
    }
}

fn parse(text: &str) -> Option<Seen> {
    let mut lines = text.lines();
    let mut field = |name: &str| lines.by_ref().find_map(|line| line.strip_prefix(name));
    let seq = Seq(field("number ")?.parse().ok()?);
    let entry = field("entry ")?.parse().ok()?;
    let log = field("head ")?.parse().ok()?;
    let to_the_end = field("end ")? == "yes";
    Some(Seen { head: Head { seq, entry, log }, to_the_end })
}
