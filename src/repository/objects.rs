//! Reading single objects of a store: config, segments, directories of packs.

use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::repository::state::Segment;
use crate::store::{Store, StoreErrorKind};
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{Named, PackId, Seq};
use esker_format::segment::{self, SegmentPack};
use esker_format::{FormatError, config, names, pack};

/// What a store is that has no config: no repository, one that was never finished, or one that has
/// lost it. The config is put before the first entry behind the two that every log begins with.
pub fn without_config(store: &dyn Store) -> Error {
    let has = |seq| matches!(store.size(&names::entry(Seq(seq))), Ok(Some(_)));
    // Whatever the log has lost: what was saved is not nothing.
    let mut is_used = has(2);
    let looked = store.list("", &mut |found| {
        is_used |= ["pack/", "snapshot/"].iter().any(|kind| found.name.starts_with(kind));
    });
    if let Err(e) = looked {
        // Nothing is known of what cannot be asked.
        if e.is_temporary() || e.is_no_store() || e.kind() == StoreErrorKind::Permission {
            return Error::Store(e);
        }
        is_used = true;
    }
    let location = store.location();
    match (has(0), is_used) {
        (_, true) => Error::Missing { object: names::CONFIG.to_owned() },
        (true, false) => Error::Unfinished { location },
        (false, false) => Error::NoRepository { location },
    }
}

/// The config as it lies in the store.
pub(super) fn read_config(store: &dyn Store) -> Result<Vec<u8>> {
    let mut object = Vec::new();
    match store.get(names::CONFIG, config::OBJECT_MAX as u64, &mut object) {
        Ok(()) => Ok(object),
        Err(e) if e.is_no_store() => Err(e.into()),
        Err(e) if e.kind() == StoreErrorKind::NotFound => Err(without_config(store)),
        Err(e) => Err(Error::from_read(e)),
    }
}

/// Reads a segment and checks its name.
pub(crate) fn read_segment(
    store: &dyn Store,
    access: &Access,
    segment: Segment,
) -> Result<Vec<SegmentPack>> {
    let mut object = Vec::new();
    let limit = (esker_format::limits::SEGMENT_MAX + (1 << 20)) as u64;
    store.get(&names::segment(segment.id), limit, &mut object).map_err(Error::from_read)?;
    decode_segment(access, segment, &object)
}

/// What the bytes of a segment say, when they are those that its name stands for.
pub(super) fn decode_segment(
    access: &Access,
    segment: Segment,
    object: &[u8],
) -> Result<Vec<SegmentPack>> {
    let Segment { id, scope } = segment;
    let damaged = |e| Error::damaged(names::segment(id), e);
    id.check("segment", object).map_err(damaged)?;
    let keys = access.scope_keys_of(scope)?;
    let (header, packs) = segment::decode_object(object, &keys.segment).map_err(damaged)?;
    header.expect(Kind::Segment, access.repository).map_err(damaged)?;
    if header.scope != scope {
        return Err(damaged(FormatError::Misplaced { what: "scope" }));
    }
    Ok(packs)
}

/// Reads header and directory of a pack, with three ranged reads, as its segment would say them.
pub(crate) fn read_directory(
    store: &dyn Store,
    access: &Access,
    id: PackId,
    len: u64,
) -> Result<SegmentPack> {
    let name = names::pack(id);
    let damaged = |e| Error::damaged(name.as_str(), e);
    let mut bytes = Vec::new();
    let mut range = |offset, len: usize| -> Result<Vec<u8>> {
        store.get_range(&name, offset, len, &mut bytes).map_err(Error::from_read)?;
        Ok(std::mem::take(&mut bytes))
    };
    let trailer_at = len.saturating_sub(pack::TRAILER_LEN as u64);
    let sealed_len =
        pack::decode_trailer(&range(trailer_at, pack::TRAILER_LEN)?).map_err(damaged)?;
    let sealed = range(trailer_at.saturating_sub(sealed_len as u64), sealed_len)?;
    let head = range(0, (len as usize).min(esker_format::limits::HEADER_MAX))?;
    let (header, header_len) = Header::decode(&head).map_err(damaged)?;
    header.expect(Kind::Pack, access.repository).map_err(damaged)?;
    let keys = access.scope_keys_of(header.scope)?;
    let header = head[..header_len].to_vec();
    let directory = pack::open_directory(&header, &sealed, len, &keys.segment).map_err(damaged)?;
    Ok(SegmentPack {
        id,
        len,
        header,
        frames: directory.frames,
        chunks: directory.chunks.iter().map(|(id, len)| (segment::prefix(id), *len)).collect(),
    })
}
