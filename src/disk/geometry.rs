//! What is on a disk: sizes, partition table, file systems.

use super::file_system::FileSystem;
use super::table::Table;
use std::io;

/// Bytes that can be read anywhere.
pub trait Bytes {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills `out` with those from `offset` on.
    ///
    /// # Errors
    /// When there are not so many, or they cannot be read.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// What is on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Geometry {
    /// Bytes.
    pub size: u64,
    /// Bytes that are written at once at least, where that is known: an image file has no sectors.
    pub logical: Option<u32>,
    /// Bytes that the disk itself writes at once, where that is known.
    pub physical: Option<u32>,
    /// Its partition table.
    pub table: Table,
    /// The file system that takes all of it, when there is no table.
    pub file_system: Option<FileSystem>,
}

impl Geometry {
    /// Looks at a disk with sectors of these sizes.
    pub fn read(bytes: &dyn Bytes, sectors: Option<(u32, u32)>) -> Self {
        let (logical, physical) = (sectors.map(|s| s.0), sectors.map(|s| s.1));
        let size = bytes.size();
        let table = Table::read(bytes, logical);
        let file_system = match &table {
            Table::Gpt(_) | Table::Mbr(_) => None,
            Table::None | Table::Unreadable(_) => FileSystem::at(bytes, 0, size),
        };
        Self { size, logical, physical, table, file_system }
    }

    /// Bytes of a sector in which things are counted on it, where anything tells.
    pub fn sector(&self) -> Option<u32> {
        self.logical.or_else(|| self.table.partitions().map(|partitions| partitions.sector))
    }

    /// All file systems, each with the number of its partition, its first byte and its bytes.
    pub fn file_systems(&self) -> impl Iterator<Item = (Option<u32>, u64, u64, &FileSystem)> {
        let whole = self.file_system.iter().map(|system| (None, 0, self.size, system));
        let parts = self.table.partitions().map_or(&[][..], |table| &table.list);
        whole.chain(parts.iter().filter_map(|part| {
            Some((Some(part.number), part.start, part.len, part.file_system.as_ref()?))
        }))
    }

    /// All ids that something on this machine may look for: of file systems, partitions and disks.
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        ids.extend(self.file_system.as_ref().and_then(|system| system.uuid.as_deref()));
        if let Some(partitions) = self.table.partitions() {
            ids.extend(partitions.id.as_deref());
            for partition in &partitions.list {
                ids.extend(partition.id.as_deref());
                ids.extend(partition.file_system.as_ref().and_then(|f| f.uuid.as_deref()));
            }
        }
        ids
    }
}
