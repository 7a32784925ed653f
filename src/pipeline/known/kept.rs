//! What is taken over from the file table.

use crate::pipeline::leaf_counts::LeafCounts;
use crate::pipeline::mark::Mark;
use crate::repository::{Leaf, Lookup, Result, Session};
use esker_format::content::{Content, Item};
use esker_format::node::{Node, Xattrs};
use esker_format::page::Entry;
use esker_format::segment::{Prefix, prefix};

/// How an entry compares with the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versus {
    /// Nobody has looked.
    Unknown,
    /// The base does not have it.
    New,
    /// The base has this; it may be the same.
    Old(Box<Node>),
    /// The base has the same.
    Same,
}

/// An entry that did not change.
pub struct Kept {
    /// The entry.
    pub entry: Entry,
    /// What the file system says of it.
    pub mark: Mark,
    /// Prefixes of all that long content refers to, one after the other; empty when not known.
    pub refs: Vec<u8>,
    /// How it compares with the base.
    pub versus: Versus,
}

/// What the table says of an entry of the walk.
pub enum Looked {
    /// Unchanged, as part of a leaf of which nothing has changed so far.
    Held,
    /// Unchanged.
    Kept(Box<Kept>),
    /// To be saved.
    Save(Versus),
}

/// What is taken over before the entry that was looked up.
pub enum Taken {
    /// A leaf of which nothing has changed.
    Leaf(Box<Leaf>, LeafCounts),
    /// Entries of a leaf that was held up to its first difference.
    Entry(Box<Kept>),
}

impl Kept {
    /// What stands for an entry that has changed.
    pub fn into_old(self) -> Looked {
        Looked::Save(Versus::Old(Box::new(self.entry.node)))
    }
}

/// Whether every chunk that an entry refers to is found.
///
/// # Errors
/// When the index or the store fails.
pub fn resolves(kept: &Kept, session: &Session, lookup: &mut Lookup) -> Result<bool> {
    let node = &kept.entry.node;
    let mut needed: Vec<Prefix> = Vec::new();
    match &node.content {
        None | Some(Content::Inline(_)) => {}
        Some(Content::Items(items)) => needed.extend(items.iter().filter_map(|item| match item {
            Item::Data(id, _) => Some(prefix(id)),
            _ => None,
        })),
        Some(Content::List(_)) if kept.refs.is_empty() => return Ok(false),
        Some(Content::List(_)) => {
            needed.extend(kept.refs.chunks_exact(16).filter_map(|p| p.first_chunk().copied()));
        }
    }
    if let Some(Xattrs::Page(id, _)) = &node.xattrs {
        needed.push(prefix(id));
    }
    for prefix in needed {
        if !session.knows(&prefix, lookup)? {
            return Ok(false);
        }
    }
    Ok(true)
}
