//! What an image says of the disk that it is of: the value of the attribute [`DISK`].

use crate::error::Result;
use crate::{cbor_enum, cbor_map};

/// Name of the attribute.
pub const DISK: &[u8] = b"esker.disk";

/// Bytes of the value at most.
const VALUE_MAX: usize = 1 << 20;
/// Partitions that are told at most; Linux knows no more.
pub const PARTITIONS_MAX: usize = 256;
/// Files of an image that are told at most; QEMU becomes slow with fewer.
pub const LAYERS_MAX: usize = 200;

cbor_enum! {
    /// The kind of a partition table.
    pub enum TableKind {
        /// There is one that makes no sense.
        Unreadable = 1,
        /// A table of GUIDs.
        Gpt = 2,
        /// Four entries and a chain.
        Mbr = 3,
    }
}

cbor_map! {
    /// What was on a disk when it was saved.
    pub struct Disk {
        /// Bytes of a logical sector; absent for image files.
        0 => logical: Option<u32>,
        /// Bytes of a physical sector; absent for image files.
        1 => physical: Option<u32>,
        /// Its partition table; absent when there is none.
        2 => table: Option<TableKind>,
        /// What is wrong with the table.
        3 => flaw: Option<String>,
        /// The id of the disk in its table.
        4 => id: Option<String>,
        /// Bytes of a sector in which the table counts.
        5 => sector: Option<u32>,
        /// Bytes that the table needs behind the last partition.
        6 => tail: Option<u64>,
        /// The partitions, in the order of the table.
        7 => partitions: Vec<DiskPartition>,
        /// The file system of a disk without a table.
        8 => file_system: Option<DiskFileSystem>,
        /// What may have changed it while it was read.
        9 => live: Vec<String>,
        /// Bytes that its file systems call free, and that were not read.
        10 => free: Option<u64>,
        /// The files that it was in, the topmost first, where it was no raw image.
        11 => layers: Vec<DiskLayer>,
    }
}

cbor_map! {
    /// A file that a disk was in, or a part of it.
    pub struct DiskLayer, in a list: LAYERS_MAX; {
        /// Its form, as QEMU calls it.
        0 => format: String,
        /// Where it was.
        1 => path: String,
    }
}

cbor_map! {
    /// A partition of a disk.
    pub struct DiskPartition, in a list: PARTITIONS_MAX; {
        /// Its number.
        0 => number: u32,
        /// Its first byte.
        1 => start: u64,
        /// Bytes.
        2 => len: u64,
        /// What it is for: a GUID, or two hexadecimal digits.
        3 => kind: String,
        /// Its own id.
        4 => id: Option<String>,
        /// What its owner called it.
        5 => name: Option<String>,
        /// What is in it.
        6 => file_system: Option<DiskFileSystem>,
    }
}

cbor_map! {
    /// A file system on a disk.
    pub struct DiskFileSystem {
        /// As `mount` and `blkid` call it.
        0 => kind: String,
        /// The id it goes by.
        1 => uuid: Option<String>,
        /// What its owner called it.
        2 => label: Option<String>,
    }
}

/// The value that says this.
pub fn encode(disk: &Disk) -> Vec<u8> {
    crate::cbor::encode(disk)
}

/// Reads such a value.
///
/// # Errors
/// When the bytes are none.
pub fn decode(value: &[u8]) -> Result<Disk> {
    crate::cbor::decode("disk", value, VALUE_MAX)
}
