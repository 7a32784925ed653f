//! A file between its first chunk and its last.

use super::change::{Action, What};
use super::existing::Base;
use super::outcome::Outcome;
use super::tree::NewFile;
use esker_format::content::Content;
use esker_format::node::{Fidelity, Node, NodeKind, Xattr};
use esker_format::path::MapKey;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A file that is being restored. Each of its chunks on its way holds a reference to it; whoever
/// gives back the last one finishes it.
pub struct Pending {
    /// Where it goes.
    pub key: MapKey,
    pub node: Node,
    xattrs: Vec<Xattr>,
    /// What is there already; none where nothing can be.
    pub base: Option<Base>,
    /// Nothing inside when it could not be made.
    file: OnceLock<Option<NewFile>>,
    lost: Mutex<Lost>,
}

/// What is missing of it.
#[derive(Default)]
struct Lost {
    /// Bytes that the repository has lost, and why.
    damaged: u64,
    why: String,
    /// Bytes that could not be read when it was saved.
    unread: u64,
    /// Some bytes could not be written.
    failed: bool,
}

impl Pending {
    pub fn new(key: MapKey, node: Node, xattrs: Vec<Xattr>, base: Option<Base>) -> Arc<Self> {
        let (file, lost) = Default::default();
        Arc::new(Self { key, node, xattrs, base, file, lost })
    }

    /// The file; none when it could not be made, which was reported then.
    pub fn file(&self, outcome: &Outcome) -> Option<&NewFile> {
        let make = || match self.make(outcome) {
            Ok(file) => Some(file),
            Err(error) => {
                outcome.problem(error);
                outcome.spoil(self.node.links);
                None
            }
        };
        self.file.get_or_init(make).as_ref()
    }

    fn make(&self, outcome: &Outcome) -> super::tree::Result<NewFile> {
        let Some(base) = &self.base else {
            return outcome.tree.create_file(&self.key, &self.node);
        };
        if base.in_place
            && let Some(seen) = &base.seen
            && outcome.journal.writing(&self.key)?
            && let Some(file) = outcome.tree.open_in_place(&self.key, &self.node, seen)?
        {
            return Ok(file);
        }
        outcome.journal.changing(&self.key.parent)?;
        outcome.tree.create_beside(&self.key, &self.node)
    }

    /// Writes bytes of it.
    pub fn write(&self, outcome: &Outcome, at: u64, bytes: &[u8]) {
        if let Some(file) = self.file(outcome)
            && let Err(error) = file.write_at(at, bytes)
        {
            outcome.problem(error);
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).failed = true;
        }
    }

    /// Bytes that the repository has lost.
    pub fn lose(&self, len: u64, why: &str) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.damaged += len;
        lost.why = why.to_owned();
    }

    /// Bytes that were lost before they were saved.
    pub fn miss(&self, len: u64) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).unread += len;
    }

    /// Gives back a reference. The last one finishes the file.
    pub fn release(self: Arc<Self>, outcome: &Outcome) {
        if let Some(pending) = Arc::into_inner(self)
            && !outcome.is_over()
        {
            pending.finish(outcome);
        }
    }

    fn finish(mut self, outcome: &Outcome) {
        if let Some(base) = self.base.take() {
            return self.finish_over(base, outcome);
        }
        // An empty file, or one of holes only.
        self.file(outcome);
        if let Some(Content::Inline(bytes)) = &self.node.content {
            self.write(outcome, 0, bytes);
            outcome.progress.bytes.fetch_add(bytes.len() as u64, Relaxed);
        }
        self.report(outcome, "");
        if let Some(Some(file)) = self.file.take() {
            let problems = file.finish(&self.node, &self.xattrs);
            problems.into_iter().for_each(|problem| outcome.problem(problem));
            outcome.did(Action::Add, &self.key, self.node.kind);
        }
    }

    /// What is there is replaced by the whole file, or stays as it is.
    fn finish_over(mut self, base: Base, outcome: &Outcome) {
        let differs = base.differs(&self.node);
        self.base = Some(base);
        if differs && self.is_lacking() && self.replaces_something() {
            let in_place = matches!(self.file.get(), Some(Some(file)) if file.is_in_place());
            let end = match in_place {
                true => {
                    "; the rest was written into what is in the target, which is neither old nor new now"
                }
                false => "; what is in the target stays",
            };
            self.report(outcome, end);
            return self.leave(outcome);
        }
        self.report(outcome, "");
        let Some(base) = &self.base else { return };
        match (&base.seen, differs) {
            (Some(_), false) if !base.is_other => self.finish_equal(base, outcome),
            _ => self.finish_different(outcome),
        }
    }

    /// The content is as it should be.
    fn finish_equal(&self, base: &Base, outcome: &Outcome) {
        let Some(seen) = &base.seen else { return };
        let punched = !base.split && self.punch(base, outcome);
        outcome.settle(&self.key, seen, &self.node, &self.xattrs, base.split, punched);
    }

    /// Frees what is zero here and a hole in the snapshot. The bytes stay the same by that, so it
    /// needs no new file; another name of it would not notice either, but is left alone.
    fn punch(&self, base: &Base, outcome: &Outcome) -> bool {
        let solid = std::mem::take(&mut base.ranges().solid);
        let Some(seen) = &base.seen else { return false };
        if solid.is_empty() || outcome.how.dry_run || (seen.names > 1 && !base.in_place) {
            return false;
        }
        outcome.tree.punch(&self.key, seen, &solid)
    }

    fn finish_different(mut self, outcome: &Outcome) {
        let Some(base) = self.base.take() else { return };
        let (kind, seen) = (self.node.kind, base.seen);
        let action = match seen {
            None => Action::Add,
            Some(_) if base.is_other => Action::Change(What::Kind),
            Some(_) => Action::Change(What::Content),
        };
        self.base = Some(base);
        if outcome.how.dry_run {
            if !self.base.as_ref().is_some_and(|base| base.in_place) {
                outcome.replaced(self.node.links);
            }
            return outcome.did(action, &self.key, kind);
        }
        self.file(outcome);
        let Some(base) = self.base.take() else { return };
        if let Some(Content::Inline(bytes)) = &self.node.content {
            self.write(outcome, 0, bytes);
        }
        let Some(Some(file)) = self.file.get() else { return };
        let ranges = std::mem::take(&mut *base.ranges());
        let taken = if file.is_in_place() {
            let clear = ranges
                .clear
                .iter()
                .try_for_each(|(from, to, hole)| file.clear(*from, to - from, *hole));
            clear.map_err(|error| outcome.problem(error)).is_ok()
        } else {
            base.ranges().equal = ranges.equal;
            base.take_over(outcome, &self.key, file)
        };
        // A file that lacks something does not take the place of one that does not.
        if !taken || outcome.is_over() || self.failed() {
            self.base = Some(base);
            return self.leave(outcome);
        }
        let Some(Some(file)) = self.file.take() else { return };
        let problems = file.finish(&self.node, &self.xattrs);
        problems.into_iter().for_each(|problem| outcome.problem(problem));
        outcome.did(action, &self.key, kind);
    }

    /// Leaves the old file, as whole as it still is. One that was written into stays named in the
    /// journal.
    fn leave(mut self, outcome: &Outcome) {
        let mut is_torn = false;
        if let Some(Some(file)) = self.file.take()
            && file.is_in_place()
        {
            is_torn = true;
            let seen = self.base.as_ref().and_then(|base| base.seen);
            if let Some(seen) = seen
                && let Err(error) = file.leave(seen.mode, self.node.mode)
            {
                outcome.problem(error);
            }
        }
        outcome.unfinished(&self.key, is_torn);
        outcome.spoil(self.node.links);
    }

    /// Whether there is anything that could stay. A directory has made way.
    fn replaces_something(&self) -> bool {
        let seen = self.base.as_ref().and_then(|base| base.seen);
        seen.is_some_and(|seen| seen.kind != Some(NodeKind::Directory))
    }

    /// Whether some of its bytes are not to be had.
    pub fn is_lacking(&self) -> bool {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.damaged > 0 || lost.unread > 0 || self.node.fidelity == Some(Fidelity::Damaged)
    }

    fn failed(&self) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).failed
    }

    fn report(&self, outcome: &Outcome, end: &str) {
        let zero = if end.is_empty() { ", which are zero in the target" } else { "" };
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let of = self.node.len();
        if lost.damaged > 0 {
            let Lost { damaged, why, .. } = &*lost;
            let message = format!("has lost {damaged} of {of} bytes{zero}: {why}{end}");
            outcome.damage(&self.key, self.node.links, message);
        }
        if lost.unread > 0 {
            let unread = lost.unread;
            let zero = if end.is_empty() { "; they are zero" } else { end };
            let message =
                format!("{unread} of {of} bytes could not be read when it was saved{zero}");
            outcome.partial(&self.key, message);
        } else if self.node.fidelity == Some(Fidelity::Damaged) {
            let message = format!("could not be read to its end when it was saved{end}");
            outcome.partial(&self.key, message);
        }
    }
}
