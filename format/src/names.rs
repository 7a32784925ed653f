//! Names of objects in a store.

use crate::ids::{CheckpointId, PackId, PackSetId, SegmentId, Seq, SnapshotId};

/// The config.
pub const CONFIG: &str = "config";
/// Marker: this store is a copy, nobody may append here.
pub const MIRROR: &str = "mirror";
/// Folder of what was put to try out the store. It means nothing.
pub const PROBES: &str = "probe/";
/// Folder of key slots.
pub const KEYS: &str = "keys/";
/// Folder of the log.
pub const LOG: &str = "log/";
/// Folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoint/";
/// Folder of segments and pack sets.
pub const INDEX: &str = "index/";
/// Folder of manifests.
pub const SNAPSHOTS: &str = "snapshot/";
/// Folder of packs.
pub const PACKS: &str = "pack/";

/// A key slot, named by its session id.
pub fn slot(id: crate::ids::SessionId) -> String {
    format!("{KEYS}{id}")
}
/// A log entry; ten thousand to a folder.
pub fn entry(seq: Seq) -> String {
    format!("{LOG}{}/{}", seq.0 / ENTRIES_OF_A_FOLDER, seq.0)
}

/// Log entries that share a folder.
pub const ENTRIES_OF_A_FOLDER: u64 = 10_000;

/// A checkpoint.
pub fn checkpoint(seq: Seq, id: CheckpointId) -> String {
    format!("{CHECKPOINTS}{seq}-{id}")
}
/// A segment.
pub fn segment(id: SegmentId) -> String {
    format!("{INDEX}{id}")
}
/// A pack set.
pub fn pack_set(id: PackSetId) -> String {
    format!("{INDEX}{id}")
}
/// A manifest.
pub fn manifest(id: SnapshotId) -> String {
    format!("{SNAPSHOTS}{id}")
}
/// A pack; 256 folders keep each of them small.
pub fn pack(id: PackId) -> String {
    format!("{PACKS}{:02x}/{id}", id.as_bytes()[0])
}
