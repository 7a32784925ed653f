//! The things of the model, and how the real types name them. Everything is numbered by the run that
//! made it: run 3 has session 4, and puts one pack, one segment and one manifest at most.

use esker_format::ids::{PackId, SegmentId, SessionId, SnapshotId, WriterId};
use esker_format::key::{SigningKey, VerificationKey};
use esker_format::secret::Secret;

/// Runs that there can be.
pub const RUNS: usize = 8;

/// A run.
pub type Run = u8;

/// A set of runs: of their packs, their segments or their snapshots.
pub type Runs = u8;

/// A set of chunks, a bit for each.
pub type Chunks = u8;

/// Packs by the run that wrote them, each with the chunks in it; an empty one is not there.
pub type Packs = [Chunks; RUNS];

/// Chunks that the first snapshots have.
pub const A: Chunks = 1;
pub const B: Chunks = 2;
pub const E: Chunks = 4;
/// A chunk that is new to both writers.
pub const D: Chunks = 8;

/// The run of the first snapshot, `kept` below: it needs a chunk of a pack that has more.
pub const KEPT: Run = 0;
/// The run of the second one, the first that is forgotten: it needs the rest, and a whole pack.
pub const LOOSE: Run = 1;

/// The run number `n` (0 or 1) of a writer (0 or 1).
pub const fn run_of(writer: usize, n: u8) -> Run {
    2 + 2 * writer as u8 + n
}

/// The only run of a collector (0 or 1).
pub const fn turn_of(collector: usize) -> Run {
    6 + collector as u8
}

pub const fn only(run: Run) -> Runs {
    1 << run
}

pub const fn has(runs: Runs, run: Run) -> bool {
    runs >> run & 1 == 1
}

/// The members of a set.
pub fn each(runs: Runs) -> impl Iterator<Item = Run> {
    (0..RUNS as u8).filter(move |run| has(runs, *run))
}

/// The runs whose packs are there.
pub fn there(packs: &Packs) -> Runs {
    let full = (0..RUNS as u8).filter(|run| packs[usize::from(*run)] != 0);
    full.fold(0, |runs, run| runs | only(run))
}

pub fn session(run: Run) -> SessionId {
    SessionId::new([run + 1; 16])
}

pub fn run_of_session(id: SessionId) -> Run {
    id.as_bytes()[0] - 1
}

/// A pack is named by what is in it.
pub fn pack(run: Run, chunks: Chunks) -> PackId {
    let mut id = [0; 32];
    (id[0], id[1]) = (run, chunks);
    PackId::new(id)
}

pub fn of_pack(id: PackId) -> (Run, Chunks) {
    (id.as_bytes()[0], id.as_bytes()[1])
}

/// A segment is named by the packs that it describes.
pub fn segment(run: Run, packs: Runs) -> SegmentId {
    let mut id = [0; 32];
    (id[0], id[1]) = (run, packs);
    SegmentId::new(id)
}

pub fn of_segment(id: SegmentId) -> (Run, Runs) {
    (id.as_bytes()[0], id.as_bytes()[1])
}

pub fn manifest(run: Run) -> SnapshotId {
    SnapshotId::new([run; 32])
}

pub fn of_manifest(id: SnapshotId) -> Run {
    id.as_bytes()[0]
}

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signer {
    Owner,
    Writer(u8),
    Collector(u8),
    Operator,
}

impl Signer {
    pub fn key(self) -> VerificationKey {
        let number = match self {
            Self::Owner => 1,
            Self::Operator => 2,
            Self::Writer(n) => 3 + n,
            Self::Collector(n) => 5 + n,
        };
        SigningKey(Secret::new([number; 32])).verification()
    }

    pub fn id(self) -> WriterId {
        self.key().writer()
    }
}
