//! Which file is meant when none is named.

use crate::repository::{Bounds, Chunks, Found, Map, Repository, Result, Selected};
use esker_format::node::{Node, NodeKind};
use esker_format::path::MapKey;

/// Files that are named when it is not clear which is meant.
const NAMED: usize = 8;

/// Bytes of frames that are kept meanwhile.
const BUDGET: usize = 16 << 20;

/// Paths of files of which none is meant more than the others: the first of them.
pub type Paths = Vec<Vec<u8>>;

/// What was selected, when it has content; otherwise the only image below, or the only thing with content.
/// Otherwise the paths of those that there are.
///
/// # Errors
/// When store or index fail, or a part of the map is lost, so that it is not known.
pub fn only(
    repository: &Repository,
    selected: &Selected,
) -> Result<std::result::Result<(MapKey, Node), Paths>> {
    if let (Some(key), Some(entry)) = (&selected.key, &selected.entry)
        && entry.node.kind != NodeKind::Directory
    {
        return Ok(Ok((key.clone(), entry.node.clone())));
    }
    let mut chunks = Chunks::new(repository, selected.snapshot.scope, BUDGET)?;
    let bounds = selected.key.clone().map_or(Bounds::All, Bounds::Below);
    let manifest = &selected.manifest;
    let root = manifest.root.as_ref().map(|root| (root, manifest.root_level as u8));
    let mut map = Map::new(root, bounds);
    let (mut images, mut others) = (Vec::new(), Vec::new());
    while let Some(found) = map.next(&mut chunks)? {
        let entry = match found {
            Found::Entry(entry) => entry,
            Found::Lost { error, .. } => return Err(error),
        };
        let list = if entry.node.kind == NodeKind::Image { &mut images } else { &mut others };
        if entry.node.has_content() && list.len() < NAMED {
            list.push((entry.key, entry.node));
        }
    }
    let mut found = if images.is_empty() { others } else { images };
    match found.pop() {
        Some(one) if found.is_empty() => Ok(Ok(one)),
        last => Ok(Err(found.into_iter().chain(last).map(|(key, _)| key.path()).collect())),
    }
}
