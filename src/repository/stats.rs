//! How much there is.

use crate::repository::Repository;
use crate::repository::error::Result;
use esker_format::checkpoint::PackState;
use esker_format::frame::FrameType;
use esker_format::names;

/// What the packs hold. Of chunks with several copies each copy counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packs that the log has named and not given up.
    pub packs: u64,
    /// Their bytes, as the log has them.
    pub pack_bytes: u64,
    /// Frames in them.
    pub frames: u64,
    /// Chunks of files.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Chunks that are pages.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
    /// Packs that the index of this key knows nothing of, such as those of other scopes than a
    /// writer's: what is in them is not counted.
    pub unknown_packs: u64,
    /// Bytes of these.
    pub unknown_bytes: u64,
    /// Packs that were given up and are still there: a collection goes on, was cut off, or may not delete.
    pub given_up_packs: u64,
    /// Bytes of these.
    pub given_up_bytes: u64,
}

/// Counts what is in all packs that are not given up, from log and index alone. Where some were, the packs are
/// listed, to see whether they are gone.
///
/// # Errors
/// When the index database fails, or the listing.
pub fn totals(repository: &Repository) -> Result<Totals> {
    let mut totals = Totals::default();
    let mut lookup = repository.lookup_in_all()?;
    let packs = repository.state().packs.iter().enumerate();
    for (ordinal, pack) in packs.filter(|(_, pack)| pack.state != PackState::Deleting) {
        totals.packs += 1;
        totals.pack_bytes += pack.len;
        let Some(known) = lookup.pack_if_there(ordinal as u32)? else {
            totals.unknown_packs += 1;
            totals.unknown_bytes += pack.len;
            continue;
        };
        for head in &known.pack.frames {
            totals.frames += 1;
            let (chunks, bytes) = match head.frame_type {
                FrameType::Data => (&mut totals.chunks, &mut totals.chunk_bytes),
                FrameType::Page => (&mut totals.pages, &mut totals.page_bytes),
            };
            *chunks += u64::from(head.chunks);
            *bytes += u64::from(head.plain_len);
        }
    }
    count_given_up(repository, &mut totals)?;
    Ok(totals)
}

fn count_given_up(repository: &Repository, totals: &mut Totals) -> Result<()> {
    let state = repository.state();
    if !state.packs.iter().any(|pack| pack.state == PackState::Deleting) {
        return Ok(());
    }
    repository.store().list(names::PACKS, &mut |listed| {
        let id = listed.name.rsplit('/').next().and_then(|last| last.parse().ok());
        let pack = id.and_then(|id| state.ordinal(id)).map(|o| &state.packs[o as usize]);
        if pack.is_some_and(|pack| pack.state == PackState::Deleting) {
            totals.given_up_packs += 1;
            totals.given_up_bytes += listed.size;
        }
    })?;
    Ok(())
}
