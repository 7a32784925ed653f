//! What all threads of a restore share: the tree, what went wrong, and whether to go on.

use super::change::{Action, Change, Counts, What};
use super::existing::journal::{self, Journal, Line};
use super::existing::on_disk;
use super::how::How;
use super::place::Place;
use super::plan::{Link, Planned, There};
use super::scope::Scope;
use super::tree::{Cause, Seen, Tree, TreeError};
use super::{Error, Progress, Report, Result};
use crate::repository;
use esker_format::ids::LinkGroup;
use esker_format::node::NodeKind;
use esker_format::path::{MapKey, is_below};
use std::collections::{HashMap, HashSet};
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
    pub how: &'r How,
    pub journal: &'r Journal,
    pub observe: &'r (dyn Fn(&Change<'_>) + Sync),
    pub scope: &'r Scope,
    pub target: &'r Path,
    pub stop: &'r AtomicBool,
    pub counters: Counters,
}

/// What is counted and found as a restore goes on.
#[derive(Default)]
pub struct Counters {
    halted: AtomicBool,
    files: AtomicU64,
    added: AtomicU64,
    changed: AtomicU64,
    unchanged: AtomicU64,
    kept: AtomicU64,
    deleted: AtomicU64,
    fetched: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    fatal: Option<Error>,
    problems: Vec<Problem>,
    damaged: Vec<Problem>,
    /// Files with several names that have lost something, under all of these names.
    groups: HashSet<LinkGroup>,
    /// Files with several names of which the first could not be restored.
    spoiled: HashSet<LinkGroup>,
    /// In a dry run, how many names of a file would be gone.
    unnamed: HashMap<(u64, u64), u32>,
    /// What stays as it is, where that has to be known.
    kept: HashSet<MapKey>,
    /// Files that stay though they differ, and whether they were written into.
    unfinished: HashMap<MapKey, bool>,
    /// Files with several names of which the first would be another one than it is.
    replaced: HashSet<LinkGroup>,
}

impl Outcome<'_> {
    /// Whether to do no more.
    pub fn is_over(&self) -> bool {
        self.counters.halted.load(Relaxed) || self.stop.load(Relaxed)
    }

    /// Gives up. The first reason counts.
    pub fn fail(&self, error: Error) {
        self.found().fatal.get_or_insert(error);
        self.counters.halted.store(true, Relaxed);
    }

    /// Something could not be made. A full disk ends the restore, because every further file
    /// would fail in the same way.
    pub fn problem(&self, error: TreeError) {
        let path = self.on_disk(&error.path);
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

    /// Counts an entry that was made or changed, or would be, and tells it.
    pub fn did(&self, action: Action, key: &MapKey, kind: NodeKind) {
        let counter = match action {
            Action::Add => &self.counters.added,
            _ => &self.counters.changed,
        };
        counter.fetch_add(1, Relaxed);
        self.done(kind);
        self.tell(action, key, Some(kind));
    }

    /// Counts an entry that was as it should be.
    pub fn is_there(&self, kind: NodeKind) {
        self.counters.unchanged.fetch_add(1, Relaxed);
        self.done(kind);
    }

    /// Counts something that stays as it is.
    pub fn kept(&self, key: &MapKey) {
        self.counters.kept.fetch_add(1, Relaxed);
        if self.how.verify {
            self.found().kept.insert(key.clone());
        }
    }

    /// Counts something that is gone, or would be, and tells it.
    pub fn deleted(&self, key: &MapKey, kind: Option<NodeKind>) {
        self.counters.deleted.fetch_add(1, Relaxed);
        self.tell(Action::Delete, key, kind);
    }

    /// What has this name. In a dry run, names that would be gone by now do not count.
    pub fn look(&self, key: &MapKey) -> super::tree::Result<Option<Seen>> {
        let mut seen = self.tree.look(key)?;
        if self.how.dry_run
            && let Some(seen) = &mut seen
            && seen.names > 1
        {
            let gone = self.found().unnamed.get(&seen.identity).copied().unwrap_or(0);
            seen.names -= gone.min(seen.names - 1);
        }
        Ok(seen)
    }

    /// One name less, in a dry run.
    pub fn unnamed(&self, seen: &Seen) {
        if self.how.dry_run && seen.names > 1 && seen.kind != Some(NodeKind::Directory) {
            *self.found().unnamed.entry(seen.identity).or_default() += 1;
        }
    }

    /// Counts bytes that came from the repository.
    pub fn fetched(&self, len: u64) {
        self.counters.fetched.fetch_add(len, Relaxed);
    }

    /// Counts bytes of content that are done.
    pub fn pass_bytes(&self, len: u64) {
        self.progress.bytes.fetch_add(len, Relaxed);
    }

    fn done(&self, kind: NodeKind) {
        self.progress.entries.fetch_add(1, Relaxed);
        if matches!(kind, NodeKind::File | NodeKind::Stream | NodeKind::Image) {
            self.counters.files.fetch_add(1, Relaxed);
        }
    }

    fn tell(&self, action: Action, key: &MapKey, kind: Option<NodeKind>) {
        let path = self.on_disk(&key.path());
        (self.observe)(&Change { action, kind, path: &path });
    }

    pub fn on_disk(&self, path: &[u8]) -> Vec<u8> {
        let target = self.target.as_os_str().as_bytes();
        let path = if path == b"/" { &b""[..] } else { path };
        match target.strip_suffix(b"/") {
            Some(short) if !path.is_empty() => [short, path].concat(),
            _ => [target, path].concat(),
        }
    }

    /// Somebody changed a file while it was compared.
    pub fn changed_meanwhile(&self, key: &MapKey) {
        self.problem(TreeError::in_the_way(key, Cause::Changed));
    }

    /// The first name of something could not be restored, so that no other can be linked to it.
    pub fn spoil(&self, group: Option<LinkGroup>) {
        self.found().spoiled.extend(group);
    }

    /// A file stays though it differs; `is_torn` when it was written into.
    pub fn unfinished(&self, key: &MapKey, is_torn: bool) {
        self.found().unfinished.insert(key.clone(), is_torn);
    }

    /// The first name of something would be another file than it is.
    pub fn replaced(&self, group: Option<LinkGroup>) {
        self.found().replaced.extend(group);
    }

    /// Whether a path of the snapshot is a source or lies in one.
    pub fn is_in_source(&self, source: &MapKey) -> bool {
        self.scope.is_in_source(source)
    }

    /// Whether an entry has the name of the journal, and cannot be restored; that is told.
    pub fn is_reserved(&self, key: &MapKey) -> bool {
        let reserved = self.is_reserved_name(key);
        if reserved {
            self.partial(key, "is not restored: a restore keeps its journal under this name");
        }
        reserved
    }

    /// Whether this is the name of the journal, or below it.
    pub fn is_reserved_name(&self, key: &MapKey) -> bool {
        (key.parent.is_empty() && key.name == journal::NAME) || is_below(&key.parent, journal::NAME)
    }

    /// What stands after the workers are done: further names, then the directories, and then all
    /// is brought to disk. Returns what is told of it.
    pub fn end(&self, planned: &Planned, what: &journal::What) -> Result<Report> {
        for link in &planned.links {
            if self.is_over() {
                break;
            }
            self.link(link);
        }
        if !self.how.dry_run {
            self.finish(planned, what);
        }
        let stopped = self.stop.load(Relaxed);
        let (fatal, problems, damaged) = {
            let mut found = self.found();
            let lists = (std::mem::take(&mut found.problems), std::mem::take(&mut found.damaged));
            (found.fatal.take(), lists.0, lists.1)
        };
        if let Some(error) = fatal {
            return Err(error);
        }
        if stopped {
            return Err(repository::Error::Interrupted.into());
        }
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let counters = &self.counters;
        let mut report = Report {
            entries: count(&self.progress.entries),
            files: count(&counters.files),
            bytes: count(&self.progress.bytes),
            counts: Counts {
                added: count(&counters.added),
                changed: count(&counters.changed),
                unchanged: count(&counters.unchanged),
                kept: count(&counters.kept),
                deleted: count(&counters.deleted),
                fetched: count(&counters.fetched),
            },
            verified: None,
            kept_as: None,
            problems,
            damaged,
            notes: self.tree.notes(),
        };
        report.sort();
        Ok(report)
    }

    fn finish(&self, planned: &Planned, what: &journal::What) {
        if !self.is_over() {
            self.tree.finish_directories(|error| self.problem(error));
        }
        if !self.is_over()
            && let Err(error) = self.tree.sync().and_then(|()| self.end_journal(planned, what))
        {
            self.fail(self.with_target(error).into());
        }
        if !self.is_over() {
            self.tree.finish_target(|error| self.problem(error));
        }
    }

    /// The same error, with the whole path.
    pub fn with_target(&self, error: TreeError) -> TreeError {
        TreeError { path: self.on_disk(&error.path), ..error }
    }

    /// Removes the journal, as all is on disk, and tells what an earlier run left half done that
    /// was not part of this one.
    fn end_journal(&self, planned: &Planned, what: &journal::What) -> super::tree::Result<()> {
        let mut left = match &planned.left {
            None => Vec::new(),
            Some((cut, done)) => {
                let is_whole = self.how.filter.is_empty() && !planned.is_lossy;
                cut.left(what, is_whole, done)
            }
        };
        let mut of = None;
        for line in &left {
            match line {
                Line::Run(_, what) => of = Some(what),
                Line::Making(key) | Line::Writing(key) => {
                    let source = of.map_or_else(String::new, |what| what.to_string());
                    let message = format!(
                        "may be incomplete: a restore of {source} was cut off here and this one \
                         does not cover it; restore {source} into {} again, or remove {}/{} when it \
                         is as it should be",
                        self.target.display(),
                        self.target.display(),
                        String::from_utf8_lossy(journal::NAME)
                    );
                    let path = self.on_disk(&key.path());
                    self.found().problems.push(Problem { path, message });
                }
                Line::Changing(_) => {}
            }
        }
        left.extend(self.torn(planned, what));
        self.journal.end(&left)
    }

    /// Lines for files that are neither old nor new, by this run or by an earlier one, which this
    /// one could not finish either. What they lack was told.
    fn torn(&self, planned: &Planned, what: &journal::What) -> Vec<Line> {
        let found = self.found();
        let was_torn = |key: &MapKey| planned.left.as_ref().is_some_and(|(cut, _)| cut.names(key));
        let torn = found.unfinished.iter().filter(|(key, torn)| **torn || was_torn(key));
        let mut keys: Vec<&MapKey> = torn.map(|(key, _)| key).collect();
        keys.sort();
        let run = (!keys.is_empty()).then(|| Line::Run(self.tree.run(), what.clone()));
        run.into_iter().chain(keys.into_iter().map(|key| Line::Writing(key.clone()))).collect()
    }

    fn link(&self, link: &Link) {
        let (key, kind) = (&link.key, link.kind);
        if self.found().spoiled.contains(&link.group) {
            let first = self.on_disk(&link.existing.path());
            let message = format!(
                "is not restored: it is the same file as {}, which could not be restored",
                String::from_utf8_lossy(&first)
            );
            let path = self.on_disk(&key.path());
            return self.found().problems.push(Problem { path, message });
        }
        let made = match link.there {
            There::Nothing => self.link_fresh(link),
            _ => self.link_over(link),
        };
        match made {
            Ok(Some(action)) => self.did(action, key, kind),
            Ok(None) => self.is_there(kind),
            Err(error) => return self.problem(error),
        }
        if self.found().groups.contains(&link.group) {
            let first = self.place.source(&link.existing).path();
            let first = String::from_utf8_lossy(&first).into_owned();
            self.damage(&link.key, None, format!("is the same file as {first}"));
        }
    }

    fn link_fresh(&self, link: &Link) -> super::tree::Result<Option<Action>> {
        if !self.how.dry_run {
            self.tree.link(&link.existing, &link.key)?;
        }
        Ok(Some(Action::Add))
    }

    /// A further name where something may be: nothing happens when it is one already.
    fn link_over(&self, link: &Link) -> super::tree::Result<Option<Action>> {
        let there = self.tree.look(&link.key)?;
        let action = match there.map(|there| there.kind) {
            _ if link.there == There::Directory => Action::Change(What::Kind),
            None => Action::Add,
            Some(kind) if kind == Some(on_disk(link.kind)) => Action::Change(What::Links),
            Some(_) => Action::Change(What::Kind),
        };
        if self.how.dry_run {
            let is_new = self.found().replaced.contains(&link.group);
            // Its first name may be one that is not there yet.
            let first = self.tree.look(&link.existing).ok().flatten();
            let same = first.zip(there).is_some_and(|(a, b)| a.identity == b.identity);
            return Ok((is_new || !same).then_some(action));
        }
        self.journal.changing(&link.key.parent)?;
        let linked = self.tree.replace_link(&link.existing, &link.key)?;
        Ok(linked.then_some(action))
    }

    /// Whether an entry stayed as it was.
    pub fn was_kept(&self, key: &MapKey) -> bool {
        self.found().kept.contains(key)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        // Each change is a single push, so a panic elsewhere leaves nothing half done.
        self.counters.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
