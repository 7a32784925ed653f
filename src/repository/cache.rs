//! Where the caches of a repository lie on this machine.

use esker_format::ids::RepositoryId;
use std::path::{Path, PathBuf};

/// The folder for the caches of one repository at one location: a copy elsewhere may be at another
/// point of its history.
pub fn folder(cache: &Path, repository: RepositoryId, location: &str) -> PathBuf {
    let place = blake3::hash(location.as_bytes()).to_hex();
    cache.join(format!("{repository}-{}", &place[..8]))
}
