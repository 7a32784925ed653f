//! Which image is meant, and what it is of.

use super::BUDGET;
use crate::disk::Geometry;
use crate::repository::{
    Bounds, Chunks, Found as Entries, Map, Repository, Result, Selected, xattrs,
};
use esker_format::image::{DISK, decode};
use esker_format::node::{Node, NodeKind};
use esker_format::path::MapKey;

/// Images that are named when it is not clear which is meant.
const NAMED: usize = 8;

/// What can go onto a disk.
pub struct Found {
    /// Where it is in the snapshot.
    pub key: MapKey,
    /// The image, or a file that holds one.
    pub node: Node,
    /// What was on the disk that it is of.
    pub geometry: Geometry,
}

/// The image that was selected: the one at the path, or the only one of the snapshot. Otherwise the
/// paths of those that there are.
///
/// # Errors
/// When store or index fail.
pub fn find(
    repository: &Repository,
    selected: &Selected,
) -> Result<std::result::Result<Found, Vec<Vec<u8>>>> {
    let mut chunks = Chunks::new(repository, selected.snapshot.scope, BUDGET)?;
    let (key, node) = match (&selected.key, &selected.entry) {
        (Some(key), Some(entry)) if entry.node.has_content() => (key.clone(), entry.node.clone()),
        _ => match only(selected, &mut chunks)? {
            Ok(found) => found,
            Err(paths) => return Ok(Err(paths)),
        },
    };
    let attributes = xattrs(&mut chunks, &node)?;
    let told = attributes.iter().find(|(name, _)| name == DISK);
    let disk = told.and_then(|(_, value)| decode(value).ok());
    let plain = || Geometry { size: node.len(), ..Geometry::default() };
    let geometry = disk.map_or_else(plain, |disk| Geometry::of_record(&disk, node.len()));
    Ok(Ok(Found { key, node, geometry }))
}

/// The only image of a snapshot.
fn only(
    selected: &Selected,
    chunks: &mut Chunks,
) -> Result<std::result::Result<(MapKey, Node), Vec<Vec<u8>>>> {
    let bounds = selected.key.clone().map_or(Bounds::All, Bounds::Below);
    let manifest = &selected.manifest;
    let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
    let mut map = Map::new(root, bounds);
    let mut found = Vec::new();
    while let Some(entry) = map.next(chunks)? {
        if let Entries::Entry(entry) = entry
            && entry.node.kind == NodeKind::Image
            && found.len() < NAMED
        {
            found.push((entry.key, entry.node));
        }
    }
    if found.len() == 1
        && let Some(one) = found.pop()
    {
        return Ok(Ok(one));
    }
    Ok(Err(found.into_iter().map(|(key, _)| key.path()).collect()))
}
