//! What is told of a disk, against what the tools of the system tell.

use super::sparse;
use crate::support::loops::{Loop, administration, disk, does, partition};
use crate::support::{Home, needs};
use esker::disk::{Allow, Geometry, Kernel, Source, Table};
use std::path::Path;

fn geometry(path: &Path) -> Geometry {
    Source::open(&Kernel::default(), path, Allow::default()).unwrap().geometry()
}

#[test]
fn partitions_and_file_systems_are_told_as_the_system_tells_them() {
    let home = Home::new();
    let image = home.path("disk.img");
    let Some(parts) = disk(&image) else { return };
    let found = geometry(&image);
    let told = does(administration("sfdisk").arg("--json").arg(&image));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let told = &told["partitiontable"];
    let Table::Gpt(table) = &found.table else { panic!("{found:?}") };
    assert_eq!(table.flaw, None);
    assert_eq!(table.id.as_deref(), told["id"].as_str().map(str::to_lowercase).as_deref());
    assert_eq!(table.list.len(), parts.len());
    for (part, told) in table.list.iter().zip(told["partitions"].as_array().unwrap()) {
        assert_eq!(part.start / 512, told["start"].as_u64().unwrap());
        assert_eq!(part.len / 512, told["size"].as_u64().unwrap());
        let uuid = told["uuid"].as_str().unwrap().to_lowercase();
        assert_eq!(part.id.as_deref(), Some(uuid.as_str()));
    }
    for part in &table.list {
        let mut probe = administration("blkid");
        let probe = probe.args(["-p", "-o", "export", "--offset", &part.start.to_string()]);
        let told = does(probe.arg("--size").arg(part.len.to_string()).arg(&image));
        let said = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.replace("\\ ", " "))
        };
        let system = part.file_system.as_ref().unwrap();
        assert_eq!(Some(&system.kind), said("TYPE=").as_ref());
        assert_eq!(system.uuid, said("UUID="));
        assert_eq!(system.label, said("LABEL="));
    }
}

#[test]
fn an_older_table_is_told_with_its_chain_of_partitions() {
    let home = Home::new();
    if !needs("sfdisk") {
        return;
    }
    let image = sparse(&home, "disk.img", 64 << 20, &[]);
    let script = "label: dos\n1: size=8MiB, type=83\n2: size=40MiB, type=5\n\
                  5: size=4MiB, type=83\n6: size=4MiB, type=82\n";
    partition(&image, script);
    let told = does(administration("sfdisk").arg("--json").arg(&image));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let Table::Mbr(table) = geometry(&image).table else { panic!("no table") };
    let told = told["partitiontable"]["partitions"].as_array().unwrap();
    let told: Vec<_> = told.iter().map(|p| (p["start"].as_u64(), p["size"].as_u64())).collect();
    let found = table.list.iter().map(|p| (Some(p.start / 512), Some(p.len / 512)));
    assert_eq!(found.collect::<Vec<_>>(), told);
    let numbers: Vec<u32> = table.list.iter().map(|part| part.number).collect();
    assert_eq!(numbers, [1, 2, 5, 6]);
    assert_eq!(table.flaw, None);
}

#[test]
fn a_table_with_one_damaged_copy_is_used_and_said_to_be_flawed() {
    let home = Home::new();
    if !needs("sfdisk") {
        return;
    }
    let image = sparse(&home, "disk.img", 8 << 20, &[]);
    partition(&image, "label: gpt\nsize=2MiB\n");
    let whole = std::fs::read(&image).unwrap();
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&image, &bytes).unwrap();
        match geometry(&image).table {
            Table::Gpt(table) => (table.list.len(), table.flaw.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    };
    let end = whole.len();
    // The header, an entry, then the same of the second copy.
    for at in [512 + 24, 1024 + 3] {
        assert_eq!(damaged(at), (1, "the first copy of the GPT is damaged".into()), "{at}");
    }
    for at in [end - 512 + 24, end - 33 * 512 + 3] {
        assert_eq!(damaged(at), (1, "the second copy of the GPT is damaged".into()), "{at}");
    }
    let mut bytes = whole.clone();
    bytes[512 + 24] ^= 1;
    bytes[end - 512 + 24] ^= 1;
    std::fs::write(&image, &bytes).unwrap();
    let Table::Unreadable(why) = geometry(&image).table else { panic!("readable") };
    assert_eq!(why, "the GPT is damaged: the checksum of its header");
}

#[test]
fn tables_with_any_bytes_changed_are_read_without_harm() {
    let home = Home::new();
    if !needs("sfdisk") {
        return;
    }
    let image = sparse(&home, "disk.img", 4 << 20, &[]);
    for script in
        ["label: gpt\nsize=1MiB\n", "label: dos\nsize=1MiB\nsize=1MiB, type=5\nsize=512KiB\n"]
    {
        partition(&image, script);
        let whole = std::fs::read(&image).unwrap();
        let mut draw = crate::support::Draw::new(7);
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..=draw.below(3) {
                let at = [draw.below(2048), 446 + draw.below(66), 512 + draw.below(92)]
                    [draw.below(3) as usize];
                bytes[at as usize] = draw.below(256) as u8;
            }
            std::fs::write(&image, &bytes).unwrap();
            let _ = geometry(&image);
        }
    }
}

#[test]
fn a_device_tells_the_sizes_of_its_sectors() {
    let home = Home::new();
    let image = sparse(&home, "disk.img", 8 << 20, &[]);
    let Some(device) = Loop::with(&image, &["--sector-size", "4096"]) else { return };
    let found = geometry(device.path());
    assert_eq!((found.size, found.logical, found.physical), (8 << 20, Some(4096), Some(4096)));
    assert_eq!((found.table, found.file_system), (Table::None, None));
}
