//! Partition tables: what they say, whoever wrote them.

use super::file_system::FileSystem;
use super::geometry::Bytes;
use super::{gpt, mbr};

/// Whether there is a partition table, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Table {
    /// There is none.
    #[default]
    None,
    /// There is one that makes no sense, and why.
    Unreadable(String),
    /// A table of GUIDs.
    Gpt(Partitions),
    /// The older kind, with four partitions and what hangs from them.
    Mbr(Partitions),
}

/// What a table says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partitions {
    /// The id of the disk.
    pub id: Option<String>,
    /// Bytes of a sector, in which the table counts.
    pub sector: u32,
    /// In the order of the table.
    pub list: Vec<Partition>,
    /// Bytes that the table needs behind the last partition.
    pub tail: u64,
    /// What is wrong with the table, where it can be used all the same.
    pub flaw: Option<String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1 on.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// What it is for: a GUID, or a number such as `83`.
    pub kind: String,
    /// Its own id.
    pub id: Option<String>,
    /// What its owner called it.
    pub name: Option<String>,
    /// What is in it.
    pub file_system: Option<FileSystem>,
}

impl Partition {
    /// The first byte behind it.
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Why a table cannot be used.
pub enum Fault {
    /// There is none.
    Absent,
    /// It makes no sense, and why.
    Senseless(String),
}

impl Table {
    /// Reads the table of a disk with sectors of this size, where that is known.
    pub fn read(bytes: &dyn Bytes, sector: Option<u32>) -> Self {
        let sizes = sector.map_or_else(|| vec![512, 4096], |sector| vec![sector]);
        let mut fault = None;
        for sector in sizes {
            match gpt::read(bytes, sector) {
                Ok(partitions) => return Self::Gpt(partitions.filled(bytes)),
                Err(Fault::Senseless(why)) => fault = fault.or(Some(why)),
                Err(Fault::Absent) => {}
            }
        }
        let partitions = match mbr::read(bytes, sector.unwrap_or(512)) {
            Ok(partitions) => partitions,
            Err(why) => return fault.or(why).map_or(Self::None, Self::Unreadable),
        };
        // The old table only says that there is a new one.
        match (partitions.list.iter().any(|partition| partition.kind == mbr::GUARD), fault) {
            (true, fault) => Self::Unreadable(
                fault.unwrap_or_else(|| "there is no GPT where one should be".into()),
            ),
            (false, _) => Self::Mbr(partitions.filled(bytes)),
        }
    }

    /// The partitions, when there are any.
    pub const fn partitions(&self) -> Option<&Partitions> {
        match self {
            Self::Gpt(partitions) | Self::Mbr(partitions) => Some(partitions),
            Self::None | Self::Unreadable(_) => None,
        }
    }
}

impl Partitions {
    /// Looks at the beginning of each partition.
    fn filled(mut self, bytes: &dyn Bytes) -> Self {
        for partition in &mut self.list {
            partition.file_system = FileSystem::at(bytes, partition.start, partition.len);
        }
        self
    }

    /// The first byte behind the last partition.
    pub fn end(&self) -> u64 {
        self.list.iter().map(Partition::end).max().unwrap_or(0)
    }
}
