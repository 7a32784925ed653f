//! What differs between two snapshots. What their maps share is not read.

use crate::repository::chunks::Chunks;
use crate::repository::content::Items;
use crate::repository::difference::{
    Bytes, Change, Difference, Links, Part, Ways, change, differs_in_content, parts,
};
use crate::repository::error::{Error, Result};
use crate::repository::map::Bounds;
use crate::repository::merge::{Merge, Met, Variant};
use esker_format::content::{Content, Item};
use esker_format::node::Node;
use esker_format::page::PageRef;
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;

/// What a comparison meets.
#[derive(Debug)]
pub enum Step {
    /// A difference.
    Difference(Box<Difference>),
    /// Something that cannot be compared, because pages are lost.
    Lost {
        /// The first path.
        first: MapKey,
        /// How many there are.
        entries: u64,
        /// Whether the old snapshot has lost them; otherwise the new one.
        is_old: bool,
        /// Why.
        error: Error,
    },
}

/// A running comparison.
pub struct Diff {
    roots: [Option<(PageRef, u8)>; 2],
    merge: Merge<'static>,
    /// Ranges that come after the one of `merge`, next one last.
    bounds: Vec<Bounds>,
    links: Links,
    ways: Ways,
    /// Whether equal bytes have equal ids in both.
    one_scope: bool,
    /// Where what was lost of each map ends; the inner one is none at the end of the map.
    lost: [Option<Option<MapKey>>; 2],
}

/// Numbers of the maps.
const OLD: u32 = 0;
const NEW: u32 = 1;

/// The root of the map of a snapshot, with its level.
pub fn root_of(manifest: &Manifest) -> Option<(PageRef, u8)> {
    manifest.root.clone().map(|root| (root, manifest.root_level as u8))
}

impl Diff {
    /// Compares two snapshots, or one path of them and what lies below it. Without `one_scope` they
    /// name equal bytes differently, and content is not compared.
    pub fn new(old: &Manifest, new: &Manifest, path: Option<&MapKey>, one_scope: bool) -> Self {
        let roots = [root_of(old), root_of(new)];
        let mut bounds = match path {
            None => vec![Bounds::All],
            Some(key) => vec![Bounds::Below(key.clone()), Bounds::One(key.clone())],
        };
        let first = bounds.pop().unwrap_or(Bounds::All);
        let merge = merge(&roots, first);
        let ways = Ways::to(old.summary.paths.iter().chain(&new.summary.paths));
        let (links, lost) = (Links::default(), [None, None]);
        Self { roots, merge, bounds, links, ways, one_scope, lost }
    }

    /// The next difference, in map order; none at the end.
    ///
    /// # Errors
    /// When store or index fail; damage is a [`Step::Lost`] instead.
    pub fn next(&mut self, chunks: &mut Chunks) -> Result<Option<Step>> {
        loop {
            match self.merge.next(chunks)? {
                Some(Met::Entry(key, variants)) => {
                    if let Some(step) = self.compare(key, variants, chunks)? {
                        return Ok(Some(step));
                    }
                }
                Some(Met::Lost { first, entries, maps, error }) => {
                    for map in &maps {
                        self.lost[*map as usize] = Some(self.merge.next_of(*map));
                    }
                    let is_old = maps.contains(&OLD);
                    return Ok(Some(Step::Lost { first, entries, is_old, error }));
                }
                None => {
                    let Some(bounds) = self.bounds.pop() else { return Ok(None) };
                    self.merge = merge(&self.roots, bounds);
                    self.lost = [None, None];
                }
            }
        }
    }

    fn compare(
        &mut self,
        key: MapKey,
        variants: Vec<Variant>,
        chunks: &mut Chunks,
    ) -> Result<Option<Step>> {
        let (mut old, mut new) = (None, None);
        for Variant { node, maps } in variants {
            match maps[..] {
                [OLD] => old = Some(node),
                [NEW] => new = Some(node),
                // Both have it.
                _ => return Ok(None),
            }
        }
        let (change, parts) = match (&old, &new) {
            (Some(old), Some(new)) => {
                let mut parts = parts(old, new);
                self.ways.pass_over(&key, &mut parts);
                if self.links.differ(old.links, new.links) {
                    parts.push(Part::Links);
                }
                let bytes = match self.bytes(chunks, old, new) {
                    Ok(bytes) => bytes,
                    Err((is_old, error)) if error.is_damage() => {
                        return Ok(Some(Step::Lost { first: key, entries: 1, is_old, error }));
                    }
                    Err((_, error)) => return Err(error),
                };
                (change(old, new, bytes, &mut parts), parts)
            }
            (None, _) if self.is_lost(OLD, &key) => (None, Vec::new()),
            (_, None) if self.is_lost(NEW, &key) => (None, Vec::new()),
            (None, _) => (Some(Change::Added), Vec::new()),
            (_, None) => (Some(Change::Removed), Vec::new()),
        };
        let told = |change| Difference { key, old, new, change, parts };
        Ok(change.map(told).map(Box::new).map(Step::Difference))
    }

    fn bytes(
        &self,
        chunks: &mut Chunks,
        old: &Node,
        new: &Node,
    ) -> std::result::Result<Bytes, (bool, Error)> {
        let is_inline = |node: &Node| !matches!(&node.content, Some(content) if has_ids(content));
        if self.one_scope || (is_inline(old) && is_inline(new)) {
            bytes(chunks, old, new)
        } else {
            Ok(Bytes::Unknown)
        }
    }

    /// Whether nobody knows what a map has at a key.
    fn is_lost(&self, map: u32, key: &MapKey) -> bool {
        let until = &self.lost[map as usize];
        until.as_ref().is_some_and(|until| until.as_ref().is_none_or(|until| key < until))
    }
}

fn merge(roots: &[Option<(PageRef, u8)>; 2], bounds: Bounds) -> Merge<'static> {
    Merge::new(roots.clone(), bounds).skipping(|_, maps| maps.len() == 2)
}

const fn has_ids(content: &Content) -> bool {
    !matches!(content, Content::Inline(_))
}

/// Whether two files have the same bytes, by the ids of their chunks. What fails is told with
/// whether it is the old one.
fn bytes(chunks: &mut Chunks, old: &Node, new: &Node) -> std::result::Result<Bytes, (bool, Error)> {
    if old.kind != new.kind || differs_in_content(old, new) {
        return Ok(Bytes::Differ);
    }
    if old.content == new.content {
        return Ok(Bytes::Same);
    }
    let (Some(old), Some(new)) = (&old.content, &new.content) else { return Ok(Bytes::Differ) };
    let (mut old_pieces, mut new_pieces) = (Pieces::new(old), Pieces::new(new));
    loop {
        let old = old_pieces.next(chunks).map_err(|error| (true, error))?;
        match (old, new_pieces.next(chunks).map_err(|error| (false, error))?) {
            (None, None) => return Ok(Bytes::OtherHoles),
            (old, new) if old == new => {}
            _ => return Ok(Bytes::Differ),
        }
    }
}

/// The items of a file with all zeros that follow each other as one.
struct Pieces {
    items: Items,
    /// Read ahead behind zeros.
    ahead: Option<Item>,
    /// The bytes of a file that has no items.
    inline: Option<Vec<u8>>,
}

#[derive(PartialEq, Eq)]
enum Piece {
    Item(Item),
    Zeros(u64),
    Inline(Vec<u8>),
}

impl Pieces {
    fn new(content: &Content) -> Self {
        let inline = match content {
            Content::Inline(bytes) => Some(bytes.clone()),
            _ => None,
        };
        Self { items: Items::new(content), ahead: None, inline }
    }

    fn next(&mut self, chunks: &mut Chunks) -> Result<Option<Piece>> {
        if let Some(bytes) = self.inline.take() {
            return Ok(Some(Piece::Inline(bytes)));
        }
        let mut zeros = 0;
        while let Some(item) = self.item(chunks)? {
            match item {
                Item::Hole(len) | Item::Zero(len) => zeros += len,
                item if zeros == 0 => return Ok(Some(Piece::Item(item))),
                item => {
                    self.ahead = Some(item);
                    break;
                }
            }
        }
        Ok((zeros > 0).then_some(Piece::Zeros(zeros)))
    }

    fn item(&mut self, chunks: &mut Chunks) -> Result<Option<Item>> {
        if let Some(item) = self.ahead.take() {
            return Ok(Some(item));
        }
        match self.items.next(chunks)? {
            Some((_, Some(error))) => Err(error),
            Some((item, None)) => Ok(Some(item)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
