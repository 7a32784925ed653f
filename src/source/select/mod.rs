//! What of the given paths is saved, and what is left out on purpose: patterns, marked directories,
//! sizes, file systems. Says so of one name at a time; the walk asks.

mod marker;

pub use marker::Marker;

use crate::pattern::{self, Line, Pattern, PatternError};
use crate::source::stat::Stat;
use crate::source::volume::Volume;
use esker_format::node::NodeKind;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is left out.
#[derive(Debug, Default)]
pub struct Select {
    patterns: Vec<Pattern>,
    folds: bool,
    caches: Option<Marker>,
    markers: Vec<Marker>,
    larger_than: Option<u64>,
    one_file_system: bool,
    changing: Vec<Pattern>,
    left_out: [AtomicU64; 6],
}

/// Why something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A pattern says so.
    Pattern,
    /// It is in a directory that is marked as a cache.
    Cache,
    /// It is in a directory that another file marks.
    Marker,
    /// It is a file that is too large.
    Larger,
    /// It is on another file system.
    FileSystem,
    /// It was asked for and is not there.
    Missing,
}

impl Reason {
    /// In words, for messages.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pattern => "excluded by a pattern",
            Self::Cache => "in a cache",
            Self::Marker => "in a marked directory",
            Self::Larger => "larger than what is to be saved",
            Self::FileSystem => "on another file system",
            Self::Missing => "not there",
        }
    }
}

/// A directory whose names are looked at.
pub struct Scope {
    /// The marks that it has; none when all that is in it is looked at.
    marks: Vec<CString>,
    path: Vec<u8>,
    folded: Vec<u8>,
    name_at: usize,
    folded_at: usize,
}

impl Scope {
    /// The marks that it has; none when all that is in it is looked at.
    pub(super) fn marks(&self) -> &[CString] {
        &self.marks
    }
}

impl Select {
    /// Adds a pattern; of those that match a name, the last one counts.
    pub fn add_pattern(&mut self, pattern: Pattern) {
        self.folds |= pattern.folds();
        self.patterns.push(pattern);
    }

    /// Adds the patterns of a file in gitignore syntax.
    ///
    /// # Errors
    /// On the first line that means nothing.
    pub fn add_patterns(
        &mut self,
        file: &std::path::Path,
        bytes: &[u8],
    ) -> Result<(), PatternError> {
        for (number, line) in pattern::lines(bytes) {
            let place = Line { file: file.to_owned(), number };
            self.add_pattern(Pattern::new(line, false, Some(place))?);
        }
        Ok(())
    }

    /// Of directories that are marked as caches, saves only the mark.
    pub fn leave_out_caches(&mut self) {
        self.caches = Some(Marker::cache());
    }

    /// Of directories that hold this, saves only this.
    pub fn add_marker(&mut self, marker: Marker) {
        self.markers.push(marker);
    }

    /// Leaves out files of more bytes.
    pub const fn leave_out_larger_than(&mut self, bytes: u64) {
        self.larger_than = Some(bytes);
    }

    /// Saves directories of other file systems than that of the given path empty.
    pub const fn stay_on_one_file_system(&mut self) {
        self.one_file_system = true;
    }

    /// Takes it for granted that files change while they are saved that this pattern matches, or
    /// a directory that they are in.
    pub fn allow_changing(&mut self, pattern: Pattern) {
        self.changing.push(pattern);
    }

    /// Whether the file at an absolute path may change while it is saved.
    pub fn allows_changing(&self, path: &[u8]) -> bool {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
        let mut name_at = 0;
        for end in ends.chain([path.len()]) {
            let matches = |p: &Pattern| p.matches(&path[..end], name_at, end < path.len());
            if self.changing.iter().any(matches) {
                return true;
            }
            name_at = end + 1;
        }
        false
    }

    /// Whether other file systems are left out.
    pub const fn stays_on_one_file_system(&self) -> bool {
        self.one_file_system
    }

    /// For the names of an open directory, by the parent that they have in the path map.
    pub(super) fn look_into(&self, parent: &[u8], directory: BorrowedFd<'_>) -> Scope {
        Scope { marks: self.marks(directory), ..self.scope(parent) }
    }

    /// The same for a directory whose marks do not count.
    pub(super) fn scope(&self, parent: &[u8]) -> Scope {
        let (mut path, mut folded) = (Vec::new(), Vec::new());
        if !self.patterns.is_empty() && !parent.is_empty() {
            path.extend(parent.iter().map(|b| if *b == 0 { b'/' } else { *b }));
            path.push(b'/');
        }
        if self.folds {
            folded = pattern::lower(&path);
        }
        Scope { marks: Vec::new(), name_at: path.len(), folded_at: folded.len(), path, folded }
    }

    /// Whether a name is left out. It is counted then, but for what is in a marked directory: that
    /// counts as a whole.
    pub(super) fn leaves_out(&self, scope: &mut Scope, name: &[u8], stat: &Stat) -> bool {
        if !scope.marks.is_empty() && !scope.marks.iter().any(|mark| mark.as_bytes() == name) {
            return true;
        }
        let reason = self.judge(scope, name, stat);
        reason.into_iter().for_each(|reason| self.count(reason));
        reason.is_some()
    }

    /// Why a name is left out for what it is; none when it is not.
    pub(super) fn judge(&self, scope: &mut Scope, name: &[u8], stat: &Stat) -> Option<Reason> {
        if self.patterns.is_empty() && self.larger_than.is_none() {
            return None;
        }
        let kind = stat.kind();
        let is_too_large = |limit| kind == Some(NodeKind::File) && stat.size > limit;
        if self.excludes(scope, name, kind == Some(NodeKind::Directory)) {
            Some(Reason::Pattern)
        } else if self.larger_than.is_some_and(is_too_large) {
            Some(Reason::Larger)
        } else {
            None
        }
    }

    /// What the last pattern says that matches. Those before it are only asked until they have
    /// matched once: that is what is told of them.
    fn excludes(&self, scope: &mut Scope, name: &[u8], is_directory: bool) -> bool {
        scope.path.truncate(scope.name_at);
        scope.path.extend_from_slice(name);
        if self.folds {
            scope.folded.truncate(scope.folded_at);
            scope.folded.extend_from_slice(&pattern::lower(name));
        }
        let mut verdict = None;
        for pattern in self.patterns.iter().rev() {
            if verdict.is_some() && pattern.has_matched() {
                continue;
            }
            let (path, name_at) = match pattern.folds() {
                true => (&scope.folded, scope.folded_at),
                false => (&scope.path, scope.name_at),
            };
            if pattern.matches(path, name_at, is_directory) && verdict.is_none() {
                verdict = Some(!pattern.is_negative());
            }
        }
        verdict.unwrap_or(false)
    }

    /// Whether a directory in one on `volume` is entered, or saved empty. Asks for the device as
    /// `find -xdev`, `tar` and `rsync` do: a subvolume has its own, and what is mounted a second time
    /// has the same.
    pub(super) fn enters(&self, volume: Volume, stat: &Stat) -> bool {
        let enters = !self.one_file_system || volume.is_device_of(stat);
        if !enters {
            self.count(Reason::FileSystem);
        }
        enters
    }

    fn marks(&self, directory: BorrowedFd<'_>) -> Vec<CString> {
        let markers = self.caches.iter().chain(&self.markers);
        let found: Vec<&Marker> = markers.filter(|marker| marker.marks(directory)).collect();
        if let Some(first) = found.first() {
            let is_cache = self.caches.as_ref().is_some_and(|cache| cache == *first);
            self.count(if is_cache { Reason::Cache } else { Reason::Marker });
        }
        found.into_iter().map(Marker::name).map(CStr::to_owned).collect()
    }

    /// Begins to count: so many of the given paths are left out already.
    pub(super) fn begin(&self, given: impl Iterator<Item = Reason>) {
        self.left_out.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        given.for_each(|reason| self.count(reason));
    }

    fn count(&self, reason: Reason) {
        self.left_out[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was left out for this reason: names for patterns and sizes, directories
    /// for marks and file systems. What lies in a directory is not counted.
    pub fn left_out(&self, reason: Reason) -> u64 {
        self.left_out[reason as usize].load(Ordering::Relaxed)
    }

    /// Patterns that never matched.
    pub fn unmatched(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter().filter(|pattern| !pattern.has_matched())
    }
}

#[cfg(test)]
mod tests;
