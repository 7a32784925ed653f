//! What one exploration has: who is there, and how often things may happen. Each exploration is
//! complete within them.

use super::world::{A, B, Chunks, D, E, KEPT, LOOSE, Run, Runs, only};
use esker::repository::validate::Rule;

/// A rule or a habit that is left out, to see that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A writer that lost a race appends the same at the new end, and nobody validates commits.
    AppendsBlindly,
    /// The same, and all others validate: the snapshot was reported as saved and is not there.
    ReportsVoidCommits,
    /// A collector that lost a race appends its mark at the new end, and nobody validates marks.
    MarksBlindly,
    /// Whoever collects removes unlogged packs without fencing their sessions.
    FencesNobody,
    /// It fences, and goes on with what was unlogged before.
    JudgesOrphansByAnOldState,
    /// A run that takes packs over says that they are its own.
    AdoptsUnderItsOwnName,
    /// A commit's set is that of its base and its own packs.
    NamesNoLookedUpPacks,
    /// A commit is appended before its packs are durable.
    CommitsBeforePacksAreDurable,
    /// A mark replaces packs by what was in use of them, whatever became of the sets since the walk.
    TrustsOldWalks,
    /// A collector sends a plan without looking whether it fits: the rules of the log are enough.
    LeavesItToTheRules,
    /// The set of a snapshot is narrowed to those of its packs in which the walk has found a chunk,
    /// although it has found others in packs that are not of the set.
    NarrowsTooFar,
    /// Replacements are made in the sets of forgotten snapshots too.
    ReplacesForgottenSets,
    /// Packs that are marked are removed before the log gives them up.
    RemovesWhatIsMarked,
    /// A sync does not look for entries with the flag `deletes`.
    IgnoresDeletes,
    /// A sync lists before it reads where the log ends.
    ListsBeforeTheTail,
    /// A sync that lists again keeps the end of the log that it has read first.
    KeepsTheOldTail,
    /// A sync puts log entries from the oldest to the newest.
    PutsEntriesUpwards,
    /// The store overwrites log entries.
    StoreOverwrites,
}

/// What a writer does.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The chunks of its snapshot, those of the base included.
    pub target: Chunks,
    /// A snapshot whose references it takes over.
    pub base: Option<Run>,
    /// Whether it may publish its packs and hold others before it commits.
    pub publishes: bool,
    /// Whether it may take over what the other one has put.
    pub adopts: bool,
    /// How often it may start over.
    pub again: u8,
}

/// How often things may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    /// An actor is killed.
    pub crashes: u8,
    /// The reply to an append is lost.
    pub mute: u8,
    /// A put arrives and will arrive once more.
    pub repeats: u8,
    /// An actor no longer waits for its append, and goes on.
    pub tired: u8,
    pub forgets: u8,
    pub unforgets: u8,
    /// Packs that no live set has are marked.
    pub marks: u8,
    pub repacks: u8,
    /// Packs are marked of which a walk found nothing in use.
    pub walks: u8,
    pub narrows: u8,
    pub deletes: u8,
    /// The store is listed to find what no entry names.
    pub lists: u8,
    pub compacts: u8,
    pub syncs: u8,
    /// The mirror removes something that its log gave up.
    pub sweeps: u8,
}

/// The bounds of one exploration.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub writers: [Option<Job>; 2],
    pub collectors: usize,
    /// Both writers are of one host: a run and the one that carries it on.
    pub is_one_host: bool,
    pub has_segments: bool,
    /// Snapshots that may be forgotten.
    pub forgettable: Runs,
    /// Packs that may be repacked.
    pub repackable: Runs,
    /// The second pack has a chunk of the first one too, and the second snapshot both.
    pub has_copies: bool,
    pub left: Left,
    /// What must happen in some state.
    pub reaches: &'static [&'static str],
    pub fault: Option<Fault>,
    /// A rule that nobody knows.
    pub unknown: Option<Rule>,
}

/// A writer that looks up a pack which only the second snapshot needs.
pub const FIRST: Job = Job { target: E | D, base: None, publishes: false, adopts: false, again: 0 };

/// One that builds on the first snapshot, and looks up a chunk that only the second one needs.
pub const SECOND: Job =
    Job { target: A | B | D, base: Some(KEPT), publishes: false, adopts: false, again: 0 };

/// Nobody is there, and nothing happens.
pub const NOTHING: Left = Left {
    crashes: 0,
    mute: 0,
    repeats: 0,
    tired: 0,
    forgets: 0,
    unforgets: 0,
    marks: 0,
    walks: 0,
    repacks: 0,
    narrows: 0,
    deletes: 0,
    lists: 0,
    compacts: 0,
    syncs: 0,
    sweeps: 0,
};

/// What explorations begin with.
pub const BASE: Bounds = Bounds {
    writers: [None, None],
    collectors: 1,
    is_one_host: false,
    has_segments: false,
    forgettable: only(LOOSE),
    repackable: only(KEPT),
    has_copies: false,
    left: NOTHING,
    reaches: &[],
    fault: None,
    unknown: None,
};

impl Bounds {
    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

/// The chunks of the second pack.
pub const fn loose(bounds: &Bounds) -> Chunks {
    if bounds.has_copies { E | A } else { E }
}
