//! A file between its first chunk and its last.

use super::outcome::Outcome;
use super::tree::NewFile;
use esker_format::content::Content;
use esker_format::node::{Fidelity, Node, Xattr};
use esker_format::path::MapKey;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A file that is being restored. Each of its chunks on its way holds a reference to it; whoever
/// gives back the last one finishes it.
pub struct Pending {
    /// Where it goes.
    pub key: MapKey,
    node: Node,
    xattrs: Vec<Xattr>,
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
}

impl Pending {
    pub fn new(key: MapKey, node: Node, xattrs: Vec<Xattr>) -> Arc<Self> {
        let (file, lost) = Default::default();
        Arc::new(Self { key, node, xattrs, file, lost })
    }

    /// The file; none when it could not be made, which was reported then.
    pub fn file(&self, outcome: &Outcome) -> Option<&NewFile> {
        let make = || match outcome.tree.create_file(&self.key, &self.node) {
            Ok(file) => Some(file),
            Err(error) => {
                outcome.problem(error);
                None
            }
        };
        self.file.get_or_init(make).as_ref()
    }

    /// Writes bytes of it.
    pub fn write(&self, outcome: &Outcome, at: u64, bytes: &[u8]) {
        if let Some(file) = self.file(outcome)
            && let Err(error) = file.write_at(at, bytes)
        {
            outcome.problem(error);
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
        // An empty file, or one of holes only.
        self.file(outcome);
        if let Some(Content::Inline(bytes)) = &self.node.content {
            self.write(outcome, 0, bytes);
            outcome.progress.bytes.fetch_add(bytes.len() as u64, Relaxed);
        }
        self.report(outcome);
        if let Some(Some(file)) = self.file.take() {
            let problems = file.finish(&self.node, &self.xattrs);
            problems.into_iter().for_each(|problem| outcome.problem(problem));
            outcome.done(1);
        }
    }

    fn report(&self, outcome: &Outcome) {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let of = self.node.len();
        if lost.damaged > 0 {
            let Lost { damaged, why, .. } = &*lost;
            let message =
                format!("has lost {damaged} of {of} bytes, which are zero in the target: {why}");
            outcome.damage(&self.key, self.node.links, message);
        }
        if lost.unread > 0 {
            let unread = lost.unread;
            let message = format!(
                "{unread} of {of} bytes could not be read when it was saved; they are zero"
            );
            outcome.partial(&self.key, message);
        } else if self.node.fidelity == Some(Fidelity::Damaged) {
            outcome.partial(&self.key, "could not be read to its end when it was saved");
        }
    }
}
