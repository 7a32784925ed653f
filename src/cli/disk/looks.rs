//! How what is on a disk looks.

use crate::cli::show;
use crate::disk::{FileSystem, Geometry, Layer, Table};
use esker_format::image::{Disk, DiskLayer};
use serde::Serialize;

/// What is on a disk, as JSON.
#[derive(Debug, Serialize)]
pub struct ShownGeometry {
    size: u64,
    logical_sector: Option<u32>,
    physical_sector: Option<u32>,
    table: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table_flaw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_system: Option<ShownFileSystem>,
    partitions: Vec<ShownPartition>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    live: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<ShownLayer>,
}

/// A file that a disk is in, as JSON.
#[derive(Debug, Serialize)]
pub struct ShownLayer {
    format: String,
    path: String,
}

/// The files that an open image is in.
pub fn layers(layers: &[Layer]) -> Vec<ShownLayer> {
    let shown = layers.iter().map(|layer| ShownLayer {
        format: layer.format().to_owned(),
        path: layer.path().display().to_string(),
    });
    shown.collect()
}

#[derive(Debug, Serialize)]
struct ShownFileSystem {
    kind: String,
    uuid: Option<String>,
    label: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownPartition {
    number: u32,
    start: u64,
    size: u64,
    kind: String,
    id: Option<String>,
    name: Option<String>,
    file_system: Option<ShownFileSystem>,
}

impl ShownGeometry {
    /// What is on a disk.
    pub fn of(geometry: &Geometry) -> Self {
        let partitions = geometry.table.partitions();
        let list = partitions.map(|partitions| partitions.list.as_slice()).unwrap_or_default();
        Self {
            size: geometry.size,
            logical_sector: geometry.logical,
            physical_sector: geometry.physical,
            table: table_word(&geometry.table),
            table_flaw: flaw(&geometry.table),
            id: partitions.and_then(|partitions| partitions.id.clone()),
            file_system: geometry.file_system.as_ref().map(ShownFileSystem::of),
            partitions: list
                .iter()
                .map(|partition| ShownPartition {
                    number: partition.number,
                    start: partition.start,
                    size: partition.len,
                    kind: partition.kind.clone(),
                    id: partition.id.clone(),
                    name: partition.name.clone(),
                    file_system: partition.file_system.as_ref().map(ShownFileSystem::of),
                })
                .collect(),
            live: Vec::new(),
            free: None,
            layers: Vec::new(),
        }
    }

    /// With what a snapshot says of how it was read.
    pub fn with(self, disk: Disk) -> Self {
        let layers = disk.layers.into_iter();
        let layers = layers.map(|DiskLayer { format, path, .. }| ShownLayer { format, path });
        Self { live: disk.live, free: disk.free, layers: layers.collect(), ..self }
    }

    /// With the files that it is in.
    pub fn on(self, layers: Vec<ShownLayer>) -> Self {
        Self { layers, ..self }
    }
}

impl ShownFileSystem {
    fn of(system: &FileSystem) -> Self {
        let FileSystem { kind, uuid, label } = system.clone();
        Self { kind, uuid, label }
    }
}

const fn table_word(table: &Table) -> Option<&'static str> {
    match table {
        Table::None => None,
        Table::Unreadable(_) => Some("unreadable"),
        Table::Gpt(_) => Some("gpt"),
        Table::Mbr(_) => Some("mbr"),
    }
}

fn flaw(table: &Table) -> Option<String> {
    match table {
        Table::Unreadable(why) => Some(why.clone()),
        other => other.partitions()?.flaw.clone(),
    }
}

/// What is on a disk, for people: a line for the whole, and one for each partition.
pub fn lines(geometry: &Geometry) -> Vec<String> {
    let mut whole = vec![show::size(geometry.size)];
    whole.extend(geometry.logical.map(|logical| format!("sectors of {logical} B")));
    match &geometry.table {
        Table::None if geometry.file_system.is_none() => {
            whole.push("nothing known on it".to_owned())
        }
        Table::None => {}
        Table::Unreadable(why) => whole.push(format!("partition table unreadable: {why}")),
        Table::Gpt(_) => whole.push("GPT".to_owned()),
        Table::Mbr(_) => whole.push("MBR".to_owned()),
    }
    whole.extend(geometry.file_system.as_ref().map(system_words));
    if let Some(partitions) = geometry.table.partitions() {
        whole.extend(partitions.id.as_ref().map(|id| format!("id {id}")));
        whole.extend(partitions.flaw.clone());
    }
    let mut lines = vec![whole.join(", ")];
    for partition in geometry.table.partitions().map_or(&[][..], |table| &table.list) {
        let mut words = vec![show::size(partition.len)];
        words.push(partition.file_system.as_ref().map_or_else(|| "unknown".into(), system_words));
        words.extend(partition.name.as_ref().map(|name| quoted(name)));
        lines.push(format!("partition {}: {}", partition.number, words.join(", ")));
    }
    lines
}

/// How a disk was read that is in a snapshot, for people.
pub fn how_it_was_read(disk: &Disk) -> Vec<String> {
    let name = |text: &str| show::name(text.as_bytes());
    let free = disk.free.map(|free| format!("without {} that are free", show::size(free)));
    let layers = disk.layers.iter().enumerate().map(|(number, layer)| {
        let on = if number == 0 { "was in" } else { "on" };
        format!("{on} {} ({})", name(&layer.path), name(&layer.format))
    });
    let live = disk.live.iter().map(|used| format!("was read while in use: {}", name(used)));
    free.into_iter().chain(layers).chain(live).collect()
}

fn system_words(system: &FileSystem) -> String {
    let mut words = system.kind.clone();
    if let Some(label) = &system.label {
        words.push_str(&format!(" {}", quoted(label)));
    }
    if let Some(uuid) = &system.uuid {
        words.push_str(&format!(" {}", show::name(uuid.as_bytes())));
    }
    words
}

/// Labels are whatever somebody wrote.
fn quoted(text: &str) -> String {
    format!("\"{}\"", show::name(text.as_bytes()))
}
