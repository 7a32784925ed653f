//! Partition tables of the older kind: four entries in the first sector, and chains of further ones.

use super::geometry::Bytes;
use super::table::{Partition, Partitions};

/// The kind of a partition that only keeps old programs off a GPT.
pub const GUARD: &str = "ee";
/// Kinds that hold a chain of further partitions.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// Partitions that are read at most; Linux knows no more.
const PARTITIONS_MAX: usize = 256;

/// One entry: kind, first sector, sectors.
type Entry = (u8, u64, u64);

/// Reads the table; the error is what is wrong with it, or nothing when there is none.
pub fn read(bytes: &dyn Bytes, sector: u32) -> Result<Partitions, Option<String>> {
    let first = sector_at(bytes, sector, 0).ok_or(None)?;
    let entries = entries(&first);
    // File systems end their first sector in the same way. A table has flags of 0 or 80 only.
    let flags = (0..4).map(|n| first[446 + n * 16]);
    let has_sense = flags.into_iter().all(|flag| flag & 0x7f == 0);
    let is_used = entries.iter().any(|(kind, _, len)| *kind != 0 && *len > 0);
    if !has_sense || !is_used || is_boot_sector(&first) {
        return Err(None);
    }
    let id = u32::from_le_bytes(first[440..444].try_into().unwrap_or_default());
    let mut list = Vec::new();
    let mut chain = None;
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.0 != 0) {
        list.push(partition(index as u32 + 1, entry, sector, id));
        if EXTENDED.contains(&entry.0) {
            chain = Some(entry.1);
        }
    }
    let flaw = chain.and_then(|chain| follow(bytes, sector, chain, id, &mut list).err());
    let id = (id != 0).then(|| format!("{id:08x}"));
    Ok(Partitions { id, sector, list, tail: 0, flaw })
}

/// The chain of partitions in an extended one.
fn follow(
    bytes: &dyn Bytes,
    sector: u32,
    base: u64,
    id: u32,
    list: &mut Vec<Partition>,
) -> Result<(), String> {
    let (mut at, mut number) = (base, 5);
    loop {
        let wrong = || format!("the chain of partitions is broken at sector {at}");
        let link = sector_at(bytes, sector, at).ok_or_else(wrong)?;
        let [this, next, ..] = entries(&link);
        if this.0 != 0 {
            list.push(partition(number, &(this.0, at + this.1, this.2), sector, id));
            number += 1;
        }
        if next.0 == 0 {
            return Ok(());
        }
        let further = base + next.1;
        // A chain that goes back would never end.
        if further <= at || list.len() >= PARTITIONS_MAX {
            return Err(wrong());
        }
        at = further;
    }
}

/// A sector that ends as it should.
fn sector_at(bytes: &dyn Bytes, sector: u32, at: u64) -> Option<[u8; 512]> {
    let mut read = [0; 512];
    bytes.read_at(at.checked_mul(sector.into())?, &mut read).ok()?;
    (read[510..] == [0x55, 0xaa]).then_some(read)
}

fn entries(sector: &[u8; 512]) -> [Entry; 4] {
    [0, 1, 2, 3].map(|n| {
        let entry = &sector[446 + n * 16..446 + (n + 1) * 16];
        let number = |at: usize| {
            u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
        };
        (entry[4], number(8).into(), number(12).into())
    })
}

/// Whether a FAT or NTFS begins here: its code lies where a table would be.
fn is_boot_sector(sector: &[u8; 512]) -> bool {
    [&sector[54..59], &sector[82..87]].iter().any(|at| at.starts_with(b"FAT"))
        || [&b"NTFS    "[..], b"EXFAT   "].contains(&&sector[3..11])
}

fn partition(number: u32, entry: &Entry, sector: u32, id: u32) -> Partition {
    let (kind, start, len) = *entry;
    Partition {
        number,
        start: start * u64::from(sector),
        len: len * u64::from(sector),
        kind: format!("{kind:02x}"),
        // A disk that nobody gave a number has 0.
        id: (id != 0).then(|| format!("{id:08x}-{number:02x}")),
        name: None,
        file_system: None,
    }
}
