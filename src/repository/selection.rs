//! `SNAPSHOT[:PATH]`: finding what is meant.

use crate::repository::{Bounds, Chunks, Error, Found, Map, Repository, Result, Snapshot, shorten};
use esker_format::page::Entry;
use esker_format::path::MapKey;
use esker_format::snapshot::Manifest;

/// A snapshot, or an entry in one.
pub struct Selected {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its manifest.
    pub manifest: Manifest,
    /// The path, when one was given.
    pub key: Option<MapKey>,
    /// The entry at the path.
    pub entry: Option<Entry>,
}

/// Finds the snapshot, and the entry when a path is given.
///
/// # Errors
/// When there is no such snapshot or path.
pub fn select(repository: &Repository, what: &str) -> Result<Selected> {
    let (selector, path) = match what.split_once(':') {
        Some((selector, path)) => (selector, Some(path)),
        None => (what, None),
    };
    let snapshot = repository.snapshot(selector)?;
    let manifest = repository.manifest(snapshot.id)?;
    let Some(path) = path else {
        return Ok(Selected { snapshot, manifest, key: None, entry: None });
    };
    let missing = || Error::NoPath { path: path.to_owned(), snapshot: shorten(&snapshot.id) };
    let key = MapKey::from_path(&unescape(path)).map_err(|_| missing())?;
    let entry = find(repository, &manifest, &key)?.ok_or_else(missing)?;
    Ok(Selected { snapshot, manifest, key: Some(key), entry: Some(entry) })
}

/// The entry with a key.
fn find(repository: &Repository, manifest: &Manifest, key: &MapKey) -> Result<Option<Entry>> {
    let root = manifest.root.as_ref().map(|r| (r, manifest.root_level as u8));
    let mut chunks = Chunks::new(repository, 0)?;
    match Map::new(root, Bounds::One(key.clone())).next(&mut chunks)? {
        Some(Found::Entry(entry)) => Ok(Some(*entry)),
        Some(Found::Lost { error, .. }) => Err(error),
        None => Ok(None),
    }
}

/// A path as `ls` prints it, back to its bytes: `\xNN` is a byte and `\\` a backslash.
fn unescape(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let hex = |i: usize| rest.get(i).and_then(|c| char::from(*c).to_digit(16));
        if rest.starts_with(b"\\\\") {
            out.push(b'\\');
            at += 2;
        } else if rest.starts_with(b"\\x")
            && let (Some(high), Some(low)) = (hex(2), hex(3))
        {
            out.push((high << 4 | low) as u8);
            at += 4;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}
