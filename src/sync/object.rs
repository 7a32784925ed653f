//! The objects of a repository by their names, in the order in which they are copied.

use esker_format::ids::{CheckpointId, PackId, SegmentId, Seq, SessionId, SnapshotId};
use esker_format::{config, limits, log_entry, names, slot};
use std::str::FromStr;

/// An object with a name that the format knows. What comes first is copied first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// The config.
    Config,
    /// A key slot.
    Slot(SessionId),
    /// A pack.
    Pack(PackId),
    /// A segment, or a pack set.
    Segment(SegmentId),
    /// A manifest.
    Manifest(SnapshotId),
    /// A checkpoint.
    Checkpoint(Seq, CheckpointId),
    /// A log entry.
    Entry(Seq),
}

impl Object {
    /// The object of a name; none where no rule of the format knows the name.
    pub fn of_name(name: &str) -> Option<Self> {
        fn id<I: FromStr>(text: &str) -> Option<I> {
            text.parse().ok()
        }
        let last = name.rsplit('/').next()?;
        let object = match name.split_once('/').map(|(folder, _)| folder) {
            None if name == names::CONFIG => Self::Config,
            Some("keys") => Self::Slot(id(last)?),
            Some("pack") => Self::Pack(id(last)?),
            Some("index") => Self::Segment(id(last)?),
            Some("snapshot") => Self::Manifest(id(last)?),
            Some("log") => Self::Entry(Seq(id(last)?)),
            Some("checkpoint") => {
                let (seq, hash) = last.split_once('-')?;
                Self::Checkpoint(Seq(id(seq)?), id(hash)?)
            }
            _ => return None,
        };
        // There is one way to write each name.
        (object.name() == name).then_some(object)
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Config => names::CONFIG.to_owned(),
            Self::Slot(id) => names::slot(*id),
            Self::Pack(id) => names::pack(*id),
            Self::Segment(id) => names::segment(*id),
            Self::Manifest(id) => names::manifest(*id),
            Self::Checkpoint(seq, id) => names::checkpoint(*seq, *id),
            Self::Entry(seq) => names::entry(*seq),
        }
    }

    /// Bytes that it may have, with room for what a later version may put around it.
    pub const fn limit(&self) -> u64 {
        let bytes = match self {
            Self::Config => config::OBJECT_MAX,
            Self::Slot(_) => slot::OBJECT_MAX,
            Self::Pack(_) => limits::PACK_MAX,
            Self::Segment(_) => limits::SEGMENT_MAX + (1 << 20),
            Self::Manifest(_) => limits::MANIFEST_MAX + (1 << 20),
            Self::Checkpoint(..) => esker_format::checkpoint::OBJECT_MAX,
            Self::Entry(_) => log_entry::OBJECT_MAX,
        };
        bytes as u64
    }

    /// Whether it is a checkpoint.
    pub const fn is_checkpoint(&self) -> bool {
        matches!(self, Self::Checkpoint(..))
    }

    /// Whether it comes before everything that has data in it.
    pub const fn is_first(&self) -> bool {
        matches!(self, Self::Config | Self::Slot(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_format_is_known_and_written_in_one_way_only() {
        let (hash, session) = ("ab".repeat(32), "cd".repeat(16));
        for name in [
            "config".to_owned(),
            format!("keys/{session}"),
            format!("pack/ab/{hash}"),
            format!("index/{hash}"),
            format!("snapshot/{hash}"),
            format!("checkpoint/17-{hash}"),
            "log/0/0".to_owned(),
            "log/1/12345".to_owned(),
        ] {
            assert_eq!(Object::of_name(&name).map(|object| object.name()), Some(name));
        }
        for name in [
            "mirror".to_owned(),
            "config/config".to_owned(),
            format!("pack/{hash}"),
            format!("pack/cd/{hash}"),
            format!("index/a/{hash}"),
            format!("checkpoint/017-{hash}"),
            "log/0/00".to_owned(),
            "log/1/17".to_owned(),
            "notes".to_owned(),
        ] {
            assert_eq!(Object::of_name(&name), None, "{name}");
        }
    }
}
