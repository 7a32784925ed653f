//! What is on a disk, as a snapshot keeps it.

use super::file_system::FileSystem;
use super::geometry::Geometry;
use super::qcow2::Layer;
use super::table::{Partition, Partitions, Table};
use esker_format::cbor::Extra;
use esker_format::image::{
    Disk, DiskFileSystem, DiskLayer, DiskPartition, LAYERS_MAX, PARTITIONS_MAX, TableKind,
};

/// Characters of a text that are kept: names come from the disk.
const TEXT_MAX: usize = 255;

/// What a snapshot says of a disk, of what may have changed it meanwhile, and of the files it was in.
pub fn record(geometry: &Geometry, live: Vec<String>, free: u64, layers: &[Layer]) -> Disk {
    let table = geometry.table.partitions();
    let flaw = match &geometry.table {
        Table::Unreadable(why) => Some(why.clone()),
        _ => table.and_then(|table| table.flaw.clone()),
    };
    let list = table.map_or(&[][..], |table| &table.list);
    Disk {
        logical: geometry.logical,
        physical: geometry.physical,
        table: match &geometry.table {
            Table::None => None,
            Table::Unreadable(_) => Some(TableKind::Unreadable),
            Table::Gpt(_) => Some(TableKind::Gpt),
            Table::Mbr(_) => Some(TableKind::Mbr),
        },
        flaw,
        id: table.and_then(|table| table.id.clone()),
        sector: table.map(|table| table.sector),
        tail: table.map(|table| table.tail),
        partitions: list.iter().take(PARTITIONS_MAX).map(partition).collect(),
        file_system: geometry.file_system.as_ref().map(file_system),
        free: (free > 0).then_some(free),
        live: live.into_iter().take(16).map(|text| short(&text)).collect(),
        layers: layers.iter().take(LAYERS_MAX).map(layer).collect(),
        extra: Extra::default(),
    }
}

fn layer(layer: &Layer) -> DiskLayer {
    let path = layer.path().display().to_string();
    DiskLayer { format: short(layer.format()), path: short(&path), extra: Extra::default() }
}

fn partition(partition: &Partition) -> DiskPartition {
    DiskPartition {
        number: partition.number,
        start: partition.start,
        len: partition.len,
        kind: partition.kind.clone(),
        id: partition.id.clone(),
        name: partition.name.as_deref().map(short),
        file_system: partition.file_system.as_ref().map(file_system),
        extra: Extra::default(),
    }
}

fn file_system(system: &FileSystem) -> DiskFileSystem {
    DiskFileSystem {
        kind: system.kind.clone(),
        uuid: system.uuid.as_deref().map(short),
        label: system.label.as_deref().map(short),
        extra: Extra::default(),
    }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

impl Geometry {
    /// What a snapshot says of an image of `size` bytes.
    pub fn of_record(disk: &Disk, size: u64) -> Self {
        let system = |system: &DiskFileSystem| FileSystem {
            kind: system.kind.clone(),
            uuid: system.uuid.clone(),
            label: system.label.clone(),
        };
        let list = disk.partitions.iter().map(|partition| Partition {
            number: partition.number,
            start: partition.start,
            len: partition.len,
            kind: partition.kind.clone(),
            id: partition.id.clone(),
            name: partition.name.clone(),
            file_system: partition.file_system.as_ref().map(system),
        });
        let partitions = || Partitions {
            id: disk.id.clone(),
            sector: disk.sector.unwrap_or(512),
            list: list.collect(),
            tail: disk.tail.unwrap_or(0),
            flaw: disk.flaw.clone(),
        };
        Self {
            size,
            logical: disk.logical,
            physical: disk.physical,
            table: match disk.table {
                None => Table::None,
                Some(TableKind::Unreadable) => {
                    Table::Unreadable(disk.flaw.clone().unwrap_or_default())
                }
                Some(TableKind::Gpt) => Table::Gpt(partitions()),
                Some(TableKind::Mbr) => Table::Mbr(partitions()),
            },
            file_system: disk.file_system.as_ref().map(system),
        }
    }
}
