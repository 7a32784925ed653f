//! Where `--delete` acts: inside the directories that were sources of the snapshot, and on
//! nothing that the snapshot could not see.

use super::filter::Choice;
use super::outcome::Outcome;
use super::tree::{Extra, Judgement, Seen, Sweep, TreeError};
use esker_format::node::NodeKind;
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;

/// What the file system checker puts back into.
const LOST_FOUND: &[u8] = b"lost+found";

/// Something that no restore touches, because it works with it: it was left out when saving, so
/// that no snapshot has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarded {
    /// What it is, for messages.
    pub what: &'static str,
    /// Device and inode.
    pub identity: (u64, u64),
}

/// The places that a snapshot knows as a whole.
#[derive(Debug, Default)]
pub struct Scope {
    guarded: Vec<Guarded>,
    sources: Vec<MapKey>,
    /// What could not be saved; it may be there all the same.
    unsaved: Vec<MapKey>,
    /// More could not be saved than is listed.
    is_vague: bool,
}

impl Scope {
    /// The scope of a snapshot.
    pub fn new(manifest: &Manifest, guarded: &[Guarded]) -> Self {
        let key = |path: &Vec<u8>| MapKey::from_path(path).ok();
        let problems = &manifest.problems;
        Self {
            guarded: guarded.to_vec(),
            sources: manifest.summary.paths.iter().filter_map(key).collect(),
            unsaved: problems.iter().filter_map(|problem| key(&problem.path)).collect(),
            is_vague: manifest.summary.problems > problems.len() as u64,
        }
    }

    /// What this is, if no restore touches it.
    pub fn guards(&self, seen: &Seen) -> Option<&'static str> {
        let found = self.guarded.iter().find(|guarded| guarded.identity == seen.identity);
        found.map(|guarded| guarded.what)
    }

    /// Whether a path of the snapshot is a source or lies in one.
    pub fn is_in_source(&self, source: &MapKey) -> bool {
        self.sources.iter().any(|root| source.is_within(root))
    }

    /// Whether the snapshot has all that was in this directory.
    pub fn has(&self, source: &MapKey) -> bool {
        !self.is_vague && self.is_in_source(source)
    }

    /// Whether more could not be saved than is known, so that nothing may be deleted.
    pub const fn is_vague(&self) -> bool {
        self.is_vague
    }

    /// Removes what is too much, and tells it.
    pub const fn broom<'b>(&'b self, outcome: &'b Outcome<'b>) -> Broom<'b> {
        Broom { scope: self, outcome, makes_way: None }
    }
}

/// Removes what is too much.
pub struct Broom<'b> {
    scope: &'b Scope,
    outcome: &'b Outcome<'b>,
    /// What is replaced by something else, and not told as deleted.
    makes_way: Option<&'b MapKey>,
}

impl<'b> Broom<'b> {
    /// Something else will be where this is.
    pub const fn making_way(self, key: &'b MapKey) -> Self {
        Self { makes_way: Some(key), ..self }
    }
}

impl Sweep for Broom<'_> {
    fn judge(&mut self, extra: Extra<'_>) -> Judgement {
        let Extra { key, seen } = extra;
        let source = self.outcome.place.source(key);
        let is_directory = seen.kind == Some(NodeKind::Directory);
        // What could not be saved is not in the snapshot, and was there.
        let mut unsaved = self.scope.unsaved.iter();
        let is_system = key.parent.is_empty() && key.name == LOST_FOUND;
        if self.outcome.is_reserved_name(key)
            || is_system
            || self.scope.guards(seen).is_some()
            || self.scope.unsaved.iter().any(|path| source.is_within(path))
        {
            return Judgement::Stays;
        }
        match self.outcome.how.filter.choose(&source.path(), is_directory) {
            Choice::LeftOut => Judgement::Stays,
            Choice::Passed => Judgement::LookInside,
            Choice::Taken if unsaved.any(|path| path.is_within(&source)) => Judgement::LookInside,
            Choice::Taken => Judgement::Goes,
        }
    }

    fn mounted(&mut self, extra: Extra<'_>) {
        self.outcome.kept(extra.key);
    }

    fn gone(&mut self, extra: Extra<'_>) {
        self.outcome.unnamed(extra.seen);
        if self.makes_way != Some(extra.key) {
            self.outcome.deleted(extra.key, extra.seen.kind);
        }
    }

    fn failed(&mut self, error: TreeError) {
        self.outcome.problem(error);
    }
}
