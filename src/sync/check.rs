//! What can be said of an object without keys: whether it is what its name says, and of this repository.

use super::object::Object;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{Named, RepositoryId};
use esker_format::{FormatError, signed};

/// Fails unless the bytes are those that were put under this name, as far as it can be told: by the hash
/// in the name, by the checksum of what is signed, by the header of a key slot, which has neither.
///
/// What is newer is no damage: its hash or checksum holds in every version, and it is copied as it is.
pub fn check(object: Object, bytes: &[u8], repository: RepositoryId) -> Result<(), FormatError> {
    match object {
        Object::Pack(id) => id.check("pack", bytes)?,
        Object::Segment(id) => id.check("segment", bytes)?,
        Object::Manifest(id) => id.check("manifest", bytes)?,
        Object::Checkpoint(_, id) => id.check("checkpoint", bytes)?,
        Object::Config | Object::Entry(_) | Object::Slot(_) => {}
    }
    let header = match object {
        Object::Config | Object::Entry(_) => {
            let read = signed::read_header(bytes, object.limit() as usize);
            match read {
                Err(FormatError::Unsupported { .. }) => return Ok(()),
                Err(e @ FormatError::Checksum { .. }) => return Err(e),
                // Whoever may put objects can put such an entry, with a right checksum. It is void for
                // every reader, and part of the log.
                Err(_) if matches!(object, Object::Entry(_)) => return Ok(()),
                other => other?.0,
            }
        }
        _ => match Header::decode(bytes) {
            Err(FormatError::Unsupported { .. }) => return Ok(()),
            other => other?.0,
        },
    };
    if header.repository != repository {
        return Err(FormatError::Misplaced { what: "repository" });
    }
    let is_of_kind = match object {
        Object::Config => header.kind == Kind::Config,
        Object::Slot(_) => header.kind == Kind::Slot,
        Object::Pack(_) => header.kind == Kind::Pack,
        Object::Segment(_) => matches!(header.kind, Kind::Segment | Kind::PackSet),
        Object::Manifest(_) => header.kind == Kind::Manifest,
        Object::Checkpoint(..) => header.kind == Kind::Checkpoint,
        Object::Entry(_) => header.kind == Kind::Entry,
    };
    let is_at_its_place = match object {
        Object::Slot(session) => header.session == session,
        Object::Entry(seq) | Object::Checkpoint(seq, _) => header.seq == seq.0,
        _ => true,
    };
    match (is_of_kind, is_at_its_place) {
        (true, true) => Ok(()),
        (false, _) => Err(FormatError::Misplaced { what: "kind" }),
        (true, false) => Err(FormatError::Misplaced { what: "place" }),
    }
}
