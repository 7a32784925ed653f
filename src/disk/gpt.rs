//! Tables of GUIDs, strictly read: UEFI specification 2.10, section 5.3.

use super::file_system::uuid;
use super::geometry::Bytes;
use super::table::{Fault, Partition, Partitions};

const MAGIC: &[u8] = b"EFI PART";
/// Bytes of a header that the checksum covers; nobody makes others, nor other entries.
const HEADER: usize = 92;
/// Bytes of an entry.
pub const ENTRY: usize = 128;
/// Entries that are read at most; everybody makes 128.
const ENTRIES_MAX: u32 = 1024;

/// One header and its entries, as they are on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The sector that it is in.
    pub at: u64,
    /// The sector that the other copy is in.
    pub other: u64,
    /// The first sector for partitions.
    pub first: u64,
    /// The last sector for partitions.
    pub last: u64,
    /// The first sector of the entries.
    pub entries_at: u64,
    /// The id of the disk.
    pub id: [u8; 16],
    /// The entries.
    pub entries: Vec<u8>,
}

/// Reads the table, from its first copy or from the second.
pub fn read(bytes: &dyn Bytes, sector: u32) -> Result<Partitions, Fault> {
    let (copy, flaw) = either(bytes, sector)?;
    let entries = copy.entries.as_chunks::<ENTRY>().0.iter().enumerate();
    let used = entries.filter(|(_, entry)| entry[..16].iter().any(|b| *b != 0));
    let list = used.map(|(index, entry)| partition(index, entry, sector));
    let list: Option<Vec<Partition>> = list.collect();
    let list = list
        .ok_or_else(|| Fault::Senseless("a partition of the GPT ends before it begins".into()))?;
    let tail = copy.tail(sector) * u64::from(sector);
    Ok(Partitions { id: Some(guid(&copy.id)), sector, list, tail, flaw })
}

/// The first copy, or the second where that is damaged, and then what is wrong.
pub fn either(bytes: &dyn Bytes, sector: u32) -> Result<(Copy, Option<String>), Fault> {
    let sectors = bytes.size() / u64::from(sector);
    let last = sectors.checked_sub(1).ok_or(Fault::Absent)?;
    match (copy(bytes, sector, 1), copy(bytes, sector, last)) {
        (Ok(first), Ok(_)) => Ok((first, None)),
        (Ok(first), Err(_)) => {
            let flaw = if first.other == last {
                "the second copy of the GPT is damaged".to_owned()
            } else {
                "the second copy of the GPT is not at the end of the disk".to_owned()
            };
            Ok((first, Some(flaw)))
        }
        (Err(_), Ok(second)) => Ok((second, Some("the first copy of the GPT is damaged".into()))),
        (Err(Fault::Absent), Err(Fault::Absent)) => Err(Fault::Absent),
        (Err(Fault::Senseless(why)), _) | (_, Err(Fault::Senseless(why))) => {
            Err(Fault::Senseless(why))
        }
    }
}

/// The copy whose header is in this sector.
pub fn copy(bytes: &dyn Bytes, sector: u32, at: u64) -> Result<Copy, Fault> {
    let wrong = |why: &str| Fault::Senseless(format!("the GPT is damaged: {why}"));
    let mut header = [0; HEADER];
    let place = at.checked_mul(sector.into()).ok_or(Fault::Absent)?;
    bytes.read_at(place, &mut header).map_err(|_| Fault::Absent)?;
    if &header[..8] != MAGIC {
        return Err(Fault::Absent);
    }
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap_or_default());
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
    if u32_at(12) as usize != HEADER || u32_at(84) as usize != ENTRY {
        return Err(wrong("its header or its entries are of a size that nobody makes"));
    }
    let mut summed = header;
    summed[16..20].fill(0);
    if crc32fast::hash(&summed) != u32_at(16) {
        return Err(wrong("the checksum of its header"));
    }
    let count = u32_at(80);
    if count == 0 || count > ENTRIES_MAX {
        return Err(wrong("its number of entries"));
    }
    if u64_at(24) != at {
        return Err(wrong("it says that it is elsewhere"));
    }
    let mut entries = vec![0; count as usize * ENTRY];
    let place =
        u64_at(72).checked_mul(sector.into()).ok_or_else(|| wrong("where its entries are"))?;
    bytes.read_at(place, &mut entries).map_err(|_| wrong("where its entries are"))?;
    if crc32fast::hash(&entries) != u32_at(88) {
        return Err(wrong("the checksum of its entries"));
    }
    Ok(Copy {
        at,
        other: u64_at(32),
        first: u64_at(40),
        last: u64_at(48),
        entries_at: u64_at(72),
        id: header[56..72].try_into().unwrap_or_default(),
        entries,
    })
}

impl Copy {
    /// Sectors that the second copy takes at the end of the disk.
    pub fn tail(&self, sector: u32) -> u64 {
        (self.entries.len() as u64).div_ceil(sector.into()) + 1
    }

    /// The header as it is written.
    pub fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&[0, 0, 1, 0]);
        header[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
        let numbers = [
            (24, self.at),
            (32, self.other),
            (40, self.first),
            (48, self.last),
            (72, self.entries_at),
        ];
        for (at, number) in numbers {
            header[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        header[56..72].copy_from_slice(&self.id);
        let count = (self.entries.len() / ENTRY) as u32;
        let sums = [(80, count), (84, ENTRY as u32), (88, crc32fast::hash(&self.entries))];
        for (at, number) in sums {
            header[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    }
}

fn partition(index: usize, entry: &[u8; ENTRY], sector: u32) -> Option<Partition> {
    let u64_at = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap_or_default());
    let (first, last) = (u64_at(32), u64_at(40));
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    let name: Vec<u16> =
        entry[56..].as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
    let name = name.split(|unit| *unit == 0).next().map(String::from_utf16_lossy);
    Some(Partition {
        number: index as u32 + 1,
        start: first.checked_mul(sector.into())?,
        len: sectors.checked_mul(sector.into())?,
        kind: guid(&entry[..16]),
        id: Some(guid(&entry[16..32])),
        name: name.filter(|name| !name.is_empty()),
        file_system: None,
    })
}

/// A GUID as people write it: its first three parts are little-endian.
fn guid(bytes: &[u8]) -> String {
    let mut ordered = bytes.to_vec();
    ordered[..4].reverse();
    ordered[4..6].reverse();
    ordered[6..8].reverse();
    uuid(&ordered)
}
