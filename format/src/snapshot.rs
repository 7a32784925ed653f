//! Manifests and the summaries of commits.

use crate::cbor;
use crate::cbor_map;
use crate::data_key::{Recipients, decapsulate, encapsulate};
use crate::envelope::{Header, Kind, open_body, seal_body};
use crate::error::{FormatError, Result, malformed};
use crate::ids::{RepositoryId, SeriesId, SessionId, SnapshotId};
use crate::key::{EpochSecret, ReadingKey};
use crate::limits::{LEVELS_MAX, MANIFEST_MAX, PROBLEMS_MAX};
use crate::node::Time;
use crate::page::PageRef;
use crate::secret::{Entropy, Secret};

cbor_map! {
    /// What was found and what it cost.
    #[derive(Default)]
    pub struct Counts {
        /// Regular files, streams and images.
        0 => files: u64,
        /// Directories.
        1 => directories: u64,
        /// Everything else.
        2 => others: u64,
        /// Bytes of content, hard links counted once.
        3 => bytes: u64,
        /// Entries that the base snapshot does not have.
        4 => new: u64,
        /// Entries that differ from the base snapshot's.
        5 => changed: u64,
        /// Entries equal to the base snapshot's.
        6 => unchanged: u64,
        /// Bytes of new chunks, before compression.
        7 => added: u64,
        /// Bytes of new packs in the store.
        8 => stored: u64,
        /// Entries of the base snapshot that are gone.
        9 => removed: u64,
    }
}

cbor_map! {
    /// Where in a chain of database logs a snapshot stands.
    pub struct Position {
        /// Which chain.
        0 => chain: Vec<u8>,
        /// Timeline of the chain.
        1 => timeline: Option<u32>,
        /// First position, in the source's own form.
        2 => first: Option<Vec<u8>>,
        /// Last position.
        3 => last: Option<Vec<u8>>,
        /// Last position of the snapshot before.
        4 => previous: Option<Vec<u8>>,
        /// Set of transactions.
        5 => transactions: Option<Vec<u8>>,
        /// Time of the first change.
        6 => first_time: Option<Time>,
        /// Time of the last change.
        7 => last_time: Option<Time>,
    }
}

cbor_map! {
    /// What lists show of a snapshot. Sealed with the summary key of the scope in the commit
    /// entry, so that writers can list, and repeated in the manifest.
    pub struct Summary {
        /// The series.
        0 => series: SeriesId,
        /// Name of the host.
        1 => host: String,
        /// Label of the series.
        2 => label: String,
        /// Tags, ascending.
        3 => tags: Vec<String>,
        /// What was asked to be saved: absolute paths or stream names.
        4 => paths: Vec<Vec<u8>>,
        /// When the run began.
        5 => start: Time,
        /// When the run ended.
        6 => end: Time,
        /// Counts.
        7 => counts: Counts,
        /// Things that could not be saved whole; 0 means complete.
        8 => problems: u64,
        /// The snapshot that this one was compared with.
        9 => base: Option<SnapshotId>,
        /// Position in a chain of logs.
        10 => position: Option<Position>,
        /// Snapshots that this one needs to be restored.
        11 => requires: Vec<SnapshotId>,
        /// The snapshot that this one replaces.
        12 => replaces: Option<SnapshotId>,
    }
}

cbor_map! {
    /// Something that could not be saved whole.
    pub struct Problem, in a list: PROBLEMS_MAX; {
        /// The path.
        0 => path: Vec<u8>,
        /// What was wrong.
        1 => message: String,
    }
}

cbor_map! {
    /// A snapshot.
    pub struct Manifest {
        /// What lists show.
        0 => summary: Summary,
        /// Root page of the path map; none when there are no entries.
        1 => root: Option<PageRef>,
        /// Level of the root page.
        2 => root_level: u32,
        /// Numbers of the chunking profiles used, ascending.
        3 => profiles: Vec<u32>,
        /// The first problems; there may be more than are listed.
        4 => problems: Vec<Problem>,
        /// Program and version that made it.
        5 => program: String,
    }
}

impl Manifest {
    /// The manifest object, sealed to `to`; `header` gets the capsules.
    ///
    /// # Errors
    /// When a recipient's key is unusable or a reader would refuse the manifest.
    pub fn encode(
        &self,
        header: &mut Header,
        to: &Recipients,
        entropy: &mut Entropy,
    ) -> Result<Vec<u8>> {
        self.check()?;
        let payload = cbor::encode_checked("manifest", self, MANIFEST_MAX)?;
        let key = encapsulate(header, to, entropy)?;
        let mut object = header.encode();
        seal_body(&mut object, &key, &payload, entropy);
        Ok(object)
    }
    /// Reads a manifest object.
    ///
    /// # Errors
    /// When it was not sealed to `reading`, or breaks a rule.
    pub fn decode(object: &[u8], reading: &ReadingKey, epoch: &EpochSecret) -> Result<Self> {
        let (header, header_len) = Header::decode(object)?;
        if header.kind != Kind::Manifest {
            return Err(FormatError::Misplaced { what: "kind" });
        }
        let key = decapsulate(&header, reading, epoch)?;
        let payload = open_body("manifest", object, header_len, &key, MANIFEST_MAX)?;
        let manifest: Self = cbor::decode("manifest", &payload, MANIFEST_MAX)?;
        manifest.check()?;
        Ok(manifest)
    }
    /// Fails unless its parts fit each other.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] or [`FormatError::TooLarge`].
    pub fn check(&self) -> Result<()> {
        let what = "manifest";
        self.summary.check()?;
        match &self.root {
            Some(root) => root.check()?,
            None if self.root_level != 0 => return Err(malformed(what, "a level without a page")),
            None => {}
        }
        if self.root_level > LEVELS_MAX.into() {
            return Err(malformed(what, "too many levels"));
        }
        if !self.profiles.is_sorted_by(|a, b| a < b) {
            return Err(malformed(what, "a list is not in order"));
        }
        if self.problems.len() as u64 > self.summary.problems {
            return Err(malformed(what, "more problems than its summary says"));
        }
        Ok(())
    }
}

impl Summary {
    /// Fails unless its lists are in order.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    pub fn check(&self) -> Result<()> {
        if !self.tags.is_sorted_by(|a, b| a < b) {
            return Err(malformed("summary", "a list is not in order"));
        }
        Ok(())
    }
}

/// The commit that a summary is sealed for. All writers of a scope have its key: without this, one
/// of them could show the summary of another's snapshot as that of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryOf {
    /// The repository.
    pub repository: RepositoryId,
    /// The session that the commit ends; no other commit has it.
    pub session: SessionId,
}

impl SummaryOf {
    fn associated_data(&self) -> Vec<u8> {
        [&self.repository.as_bytes()[..], self.session.as_bytes()].concat()
    }
}

/// Seals a summary for its commit entry.
pub fn seal_summary(
    summary: &Summary,
    of: SummaryOf,
    key: &Secret,
    entropy: &mut Entropy,
) -> Vec<u8> {
    let mut object = of.associated_data();
    let start = object.len();
    seal_body(&mut object, key, &cbor::encode(summary), entropy);
    object.split_off(start)
}

/// Opens the summary of a commit entry.
///
/// # Errors
/// When it belongs to another scope or commit, or breaks a rule.
pub fn open_summary(sealed: &[u8], of: SummaryOf, key: &Secret) -> Result<Summary> {
    let mut object = of.associated_data();
    let start = object.len();
    object.extend_from_slice(sealed);
    let payload = open_body("summary", &object, start, key, MANIFEST_MAX)?;
    let summary: Summary = cbor::decode("summary", &payload, MANIFEST_MAX)?;
    summary.check()?;
    Ok(summary)
}
