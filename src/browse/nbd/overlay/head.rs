//! The head of an overlay: whose blocks these are.

use super::OverlayError;
use esker_format::ids::{RepositoryId, SnapshotId};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of it: room for any path of a snapshot.
pub const HEAD: u64 = 128 << 10;

const MAGIC: &[u8; 16] = b"esker overlay 1\n";

/// Bytes of the checksum behind all else.
const SUM: usize = 32;

/// What is below an overlay. Over anything else its blocks would be garbage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The repository.
    pub repository: RepositoryId,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The number of the partition; none for all of it.
    pub partition: Option<u32>,
    /// Bytes of the device.
    pub size: u64,
    /// The file in the snapshot.
    pub path: Vec<u8>,
}

/// The head with its checksum.
pub fn encode(identity: &Identity) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(identity.repository.as_bytes());
    out.extend(identity.snapshot.as_bytes());
    out.extend(identity.partition.unwrap_or(0).to_le_bytes());
    out.extend(identity.size.to_le_bytes());
    out.extend((identity.path.len() as u32).to_le_bytes());
    out.extend(&identity.path);
    out.resize(HEAD as usize - SUM, 0);
    let sum = blake3::hash(&out);
    out.extend(sum.as_bytes());
    out
}

/// Makes sure that a file is the overlay of this.
///
/// # Errors
/// When it is not, or cannot be read.
pub fn check(file: &File, path: &Path, identity: &Identity) -> Result<(), OverlayError> {
    let mut found = vec![0; HEAD as usize];
    let other = |_| OverlayError::Strange { path: path.to_owned() };
    file.read_exact_at(&mut found, 0).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => other(error),
        _ => OverlayError::System { path: path.to_owned(), source: error },
    })?;
    if !found.starts_with(MAGIC) {
        return Err(OverlayError::Strange { path: path.to_owned() });
    }
    let (content, sum) = found.split_at(HEAD as usize - SUM);
    if blake3::hash(content).as_bytes() != sum {
        let why = "its head does not have its checksum";
        return Err(OverlayError::Damaged { path: path.to_owned(), why });
    }
    match found == encode(identity) {
        true => Ok(()),
        false => Err(OverlayError::OfAnother { path: path.to_owned(), of: describe(content) }),
    }
}

/// What the head of another overlay says.
fn describe(content: &[u8]) -> String {
    let mut rest = &content[MAGIC.len() + RepositoryId::LEN..];
    let mut take = |len: usize| {
        let (taken, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        taken
    };
    let number =
        |bytes: &[u8]| bytes.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let snapshot: String = take(SnapshotId::LEN)[..4].iter().map(|b| format!("{b:02x}")).collect();
    let (partition, _size) = (number(take(4)), take(8));
    let len = number(take(4)) as usize;
    let path = String::from_utf8_lossy(take(len)).escape_debug().to_string();
    match partition {
        0 => format!("{snapshot}:{path}"),
        number => format!("partition {number} of {snapshot}:{path}"),
    }
}
