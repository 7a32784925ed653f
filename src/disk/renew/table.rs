//! New ids for a partition table and its partitions.

use super::{Fate, Id};
use crate::disk::error::{Error, Result};
use crate::disk::geometry::Bytes;
use crate::disk::gpt::{self, ENTRY};
use crate::disk::relocate::write_copies;
use crate::disk::table::{Fault, Table};
use crate::disk::target::Target;
use std::io;

/// Where the older kind has its id.
const MBR_ID: std::ops::Range<usize> = 440..444;

/// The ids that are to be replaced. The older kind has one, of which the ids of its partitions are made.
pub fn ids(table: &Table) -> Vec<Id> {
    let (partitions, kind) = match table {
        Table::None => return Vec::new(),
        Table::Unreadable(why) => {
            // Whatever ids it has, and whatever is in its partitions, nobody can tell.
            let fate = Fate::Refused(format!("it cannot be read: {why}"));
            return vec![Id { partition: None, kind: "table".to_owned(), before: None, fate }];
        }
        Table::Gpt(partitions) => (partitions, "gpt"),
        Table::Mbr(partitions) => (partitions, "mbr"),
    };
    let of = |partition, kind: &str, before: &Option<String>| Id {
        partition,
        kind: kind.to_owned(),
        before: before.clone(),
        fate: Fate::Planned,
    };
    let list = partitions.list.iter().filter(|partition| partition.id.is_some());
    let list = list.map(|part| of(Some(part.number), "partition", &part.id));
    std::iter::once(of(None, kind, &partitions.id)).chain(list).collect()
}

/// Replaces them on the disk; in words, why not.
///
/// # Errors
/// When it cannot be read or written.
pub fn renew(target: &Target, table: &Table) -> Result<std::result::Result<(), String>> {
    match table {
        Table::None | Table::Unreadable(_) => Ok(Ok(())),
        Table::Gpt(partitions) => renew_gpt(target, partitions.sector),
        Table::Mbr(partitions) => renew_mbr(target, partitions.sector).map(Ok),
    }
}

fn renew_gpt(target: &Target, sector: u32) -> Result<std::result::Result<(), String>> {
    let last = (target.size() / u64::from(sector)).saturating_sub(1);
    let first = match gpt::either(target, sector) {
        Ok((first, None)) => first,
        Ok((_, Some(flaw))) => return Ok(Err(flaw)),
        Err(Fault::Senseless(why)) => return Ok(Err(why)),
        Err(Fault::Absent) => return Ok(Err("there is no GPT".to_owned())),
    };
    let Ok(second) = gpt::copy(target, sector, last) else {
        return Ok(Err("the second copy of the GPT is damaged".to_owned()));
    };
    let mut entries = first.entries.clone();
    for entry in entries.as_chunks_mut::<ENTRY>().0 {
        if entry[..16].iter().any(|byte| *byte != 0) {
            entry[16..32].copy_from_slice(&guid(target)?);
        }
    }
    let id = guid(target)?;
    let first = gpt::Copy { id, entries: entries.clone(), ..first };
    let second = gpt::Copy { id, entries, ..second };
    write_copies(target, &[&second, &first], sector).map(Ok)
}

fn renew_mbr(target: &Target, sector: u32) -> Result<()> {
    let failed = |source| Error::Read { path: target.path().to_owned(), offset: 0, source };
    let mut first = vec![0; sector as usize];
    target.read_at(0, &mut first).map_err(failed)?;
    let mut id = [0; 4];
    fill(target, &mut id)?;
    // Zero is none.
    id[0] |= 1;
    first[MBR_ID].copy_from_slice(&id);
    target.data(0, &first)
}

/// A random GUID, marked as such (RFC 9562, version 4), as tables have it.
fn guid(target: &Target) -> Result<[u8; 16]> {
    let mut guid = [0; 16];
    fill(target, &mut guid)?;
    guid[7] = guid[7] & 0x0f | 0x40;
    guid[8] = guid[8] & 0x3f | 0x80;
    Ok(guid)
}

fn fill(target: &Target, bytes: &mut [u8]) -> Result<()> {
    let failed =
        |error| Error::Random { path: target.path().into(), source: io::Error::other(error) };
    getrandom::fill(bytes).map_err(failed)
}
