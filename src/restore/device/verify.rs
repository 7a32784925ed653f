//! Whether the disk has what was written: read from there, chunk by chunk.

use super::{Report, Request, Shared, joined};
use crate::disk::Verify;
use crate::repository::{Chunks, Error, Items};
use crate::restore::Result;
use esker_format::chunking::is_zero;
use esker_format::content::{Content, Item};
use esker_format::ids::ChunkId;
use esker_format::key::ScopeKeys;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes that are read at once.
const STEP: u64 = 1 << 20;

/// Reads again what was written, and adds what differs to the report.
pub fn verify(
    request: &Request<'_>,
    chunks: &mut Chunks,
    keys: &ScopeKeys,
    shared: &Shared<'_>,
    report: &mut Report,
) -> Result<()> {
    let mut disk = Verify::new(request.target)?;
    let (mut verified, mut differing) = (0, Vec::new());
    let Some(content @ (Content::Items(_) | Content::List(_))) = request.content else {
        return Ok(());
    };
    let (mut items, mut at) = (Items::new(content), 0);
    while let Some((item, _)) = items.next(chunks)? {
        if shared.is_over() {
            return Err(Error::Interrupted.into());
        }
        let (from, to) = (at, at + item.len());
        at = to;
        let wanted = from.max(request.range.start)..to.min(request.range.end);
        if wanted.is_empty() {
            continue;
        }
        let is_whole = wanted == (from..to);
        let place = wanted.start - request.range.start..wanted.end - request.range.start;
        let is_lost =
            report.lost.iter().any(|lost| lost.start < place.end && place.start < lost.end);
        let is_right = match item {
            // Of a chunk that goes beyond a partition, the name says nothing.
            Item::Data(..) if is_lost || !is_whole => continue,
            Item::Data(id, _) => has(&mut disk, &place, &id, keys)?,
            Item::Hole(_) | Item::Zero(_) | Item::Lost(_) => is_empty(&mut disk, &place)?,
        };
        verified += place.end - place.start;
        shared.progress.bytes.fetch_add(place.end - place.start, Relaxed);
        if !is_right {
            differing.push(place);
        }
    }
    report.verified = Some(verified);
    report.differing = joined(differing);
    Ok(())
}

/// Whether the disk has this chunk there.
fn has(disk: &mut Verify<'_>, place: &Range<u64>, id: &ChunkId, keys: &ScopeKeys) -> Result<bool> {
    if place.end - place.start <= STEP {
        let bytes = disk.read(place.start, (place.end - place.start) as usize)?;
        return Ok(keys.data_id(bytes) == *id);
    }
    let mut bytes = Vec::new();
    for at in (place.start..place.end).step_by(STEP as usize) {
        bytes.extend_from_slice(disk.read(at, (place.end - at).min(STEP) as usize)?);
    }
    Ok(keys.data_id(&bytes) == *id)
}

fn is_empty(disk: &mut Verify<'_>, place: &Range<u64>) -> Result<bool> {
    for at in (place.start..place.end).step_by(STEP as usize) {
        if !is_zero(disk.read(at, (place.end - at).min(STEP) as usize)?) {
            return Ok(false);
        }
    }
    Ok(true)
}
