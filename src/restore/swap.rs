//! `--swap` and `undo`: a directory is restored beside the one that is there, and takes its place
//! in one step. The old one is kept under another name until somebody removes it.
//!
//! ```text
//! TARGET.esker-RUN             being restored, and locked meanwhile; when that is cut off, its
//!                              journal names the same run, and the next swap removes it
//! TARGET.before-restore-TIME   what was there before
//! TARGET.undone-restore-TIME   what was restored, after `undo`
//! ```

use super::existing::journal::{Cut, Line};
use super::tree::RunId;
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const BEFORE: &str = ".before-restore-";
const UNDONE: &str = ".undone-restore-";
const BESIDE: &str = ".esker-";

/// Why directories cannot be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The root of the file system has nothing beside it.
    #[error("/ cannot be exchanged")]
    Root,
    /// A mount stays where it is.
    #[error("{} cannot be exchanged: it is a mount point", .0.display())]
    MountPoint(PathBuf),
    /// What is mounted below a directory would leave with it.
    #[error("{} cannot be exchanged: {} is mounted in it", target.display(), inner.display())]
    MountInside {
        /// The directory.
        target: PathBuf,
        /// The mount point.
        inner: PathBuf,
    },
    /// The shell would stay in the old directory.
    #[error("{} cannot be exchanged: it is the current directory, or that lies in it", .0.display())]
    Here(PathBuf),
    /// It is no directory.
    #[error("{} cannot be exchanged: it is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Nothing was kept.
    #[error("there is nothing to undo for {}: no {BEFORE}TIME beside it", .0.display())]
    Nothing(PathBuf),
    /// Several were kept at the same time.
    #[error("it is unclear which of {} and {} came last", .0.display(), .1.display())]
    Unclear(PathBuf, PathBuf),
    /// What was restored lacks something.
    #[error("nothing was exchanged, as the repository has lost some of it; what could be restored is in {}", .0.display())]
    Incomplete(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    System {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

type Result<T> = std::result::Result<T, SwapError>;

/// A directory to be exchanged, and where the new one is made.
#[derive(Debug)]
pub struct Swap {
    target: PathBuf,
    beside: PathBuf,
    run: RunId,
    /// Held while the new one is being made; none where the file system has no locks.
    _lock: Option<OwnedFd>,
}

/// What an undo did.
#[derive(Debug)]
pub struct Undone {
    /// The directory, as it was before.
    pub target: PathBuf,
    /// What had been restored, and is kept.
    pub kept_as: PathBuf,
}

impl Swap {
    /// Looks whether `target` can be exchanged, and removes what a swap that was cut off left.
    ///
    /// # Errors
    /// When it cannot.
    pub fn prepare(target: &Path) -> Result<Self> {
        let target = exchangeable(target)?;
        for left in siblings(&target, BESIDE)? {
            let run = suffix(&target, BESIDE, &left).and_then(|number| run_in(&number));
            // Nobody else's directory goes, and none that is still being made.
            if let Some(run) = run
                && let Some(locked) = lock(&left)
                && is_cut_off(&locked, run)
            {
                remove(&left)?;
            }
        }
        let run = RunId::draw();
        let beside = with(&target, &format!("{BESIDE}{:016x}", run.0));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&beside)
            .map_err(|source| SwapError::System { action: "make", path: beside.clone(), source })?;
        let _lock = lock(&beside);
        Ok(Self { target, beside, run, _lock })
    }

    /// The number that the restore has to have.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Where to restore to.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// Removes what was made beside, as it is not whole.
    pub fn abandon(&self) {
        // What stays is removed by the next one.
        let _ = remove(&self.beside);
    }

    /// Puts what was restored, which is on disk, into the place of the target, and returns where
    /// the old one is; none when there was none.
    ///
    /// # Errors
    /// When the system cannot exchange; then the old one is where it was.
    pub fn exchange(&self, time: &str) -> Result<Option<PathBuf>> {
        if !self.target.exists() {
            rename(&self.beside, &self.target, RenameFlags::NOREPLACE)?;
            sync_above(&self.target)?;
            return Ok(None);
        }
        // First the exchange, then the name: what is named as kept was in the place of the target,
        // whenever this ends. `undo` relies on it.
        rename(&self.beside, &self.target, RenameFlags::EXCHANGE)?;
        match free(&self.beside, &self.target, BEFORE, time) {
            Ok(kept) => sync_above(&self.target).map(|()| Some(kept)),
            Err(error) => {
                let _ = rename(&self.beside, &self.target, RenameFlags::EXCHANGE);
                Err(error)
            }
        }
    }
}

/// Puts back what was there before the last swap of `target`.
///
/// # Errors
/// When there is none, or it is unclear which, or the system cannot exchange.
pub fn undo(target: &Path) -> Result<Undone> {
    let target = exchangeable(target)?;
    let mut kept = siblings(&target, BEFORE)?;
    // A directory that somebody else named so was not kept by a swap.
    kept.retain(|path| suffix(&target, BEFORE, path).is_some_and(|end| is_time(&end)));
    kept.sort();
    let time = |path: &PathBuf| {
        suffix(&target, BEFORE, path).map(|time| time[..16.min(time.len())].to_vec())
    };
    let last = kept.pop().ok_or_else(|| SwapError::Nothing(target.clone()))?;
    if let Some(other) = kept.last()
        && time(other) == time(&last)
    {
        return Err(SwapError::Unclear(other.clone(), last));
    }
    let suffix = suffix(&target, BEFORE, &last).unwrap_or_default();
    let suffix = String::from_utf8_lossy(&suffix).into_owned();
    if !target.exists() {
        rename(&last, &target, RenameFlags::NOREPLACE)?;
        sync_above(&target)?;
        return Ok(Undone { kept_as: target.clone(), target });
    }
    rename(&last, &target, RenameFlags::EXCHANGE)?;
    // From here on it is undone; so the next undo goes one step further back.
    let kept_as = free(&last, &target, UNDONE, &suffix)?;
    sync_above(&target)?;
    Ok(Undone { target, kept_as })
}

/// The run in the name of what is being restored, as it is written there.
fn run_in(number: &[u8]) -> Option<RunId> {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let number = std::str::from_utf8(number).ok()?;
    let is_number = number.len() == 16 && number.as_bytes().iter().all(is_digit);
    is_number.then(|| u64::from_str_radix(number, 16).ok().map(RunId)).flatten()
}

/// Whether this is the directory of a run that was cut off: its journal is that of the run.
fn is_cut_off(directory: &OwnedFd, run: RunId) -> bool {
    let is_its = |line: &Line| matches!(line, Line::Run(of, _) if *of == run);
    matches!(Cut::read(directory), Ok(Some(cut)) if cut.lines.iter().any(is_its))
}

/// Locks a directory until that is dropped; none when another process has, or it cannot be.
fn lock(directory: &Path) -> Option<OwnedFd> {
    let open = OwnedFd::from(File::open(directory).ok()?);
    rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive).ok().map(|()| open)
}

/// Whether this is a time as in the names of what is kept, and perhaps a number to it.
fn is_time(end: &[u8]) -> bool {
    let (time, more) = end.split_at(end.len().min(16));
    let fits = |(at, byte): (usize, &u8)| match at {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    let is_number = |more: &[u8]| !more.is_empty() && more.iter().all(u8::is_ascii_digit);
    let has_number = more.strip_prefix(b"-").is_some_and(is_number);
    time.len() == 16 && time.iter().enumerate().all(fits) && (more.is_empty() || has_number)
}

/// The directory itself, without links on the way, when it may be exchanged.
fn exchangeable(target: &Path) -> Result<PathBuf> {
    let system = |source| SwapError::System { action: "look at", path: target.to_owned(), source };
    let target = match target.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = target.parent().filter(|path| !path.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new(".")).canonicalize().map_err(system)?;
            return Ok(above.join(target.file_name().ok_or(SwapError::Root)?));
        }
        other => other.map_err(system)?,
    };
    if target == Path::new("/") {
        return Err(SwapError::Root);
    }
    if !target.is_dir() {
        return Err(SwapError::NotADirectory(target));
    }
    if std::env::current_dir().is_ok_and(|here| here.starts_with(&target)) {
        return Err(SwapError::Here(target));
    }
    for inner in mounts().map_err(system)? {
        if inner == target {
            return Err(SwapError::MountPoint(target));
        }
        if inner.starts_with(&target) {
            return Err(SwapError::MountInside { target, inner });
        }
    }
    Ok(target)
}

/// Where something is mounted.
fn mounts() -> io::Result<Vec<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let lines = table.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescape).collect())
}

/// The table has space, tab, newline and backslash as octal numbers.
fn unescape(text: &[u8]) -> PathBuf {
    let (mut out, mut rest) = (Vec::new(), text);
    while let [first, others @ ..] = rest {
        let digits = others.get(..3).filter(|_| *first == b'\\');
        let number = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(number.unwrap_or(*first));
        rest = if number.is_some() { &others[3..] } else { others };
    }
    PathBuf::from(OsString::from_vec(out))
}

/// Directories beside the target whose names are its name, this word, and more.
fn siblings(target: &Path, word: &str) -> Result<Vec<PathBuf>> {
    let above = target.parent().unwrap_or(Path::new("/"));
    let system = |source| SwapError::System { action: "list", path: above.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(above).map_err(system)? {
        let entry = entry.map_err(system)?;
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = above.join(entry.file_name());
        let is_one = suffix(target, word, &path).is_some_and(|rest| !rest.is_empty());
        if is_directory && is_one {
            found.push(path);
        }
    }
    Ok(found)
}

fn suffix(target: &Path, word: &str, path: &Path) -> Option<Vec<u8>> {
    let name = target.file_name()?.as_bytes();
    let rest = path.file_name()?.as_bytes().strip_prefix(name)?;
    Some(rest.strip_prefix(word.as_bytes())?.to_vec())
}

fn with(target: &Path, end: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(end);
    PathBuf::from(path)
}

/// Gives a directory the name of the target with this ending, or the next one that is free.
fn free(from: &Path, target: &Path, word: &str, time: &str) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        let to = with(target, &format!("{word}{time}{more}"));
        match rename(from, &to, RenameFlags::NOREPLACE) {
            Err(SwapError::System { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists && number < 100 =>
            {
                number += 1;
            }
            renamed => return renamed.map(|()| to),
        }
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Result<()> {
    rustix::fs::renameat_with(CWD, from, CWD, to, flags).map_err(|errno: Errno| {
        let action =
            if flags == RenameFlags::EXCHANGE { "exchange" } else { "rename a directory to" };
        SwapError::System { action, path: to.to_owned(), source: errno.into() }
    })
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_dir_all(path).map_err(|source| SwapError::System {
        action: "remove",
        path: path.to_owned(),
        source,
    })
}

/// Brings names to disk.
fn sync_above(path: &Path) -> Result<()> {
    let above = path.parent().unwrap_or(Path::new("/"));
    File::open(above).and_then(|folder| folder.sync_all()).map_err(|source| SwapError::System {
        action: "sync",
        path: above.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &Path, name: &str) {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("name"), name).unwrap();
    }

    fn name(path: &Path) -> String {
        std::fs::read_to_string(path.join("name")).unwrap()
    }

    #[test]
    fn each_undo_goes_one_step_further_back() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        named(&target, "0");
        for (time, new) in [("20260101T000000Z", "1"), ("20260102T000000Z", "2")] {
            let swap = Swap::prepare(&target).unwrap();
            named(swap.beside(), new);
            let kept = swap.exchange(time).unwrap().unwrap();
            assert_eq!(kept, place.path().join(format!("target.before-restore-{time}")));
            assert_eq!(name(&target), new);
        }
        for (back, undone) in [("1", "2"), ("0", "1")] {
            let done = undo(&target).unwrap();
            assert_eq!((name(&target), name(&done.kept_as)), (back.into(), undone.into()));
        }
        assert!(matches!(undo(&target), Err(SwapError::Nothing(_))));
    }

    #[test]
    fn two_swaps_of_the_same_second_are_unclear() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        named(&target, "0");
        for new in ["1", "2"] {
            let swap = Swap::prepare(&target).unwrap();
            named(swap.beside(), new);
            swap.exchange("20260101T000000Z").unwrap();
        }
        assert!(matches!(undo(&target), Err(SwapError::Unclear(..))));
        assert_eq!(name(&target), "2");
    }

    #[test]
    fn what_a_swap_that_was_cut_off_left_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        named(&target, "0");
        let run = "0123456789abcdef";
        let journal = format!("esker-restore {run} ab12 /\nmaking /\n");
        let make = |end: &str, journal: &str| {
            let path = with(&target, end);
            named(&path, "mine");
            std::fs::write(path.join(".esker-restore-journal"), journal).unwrap();
            path
        };
        let left = make(".esker-0123456789abcdef", &journal);
        let others = [
            make(".esker-notes", &journal),
            make(".esker-0123456789ABCDEF", &journal),
            make(".esker-0123456789abcdef0", &journal),
            // The old one of a swap that was cut off may have the journal of another restore.
            make(".esker-0123456789abcdee", &journal),
            make(".esker-0123456789abcded", ""),
        ];
        Swap::prepare(&target).unwrap();
        assert!(!left.exists());
        assert!(others.iter().all(|other| name(other) == "mine"));
    }

    #[test]
    fn what_a_swap_is_still_making_stays() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        named(&target, "0");
        let running = Swap::prepare(&target).unwrap();
        let journal = format!("esker-restore {:016x} ab12 /\nmaking /\n", running.run().0);
        std::fs::write(running.beside().join(".esker-restore-journal"), journal).unwrap();
        let beside = running.beside().to_owned();
        Swap::prepare(&target).unwrap();
        assert!(beside.exists());
        drop(running);
        Swap::prepare(&target).unwrap();
        assert!(!beside.exists());
    }

    #[test]
    fn undo_takes_only_what_a_swap_has_named() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        named(&target, "0");
        for end in ["x", "20260101T000000Z-old", "20260101", "20260101T000000Z-"] {
            named(&with(&target, &format!("{BEFORE}{end}")), "mine");
            assert!(matches!(undo(&target), Err(SwapError::Nothing(_))), "{end}");
        }
        named(&with(&target, &format!("{BEFORE}20260101T000000Z-2")), "kept");
        undo(&target).unwrap();
        assert_eq!(name(&target), "kept");
    }

    #[test]
    fn the_root_a_file_and_a_mount_point_cannot_be_exchanged() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Swap::prepare(Path::new("/")), Err(SwapError::Root)));
        assert!(matches!(Swap::prepare(&file), Err(SwapError::NotADirectory(_))));
        assert!(matches!(Swap::prepare(Path::new("/proc")), Err(SwapError::MountPoint(_))));
        assert!(matches!(Swap::prepare(Path::new(".")), Err(SwapError::Here(_))));
    }

    #[test]
    fn names_in_the_table_of_mounts_are_read() {
        assert_eq!(unescape(b"/a\\040b\\134"), Path::new("/a b\\"));
    }
}
