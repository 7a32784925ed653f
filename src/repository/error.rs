//! What can go wrong with a repository, as data.

use crate::repository::history::Doubt;
use crate::repository::keep::Refusal;
use crate::store::{StoreError, StoreErrorKind};
use esker_format::FormatError;
use esker_format::ids::{SessionId, SnapshotId, WriterId};

/// The result of a repository operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object has bytes that break the format, or is not the object that was asked for.
    #[error("{object} is damaged")]
    Damaged {
        /// Name of the object.
        object: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// An object that the log names is not in the store.
    #[error("{object} is missing from the store")]
    Missing {
        /// Name of the object.
        object: String,
    },
    /// The log is not one unbroken history: it was rolled back, forked, or changed.
    #[error("the log breaks at {object}: {why}")]
    Break {
        /// Name of the entry.
        object: String,
        /// What is wrong there.
        why: &'static str,
    },
    /// An entry of the log is not there, and a later one is.
    #[error("the log breaks at {object}: it is missing, and {later} is there")]
    Gap {
        /// Name of the entry that is not there.
        object: String,
        /// Name of the first one behind it.
        later: String,
    },
    /// An entry of the log cannot be read, and nothing behind it.
    #[error(
        "the log cannot be read from {object} on, and what was saved after it is not shown: {why}"
    )]
    CutOff {
        /// Name of the entry.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// The log is not the one that this machine has read before.
    #[error("the log was rolled back or changed: {0}")]
    History(Box<Doubt>),
    /// The store is a copy, and less of the log is in it than this machine has read.
    #[error("this copy is {entries} behind what was seen here before", entries = entries(*behind))]
    Behind {
        /// How many entries.
        behind: u64,
    },
    /// The store is a copy, and log entries are there that nobody can read yet.
    #[error("the last sync to this copy is not finished: what it showed before is whole")]
    UnfinishedCopy,
    /// The store is a copy.
    #[error("{location} is a copy of a repository: nothing may be appended to it")]
    Mirror {
        /// Where it is.
        location: String,
    },
    /// A checkpoint is not to be believed. It is passed over.
    #[error("{object} is not a checkpoint of this log: {why}")]
    Checkpoint {
        /// Its name.
        object: String,
        /// Why.
        why: String,
    },
    /// An entry of the log breaks a rule. It is passed over.
    #[error("{object} is void and changes nothing: {why}")]
    Void {
        /// Name of the entry.
        object: String,
        /// The rule.
        why: String,
    },
    /// The file table does not have what it had when the run began.
    #[error("the file table changed while it was read")]
    FileTable,
    /// An object is there and cannot be read, while the store as a whole answers.
    #[error("{object} cannot be read")]
    Unreadable {
        /// Name of the object.
        object: String,
        /// Why.
        source: StoreError,
    },
    /// A newer version of esker made this.
    #[error("{object} was written by a newer esker")]
    Newer {
        /// Name of the object.
        object: String,
        /// What is newer.
        source: FormatError,
    },
    /// The repository was made before there was a profile for such content.
    #[error("this repository has no chunking profile {number}, which such content is cut by")]
    NoProfile {
        /// Its number.
        number: u32,
    },
    /// There is no repository at this place.
    #[error("{location} holds no esker repository")]
    NoRepository {
        /// Where it was looked for.
        location: String,
    },
    /// A repository is there already.
    #[error("{location} holds an esker repository already")]
    AlreadyThere {
        /// Where it is.
        location: String,
    },
    /// An earlier `init` was interrupted before the repository was complete.
    #[error("{location} holds an esker repository that was never finished")]
    Unfinished {
        /// Where it is.
        location: String,
    },
    /// The key does not open this repository.
    #[error("the key does not open this repository: {reason}")]
    WrongKey {
        /// Why.
        reason: String,
    },
    /// Content can be read, and writers enrolled and revoked, with the owner's key only.
    #[error("this needs the owner's key; a writer's key cannot read content or manage keys")]
    NeedsOwner,
    /// The log does not know the writer that a key belongs to.
    #[error("this key was never enrolled: the log knows no writer {writer}")]
    NotEnrolled {
        /// The writer.
        writer: WriterId,
    },
    /// The key belongs to a writer that the owner has revoked.
    #[error("this key was revoked: nothing that writer {name} ({writer}) signs counts any more")]
    Revoked {
        /// Its name.
        name: String,
        /// Its id.
        writer: WriterId,
    },
    /// A name that no writer can have.
    #[error("a writer needs a name of one line")]
    WriterName,
    /// A writer of this name is enrolled.
    #[error("a writer called {name} is enrolled already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The name could be taken for the id of another writer.
    #[error("the id of a writer begins with {name}")]
    NameIsId {
        /// The name.
        name: String,
    },
    /// No writer has this scope.
    #[error("no writer has the scope {scope}")]
    NoScope {
        /// The scope.
        scope: u32,
    },
    /// A passphrase opens a key slot already.
    #[error("that passphrase opens the repository already, with key slot {slot}")]
    SlotTaken {
        /// The slot.
        slot: SessionId,
    },
    /// Another writer got the scope that a new one was to have alone.
    #[error("scope {scope} was given to another writer meanwhile")]
    ScopeTaken {
        /// The scope.
        scope: u32,
    },
    /// No writer goes by this name.
    #[error("no writer {what}")]
    NoWriter {
        /// What was asked for.
        what: String,
    },
    /// Several writers go by this name.
    #[error("{what} names several writers: {}", candidates.join(", "))]
    AmbiguousWriter {
        /// What was asked for.
        what: String,
        /// What it could mean.
        candidates: Vec<String>,
    },
    /// The owner's own writer.
    #[error("the owner's own key cannot be revoked")]
    OwnWriter,
    /// No key slot has this id.
    #[error("no key slot {what}")]
    NoSlot {
        /// What was asked for.
        what: String,
    },
    /// Several key slots have ids that begin like this.
    #[error("{what} names several key slots")]
    AmbiguousSlot {
        /// What was asked for.
        what: String,
    },
    /// The log does not let this key do this.
    #[error("this key may not {what}: {why}")]
    NoRight {
        /// What was tried, as a verb.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// No snapshot goes by this name.
    #[error("no snapshot {selector}")]
    NoSnapshot {
        /// What was asked for.
        selector: String,
    },
    /// No snapshot goes by this name in what could be read of a damaged log.
    #[error("no snapshot {selector}, as far as the log could be read: it is damaged")]
    NoSnapshotLeft {
        /// What was asked for.
        selector: String,
    },
    /// Several snapshots go by this name.
    #[error("{selector} names several snapshots: {}", list(candidates))]
    AmbiguousSnapshot {
        /// What was asked for.
        selector: String,
        /// What it could mean.
        candidates: Vec<SnapshotId>,
    },
    /// A snapshot needs another one to be restored, which was not copied.
    #[error("it needs snapshot {snapshot}, which was not copied")]
    NotCopied {
        /// The other one.
        snapshot: String,
    },
    /// What was asked for is there, and the filter leaves it out.
    #[error("snapshot {selector} is not among those that were asked for")]
    Filtered {
        /// What was asked for.
        selector: String,
    },
    /// The words can be read with several labels.
    #[error("{what} can mean several labels: {}", labels.join(", "))]
    AmbiguousLabel {
        /// What was asked for.
        what: String,
        /// What it could mean.
        labels: Vec<String>,
    },
    /// A path that is not in the snapshot.
    #[error("{path} is not in snapshot {snapshot}")]
    NoPath {
        /// The path, made printable.
        path: String,
        /// The snapshot, shortened.
        snapshot: String,
    },
    /// The entry breaks a rule of the log in the state that it would follow.
    #[error("the log does not take the entry: {rule}")]
    Refused {
        /// The rule.
        rule: String,
    },
    /// A snapshot stays as it is.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// Another machine is the only one that may write.
    #[error("only {holder} may write to this repository{}", not_here(here.as_deref()))]
    Held {
        /// Its name.
        holder: String,
        /// The name of this one, where it has any.
        here: Option<String>,
    },
    /// Another run of the machine that may write is at work.
    #[error("another run on this machine is writing to this repository: it holds {path}")]
    Busy {
        /// The file that it holds.
        path: String,
    },
    /// The store is not fit for several writers, and the repository is for several.
    #[error("{location} is not fit for more than one writer: {why}")]
    NotForSeveral {
        /// Where it is.
        location: String,
        /// Why not.
        why: String,
    },
    /// Whether the store is fit for several writers could not be found out.
    #[error("whether {location} is fit for more than one writer could not be found out: {why}")]
    Unproven {
        /// Where it is.
        location: String,
        /// Why not.
        why: String,
    },
    /// The store is not fit for a repository.
    #[error("{location} can keep no repository: {why}")]
    Unfit {
        /// Where it is.
        location: String,
        /// Why not.
        why: String,
    },
    /// This machine has no folder for what must not be lost, and needs one.
    #[error("this machine has no folder for its state, and no name without one")]
    NoStateFolder,
    /// Others were faster, too often.
    #[error("session {session} lost the race for the log too often")]
    LostRace {
        /// The session.
        session: SessionId,
    },
    /// A pack that this run relies on was given up by a collection meanwhile.
    #[error("{object} was given up by a collection while this run relied on it")]
    GivenUp {
        /// The pack.
        object: String,
    },
    /// The session was ended by a collection, because it was silent for too long.
    #[error("session {session} was ended by a collection, which took it for dead")]
    Fenced {
        /// The session.
        session: SessionId,
    },
    /// A chunk that a snapshot needs is in no pack.
    #[error("chunk {id} is in no pack")]
    NoChunk {
        /// The chunk.
        id: String,
    },
    /// The index database failed.
    #[error("index database {path}")]
    Database {
        /// Where it is.
        path: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of this machine could not be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What failed.
        source: std::io::Error,
    },
    /// A sealed frame did not open to what was sealed: memory or processor of this machine fail.
    #[error("a frame did not open to what was sealed in it: this machine computes wrongly")]
    SelfTest,
    /// A value that is made here breaks the format.
    #[error("cannot encode")]
    Encode(#[from] FormatError),
    /// The run was asked to stop.
    #[error("stopped by a signal")]
    Interrupted,
    /// A thread of this run ended without an answer.
    #[error("a thread of this run failed")]
    Thread,
}

impl Error {
    /// Damage found while reading an object: [`Error::Newer`] when only the version is at fault.
    pub fn damaged(object: impl Into<String>, source: FormatError) -> Self {
        let object = object.into();
        match source {
            FormatError::Unsupported { .. } => Self::Newer { object, source },
            source => Self::Damaged { object, source },
        }
    }

    /// That the log asks for a feature that this version does not have.
    pub fn required(what: &'static str, feature: u32) -> Self {
        let source = FormatError::Unsupported { what, number: feature.into() };
        Self::Newer { object: "the log".to_owned(), source }
    }

    /// The same error, with NotFound told as a missing object.
    pub fn from_read(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound => Self::Missing { object: error.name.clone() },
            StoreErrorKind::Truncated | StoreErrorKind::TooLarge => Self::Damaged {
                object: error.name.clone(),
                source: FormatError::Length { what: "object" },
            },
            _ => Self::Store(error),
        }
    }

    /// The same for an object of which there are many: that one of them cannot be read says
    /// nothing about the others.
    pub fn from_part(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Permission | StoreErrorKind::Other if !is_shortage(&error) => {
                Self::Unreadable { object: error.name.clone(), source: error }
            }
            _ => Self::from_read(error),
        }
    }

    /// Whether something in the repository is lost or changed, as opposed to out of reach.
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Unreadable { .. }
                | Self::Missing { .. }
                | Self::NoSnapshotLeft { .. }
                | Self::Break { .. }
                | Self::Gap { .. }
                | Self::CutOff { .. }
                | Self::History(_)
                | Self::NoChunk { .. }
        )
    }
}

/// Whether it is this process that lacks something, and not the object.
fn is_shortage(error: &StoreError) -> bool {
    use rustix::io::Errno;
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<std::io::Error>());
    let errno = source.and_then(Errno::from_io_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS))
}

fn not_here(here: Option<&str>) -> String {
    here.map_or(String::new(), |here| format!(", and this is {here}"))
}

fn entries(count: u64) -> String {
    format!("{count} log {}", if count == 1 { "entry" } else { "entries" })
}

fn list(ids: &[SnapshotId]) -> String {
    ids.iter().map(|id| id.to_string()[..16].to_owned()).collect::<Vec<_>>().join(", ")
}
