//! Disks that go by one id: what is mounted by it may be either.

use super::file_system::FileSystem;
use super::geometry::Geometry;
use super::kernel::{Kernel, Number};
use super::renew::{Id, all_ids};
use super::source::Source;
use super::table::Table;
use std::collections::BTreeMap;
use std::path::Path;

/// A device of this machine that goes by the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// What of the image goes by the id.
    pub of: Id,
    /// The id.
    pub id: String,
    /// The device.
    pub device: String,
}

/// Devices attached here, other than `target` and its partitions, that have ids of the image.
pub fn twins(kernel: &Kernel, image: &Geometry, target: Option<Number>) -> Vec<Twin> {
    let ids = all_ids(image);
    let mut found = BTreeMap::new();
    for device in kernel.all() {
        let is_target =
            target.is_some() && (Some(device) == target || kernel.disk_of(device) == target);
        if is_target || !kernel.has_bytes(device) {
            continue;
        }
        let name = kernel.name(device);
        for id in ids_of(Path::new(&name)) {
            if let Some(of) = ids.iter().position(|of| of.before.as_ref() == Some(&id)) {
                found.insert(of, (id, name.clone()));
            }
        }
    }
    let twin = |(of, (id, device))| Twin { of: Id::clone(&ids[of]), id, device };
    found.into_iter().map(twin).collect()
}

/// What a device goes by. Its partitions are devices themselves, and tell their own.
fn ids_of(path: &Path) -> Vec<String> {
    let Ok(source) = Source::glance(path) else { return Vec::new() };
    let mut ids = Vec::new();
    let whole = FileSystem::at(&source, 0, source.size());
    ids.extend(whole.and_then(|system| system.uuid));
    if let Table::Gpt(table) | Table::Mbr(table) = Table::read(&source, source.sector()) {
        ids.extend(table.id);
        ids.extend(table.list.into_iter().filter_map(|partition| partition.id));
    }
    ids
}
