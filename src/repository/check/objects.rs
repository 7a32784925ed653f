//! Objects as such: there, of the right length, and under their right names.

use crate::repository::check::{Bad, Finding, Report};
use crate::repository::error::{Error, Result};
use crate::repository::state::Pack;
use crate::repository::{Lookup, Repository, read_directory, read_segment};
use esker_format::checkpoint::PackState;
use esker_format::envelope::{Header, Kind};
use esker_format::segment::SegmentPack;
use esker_format::{FormatError, names, slot};
use std::collections::HashMap;

/// Reads all segments, and compares them with what the log says of packs.
pub fn segments(repository: &Repository, report: &mut Report) -> Result<()> {
    let (store, access, state) = (repository.store(), repository.access(), repository.state());
    let mut described = vec![false; state.packs.len()];
    let mut failed = false;
    let mut lookup = repository.lookup()?;
    for segment in state.segments.iter().filter(|s| access.has_scope(s.scope)) {
        report.segments += 1;
        match read_segment(store, access, *segment) {
            Ok(packs) => {
                for pack in packs {
                    match state.ordinal(pack.id) {
                        Some(ordinal) if state.packs[ordinal as usize].len == pack.len => {
                            described[ordinal as usize] = true;
                            if state.packs[ordinal as usize].state != PackState::Deleting {
                                compare(&mut lookup, ordinal, &pack, report)?;
                            }
                        }
                        _ => report.findings.push(Finding::Object {
                            name: names::segment(segment.id),
                            message: format!("describes pack {}, which the log does not", pack.id),
                        }),
                    }
                }
            }
            Err(error) => {
                failed = true;
                note(report, names::segment(segment.id), error)?;
            }
        }
    }
    if failed {
        // The packs say the same of themselves, as long as they are sound.
        let wanted = |(pack, is): &(&Pack, &bool)| !**is && pack.state != PackState::Deleting;
        for (pack, _) in state.packs.iter().zip(&described).filter(wanted) {
            match read_directory(store, access, pack.id, pack.len) {
                // Of a scope that this key has nothing to do with.
                Ok(_) | Err(Error::NeedsOwner) => {}
                Err(error) => note(report, names::pack(pack.id), error)?,
            }
        }
    }
    Ok(())
}

/// Compares what a segment says of a pack with what the index database has of it.
fn compare(
    lookup: &mut Lookup,
    ordinal: u32,
    pack: &SegmentPack,
    report: &mut Report,
) -> Result<()> {
    let message = match lookup.pack_if_there(ordinal) {
        Ok(Some(known)) if known.pack != *pack => "it has other chunks than the segment says",
        Ok(Some(known)) if !lookup.has_all(&known)? => "it lacks chunks of the pack",
        Ok(Some(_)) => return Ok(()),
        Ok(None) => "it does not have the pack",
        Err(Error::Database { .. }) => "its row of the pack cannot be read",
        Err(e) => return Err(e),
    };
    let (pack, message) = (names::pack(pack.id), message.to_owned());
    report.findings.push(Finding::Index { pack, message });
    Ok(())
}

/// Looks at all key slots.
pub fn slots(repository: &Repository, report: &mut Report) -> Result<()> {
    let mut found = Vec::new();
    repository.store().list(names::KEYS, &mut |listed| found.push(listed.name))?;
    let mut object = Vec::new();
    for name in found {
        let read = repository.store().get(&name, slot::OBJECT_MAX as u64, &mut object);
        if let Err(error) = read {
            note(report, name, Error::from_part(error))?;
            continue;
        }
        let parsed = Header::decode(&object).and_then(|(header, _)| {
            header.expect(Kind::Slot, repository.access().repository)?;
            if names::slot(header.session) != name {
                return Err(FormatError::Misplaced { what: "key slot" });
            }
            slot::parameters(&header)
        });
        if let Err(error) = parsed {
            note(report, name.clone(), Error::damaged(name, error))?;
        }
    }
    Ok(())
}

/// Lists all packs and compares them with the log.
pub fn packs(repository: &Repository, report: &mut Report) -> Result<Bad> {
    let mut sizes = HashMap::new();
    repository.store().list(names::PACKS, &mut |found| {
        sizes.insert(found.name, found.size);
    })?;
    let mut bad = Bad::default();
    let state = repository.state();
    let needed = state.needed();
    for (ordinal, pack) in state.packs.iter().enumerate() {
        if pack.state == PackState::Deleting {
            continue;
        }
        report.packs += 1;
        let name = names::pack(pack.id);
        let message = match sizes.get(&name) {
            Some(size) if *size == pack.len => continue,
            Some(size) => format!("has {size} bytes, not {}", pack.len),
            None => "is missing from the store".to_owned(),
        };
        bad.packs.insert(ordinal as u32);
        report.findings.push(match needed[ordinal] {
            true => Finding::Object { name, message },
            false => {
                let message = format!("{message}, and no snapshot needs it that is not forgotten");
                Finding::Leftover { name, message }
            }
        });
    }
    Ok(bad)
}

/// Makes damage a finding, and passes everything else on.
pub fn note(report: &mut Report, name: String, error: Error) -> Result<()> {
    if !error.is_damage() && !matches!(error, Error::Newer { .. }) {
        return Err(error);
    }
    let message = message(&error);
    report.findings.push(Finding::Object { name, message });
    Ok(())
}

/// An error in a few words, without the name of the object.
pub fn message(error: &Error) -> String {
    match error {
        Error::Damaged { source, .. } => format!("is damaged: {source}"),
        Error::Newer { source, .. } => format!("was written by a newer esker: {source}"),
        Error::Break { why, .. } => format!("breaks the log: {why}"),
        Error::Gap { later, .. } => format!("breaks the log: it is missing, and {later} is there"),
        Error::Missing { .. } => "is missing from the store".to_owned(),
        Error::Unreadable { source, .. } => format!("cannot be read: {source}"),
        other => other.to_string(),
    }
}
