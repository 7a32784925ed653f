//! What all threads of a restore share: the tree, what went wrong, and whether to go on.

use super::place::Place;
use super::plan::Link;
use super::tree::{Tree, TreeError};
use super::{Error, Progress, Report, Result};
use crate::repository;
use esker_format::ids::LinkGroup;
use esker_format::path::MapKey;
use std::collections::HashSet;
use std::error::Error as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A path, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Damage is told by the path in the snapshot, all else by the path on disk.
    pub path: Vec<u8>,
    /// What is wrong.
    pub message: String,
}

/// One restore, as its threads see it.
pub struct Outcome<'r> {
    pub tree: &'r Tree,
    pub place: &'r Place,
    pub progress: &'r Progress,
    target: &'r Path,
    stop: &'r AtomicBool,
    halted: AtomicBool,
    files: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    fatal: Option<Error>,
    problems: Vec<Problem>,
    damaged: Vec<Problem>,
    /// Files with several names that have lost something, under all of these names.
    groups: HashSet<LinkGroup>,
}

impl<'r> Outcome<'r> {
    pub fn new(
        tree: &'r Tree,
        target: &'r Path,
        place: &'r Place,
        progress: &'r Progress,
        stop: &'r AtomicBool,
    ) -> Self {
        let (halted, files, found) = Default::default();
        Self { tree, place, progress, target, stop, halted, files, found }
    }

    /// Whether to do no more.
    pub fn is_over(&self) -> bool {
        self.halted.load(Relaxed) || self.stop.load(Relaxed)
    }

    /// Gives up. The first reason counts.
    pub fn fail(&self, error: Error) {
        self.found().fatal.get_or_insert(error);
        self.halted.store(true, Relaxed);
    }

    /// Something could not be made. A full disk ends the restore, because every further file
    /// would fail in the same way.
    pub fn problem(&self, error: TreeError) {
        let path = [self.target.as_os_str().as_bytes(), &error.path].concat();
        if error.stops() {
            return self.fail(TreeError { path, ..error }.into());
        }
        let mut message = match error.operation.strip_prefix("make ") {
            Some(what) => format!("cannot make the {what}"),
            None => format!("cannot {} it", error.operation),
        };
        let mut cause = error.source();
        while let Some(next) = cause {
            message = format!("{message}: {next}");
            cause = next.source();
        }
        self.found().problems.push(Problem { path, message });
    }

    /// Something that the snapshot itself does not have whole.
    pub fn partial(&self, key: &MapKey, message: impl Into<String>) {
        let (path, message) = (self.place.source(key).path(), message.into());
        self.found().problems.push(Problem { path, message });
    }

    /// Something that the repository has lost.
    pub fn damage(&self, key: &MapKey, group: Option<LinkGroup>, message: String) {
        let path = self.place.source(key).path();
        let mut found = self.found();
        found.damaged.push(Problem { path, message });
        found.groups.extend(group);
    }

    /// Counts entries that are there now.
    pub fn done(&self, files: u64) {
        self.progress.entries.fetch_add(1, Relaxed);
        self.files.fetch_add(files, Relaxed);
    }

    /// What stands after the workers are done: further names, and then the directories.
    pub fn end(self, links: Vec<Link>) -> Result<Report> {
        for link in links {
            if self.is_over() {
                break;
            }
            self.link(&link);
        }
        if !self.is_over() {
            self.tree.finish_directories(|error| self.problem(error));
        }
        if !self.is_over()
            && let Err(error) = self.tree.sync()
        {
            let path = self.target.as_os_str().as_bytes().to_vec();
            self.fail(TreeError { path, ..error }.into());
        }
        let stopped = self.stop.load(Relaxed);
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = found.fatal {
            return Err(error);
        }
        if stopped {
            return Err(repository::Error::Interrupted.into());
        }
        let mut report = Report {
            entries: self.progress.entries.load(Relaxed),
            files: self.files.load(Relaxed),
            bytes: self.progress.bytes.load(Relaxed),
            problems: found.problems,
            damaged: found.damaged,
            notes: self.tree.notes(),
        };
        // Threads find them in any order.
        report.problems.sort_by(|a, b| a.path.cmp(&b.path));
        report.damaged.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    fn link(&self, link: &Link) {
        match self.tree.link(&link.existing, &link.key) {
            Ok(()) => self.done(u64::from(link.is_file)),
            Err(error) => return self.problem(error),
        }
        if self.found().groups.contains(&link.group) {
            let first = self.place.source(&link.existing).path();
            let first = String::from_utf8_lossy(&first).into_owned();
            self.damage(&link.key, None, format!("is the same file as {first}"));
        }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        // Each change is a single push, so a panic elsewhere leaves nothing half done.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
