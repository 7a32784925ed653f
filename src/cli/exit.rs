//! How the program ends: exit codes, and errors as people read them.

use crate::cli::{disk, opened, show, signals};
use crate::pipeline;
use crate::repository::{Error, Refusal};
use crate::restore::{self, swap::SwapError, tree::Kind, tree::TreeError};
use crate::store::service::Service;
use crate::store::{OpenError, StoreError, StoreErrorKind};
use crate::sync;
use std::process::ExitCode;

/// Exit codes. The only table that counts; signals add 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// An error, or words that make no sense; a difference, when a comparison was asked for that.
    Error,
    /// Done, but something could not be saved, restored or compared whole.
    Partial,
    /// Damage was found.
    Damage,
    /// The store is out of reach.
    Unreachable,
    /// Busy, or the race for the log was lost too often.
    Busy,
    /// There is no repository.
    NoRepository,
    /// The key does not open the repository, or has no right to this.
    WrongKey,
    /// Ended by a signal.
    Signal(u8),
    /// What another process of this program ended with.
    OfProcess(u8),
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Partial => 3,
            Self::Damage => 4,
            Self::Unreachable => 5,
            Self::Busy => 6,
            Self::NoRepository => 10,
            Self::WrongKey => 12,
            Self::Signal(n) => 128 + n,
            Self::OfProcess(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The repository, or what was asked of it.
    Repository(Error),
    /// A run made no snapshot.
    Pipeline(pipeline::Error),
    /// A restore could not begin or go on.
    Restore(restore::Error),
    /// A copy was not made, or not taken into service.
    Sync(sync::Error),
    /// A disk could not be read or written.
    Disk(crate::disk::Error),
    /// Words, with what to do about them.
    Usage(String, Option<String>),
    /// What was asked for could not be read when it was saved.
    Unread(String),
    /// The output could not be written.
    Output(std::io::Error),
}

macro_rules! from {
    ($($variant:ident($type:ty)),*) => { $(impl From<$type> for Failure {
        fn from(error: $type) -> Self { Self::$variant(error) }
    })* };
}
from!(
    Repository(Error),
    Pipeline(pipeline::Error),
    Restore(restore::Error),
    Sync(sync::Error),
    Disk(crate::disk::Error),
    Output(std::io::Error)
);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Repository(error.into())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Address(error) => Self::Usage(error.message, Some(error.hint)),
            OpenError::Store(error) => error.into(),
        }
    }
}

impl Failure {
    /// Words without a hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into(), None)
    }

    fn repository(&self) -> Option<&Error> {
        match self {
            Self::Repository(e) | Self::Pipeline(pipeline::Error::Repository(e)) => Some(e),
            Self::Pipeline(pipeline::Error::ReadOnce(e)) => Some(e),
            Self::Restore(restore::Error::Repository(e)) => Some(e),
            _ => None,
        }
    }

    /// The exit code that it stands for.
    pub fn exit(&self) -> Exit {
        let is_interrupted = matches!(self.repository(), Some(Error::Interrupted))
            || matches!(self, Self::Sync(sync::Error::Interrupted))
            || matches!(self, Self::Disk(crate::disk::Error::Interrupted { .. }));
        if let Some(signal) = signals::received().filter(|_| is_interrupted) {
            return Exit::Signal(signal);
        }
        if let Self::Sync(error) = self {
            return sync_exit(error);
        }
        match self.repository() {
            Some(e) if e.is_damage() => Exit::Damage,
            Some(Error::NoRepository { .. } | Error::Unfinished { .. }) => Exit::NoRepository,
            Some(
                Error::WrongKey { .. }
                | Error::NeedsOwner
                | Error::NotEnrolled { .. }
                | Error::Revoked { .. }
                | Error::NoRight { .. }
                | Error::Refusal(Refusal::OtherScope { .. }),
            ) => Exit::WrongKey,
            Some(
                Error::LostRace { .. }
                | Error::GivenUp { .. }
                | Error::Fenced { .. }
                | Error::Busy { .. },
            ) => Exit::Busy,
            Some(Error::Store(e)) if e.kind == StoreErrorKind::Unreachable => Exit::Unreachable,
            Some(Error::SelfTest) => Exit::Damage,
            _ => match self {
                Self::Unread(_) => Exit::Partial,
                // Whoever reads our output went away: as if by SIGPIPE.
                Self::Restore(restore::Error::Swap(SwapError::Incomplete(_))) => Exit::Damage,
                Self::Output(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Exit::Signal(13),
                _ => Exit::Error,
            },
        }
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        if let Self::Usage(_, hint) = self {
            return hint.clone();
        }
        if let Self::Restore(restore::Error::Target(error)) = self {
            return target_hint(error).map(str::to_owned);
        }
        if let Self::Restore(restore::Error::Disk(error)) = self {
            return disk::hint(error);
        }
        if let Self::Restore(restore::Error::Swap(error)) = self {
            return swap_hint(error).map(str::to_owned);
        }
        if let Self::Sync(error) = self {
            return sync_hint(error);
        }
        if let Self::Disk(error) = self {
            return disk::hint(error);
        }
        if let Self::Pipeline(pipeline::Error::Feed(_)) = self {
            return Some("no snapshot was made; the last one is as it was".to_owned());
        }
        if let Self::Pipeline(pipeline::Error::ReadOnce(_)) = self {
            return Some("run it again".to_owned());
        }
        let hint = match self.repository()? {
            Error::NoRepository { .. } => {
                "make one with `esker init`, or name another with --repo or ESKER_REPOSITORY"
            }
            Error::Unfinished { .. } => {
                "nothing was saved in it: remove the folder and run `esker init` again"
            }
            Error::NoProfile { .. } => {
                "it was made by an earlier esker: make a new one, and bring the snapshots over with `esker copy`"
            }
            Error::AlreadyThere { .. } => "use it as it is, or name another folder with --repo",
            Error::WrongKey { .. } => {
                "name the right key with --key-file, or open it with --recovery-key"
            }
            Error::NeedsOwner => {
                "name the owner's key with --key-file, or open the repository with --recovery-key"
            }
            Error::NotEnrolled { .. } => {
                "its export was cut off, or this is an older copy of the repository: remove the key \
                 file, and let the owner run `esker key export-writer` again"
            }
            Error::Revoked { .. } => {
                "use another key, or let the owner make one with `esker key export-writer`"
            }
            Error::NameTaken { .. } => "choose another name, or revoke that one first",
            Error::NameIsId { .. } => "choose another name: people revoke by name and by id",
            Error::NoScope { .. } => "`esker key list` shows the scopes; `--scope new` makes one",
            Error::SlotTaken { .. } => "use it as it is, or choose another one",
            Error::NoWriter { .. } | Error::NoSlot { .. } => "`esker key list` lists what there is",
            Error::AmbiguousWriter { .. } | Error::AmbiguousSlot { .. } => "give more of the id",
            Error::OwnWriter => {
                "whoever has the owner's key or the recovery key has the whole repository: begin a \
                 new one with `esker init`"
            }
            Error::NoRight { .. } => {
                "use a key with the role that it needs: the owner makes one with `esker key export-writer`"
            }
            Error::Refusal(refusal) => refusal_hint(refusal)?,
            Error::NoSnapshot { .. } => "`esker snapshots` lists what there is",
            Error::AmbiguousSnapshot { .. } => "give more digits of the id",
            Error::Filtered { .. } => {
                "--label, --host, --writer, --tag and --at leave it out: `esker snapshots` with the same \
                 options lists what they leave"
            }
            Error::AmbiguousLabel { .. } => {
                "name the label with --label, and the snapshot `latest`"
            }
            Error::NoPath { .. } => "`esker ls SNAPSHOT` lists the paths; they are absolute",
            Error::Newer { .. } => "use the version of esker that wrote it, or a later one",
            Error::NoSnapshotLeft { .. } => "`esker check` says what is damaged",
            Error::Missing { object } if object == esker_format::names::CONFIG => {
                "nothing opens without it: `esker repair --from COPY` brings it back from another copy of the \
                 repository"
            }
            Error::Missing { .. } | Error::Damaged { .. } | Error::NoChunk { .. } => {
                "`esker check --read-data` names everything that is damaged, and what it belongs to; `esker \
                 repair` mends what can be mended"
            }
            Error::History(_) => {
                "was it put back from a copy on purpose? Then `--accept-history` goes on with it as it is, and \
                 what was saved, forgotten, held, tagged, enrolled or revoked since is undone; else let \
                 nothing write there, and compare it with another copy of the repository"
            }
            Error::Gap { .. } => {
                "an entry was lost: `esker repair --from COPY` brings it back from another copy. Should the later \
                 one be nobody's (`esker check` tells), remove it; `--accept-history` passes over one \
                 that is more than 1000 entries behind the end"
            }
            Error::CutOff { .. } => {
                "what was saved before it can be read. To go on, `esker repair --from COPY` brings the entry back \
                 from another copy; should it be nobody's (a copy of another entry, say), remove it"
            }
            Error::Mirror { .. } => {
                "use the repository that it is a copy of; should that be lost, `esker promote` takes the copy \
                 into service"
            }
            Error::Break { .. } => {
                "somebody rolled the log back, forked it or changed it: let nothing write there, \
                 and compare it with another copy of the repository"
            }
            Error::Database { .. } => {
                "it is a cache: run this again; should that not help, delete it, and the next run makes it \
                 again from the repository"
            }
            Error::Store(e) => return store_hint(e),
            Error::GivenUp { .. } | Error::Fenced { .. } => {
                "run it again, and let collections be rarer or wait longer (`esker gc --abort-after`)"
            }
            Error::Held { .. } => {
                "write from there; reading works everywhere. To write from here instead, let nothing write there \
                 any more, and the owner runs `esker takeover` here"
            }
            Error::Busy { .. } => "run it again when that one is done",
            Error::NotForSeveral { .. } => {
                "the owner makes this machine the only one that writes with `esker takeover --single-writer`; \
                 `esker probe --again` tries the store again"
            }
            Error::Unproven { .. } => {
                "run it again; should that not help, let this machine be the only one that writes: \
                 `esker init --single-writer`, or for a repository that is there `esker takeover --single-writer`"
            }
            Error::Unfit { .. } => {
                "choose another place; `esker probe --again` tries this one again"
            }
            Error::NoStateFolder => "name one with --state-dir or ESKER_STATE_DIR, and keep it",
            Error::SelfTest => {
                "test memory and processor of this machine before you trust it with data"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// The error and its causes in one line.
    pub fn describe(&self) -> String {
        let told = self.told();
        std::iter::once(told.error).chain(told.causes).collect::<Vec<_>>().join(": ")
    }

    /// Prints it to standard error, with `json` as one JSON object, and returns the exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        let exit = self.exit();
        if exit != Exit::Signal(13) {
            let mut told = Told { exit_code: exit.code(), ..self.told() };
            if !json && self.was_warned_of() {
                "nothing was written, for the reason that was warned of"
                    .clone_into(&mut told.error);
            }
            if json { told.print_json() } else { told.print() }
        }
        exit.into()
    }

    /// Whether it is what was said as a warning when the repository was opened: nobody needs it twice.
    fn was_warned_of(&self) -> bool {
        let refusal = self
            .repository()
            .filter(|e| matches!(e, Error::History(_) | Error::CutOff { .. } | Error::Gap { .. }));
        refusal.is_some_and(opened::was_told)
    }

    /// Message, causes and hint.
    fn told(&self) -> Told {
        let error: &dyn std::error::Error = match self {
            Self::Repository(e) => e,
            Self::Pipeline(e) => e,
            Self::Restore(e) => e,
            Self::Sync(e) => e,
            Self::Disk(e) => e,
            Self::Output(e) => {
                let error = format!("cannot write the output: {e}");
                return Told { error, ..Told::default() };
            }
            Self::Unread(error) => {
                let hint = "`esker restore` gives back what could be read, with zeros for the rest";
                let (error, hint) = (error.clone(), Some(hint.to_owned()));
                return Told { error, hint, ..Told::default() };
            }
            Self::Usage(message, hint) => {
                return Told { error: message.clone(), hint: hint.clone(), ..Told::default() };
            }
        };
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !causes.contains(&text) {
                causes.push(text);
            }
            source = cause.source();
        }
        Told { error: error.to_string(), causes, hint: self.hint(), exit_code: 0 }
    }
}

/// An error, ready to be told.
#[derive(serde::Serialize, Default)]
struct Told {
    error: String,
    causes: Vec<String>,
    hint: Option<String>,
    exit_code: u8,
}

impl Told {
    fn print(&self) {
        show::error(&self.error);
        self.causes.iter().for_each(|cause| show::cause(cause));
        self.hint.iter().for_each(|hint| show::hint(hint));
    }

    fn print_json(&self) {
        // Texts and numbers can always be written.
        if let Ok(text) = serde_json::to_string(self) {
            show::note(&text);
        }
    }
}

/// Tells as JSON that the words of the command make no sense. `text` is what would be told to
/// people: the error, then advice.
pub fn json_usage(text: &str) {
    let (error, advice) = text.split_once("\n\n").unwrap_or((text, ""));
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let hint = Some(one_line(advice)).filter(|hint| !hint.is_empty());
    let error = one_line(error.strip_prefix("error: ").unwrap_or(error));
    Told { error, hint, causes: Vec::new(), exit_code: Exit::Error.code() }.print_json();
}

/// What to do about a target that cannot be used.
fn target_hint(error: &TreeError) -> Option<&'static str> {
    match error.kind() {
        Kind::Exists => Some("name a new or an empty directory"),
        Kind::NoSpace => Some(
            "make room and run it again, or name a directory on a larger file system; \
             files that were there are old or new, each as a whole",
        ),
        Kind::ReadOnly => Some("name a directory that can be written to"),
        _ => None,
    }
}

/// What to do about a store that fails.
fn store_hint(e: &StoreError) -> Option<String> {
    let hint = match e.kind {
        StoreErrorKind::NoSpace => {
            "make room and run it again: what was uploaded whole is not lost"
        }
        StoreErrorKind::Permission if let Some(service) = Service::of(&e.location) => {
            // S3 does not tell whether something is there to whoever may not find out by a listing.
            let list = match service == Service::S3 && e.operation == "read" {
                true => "; who may not list the bucket is denied what is not there too",
                false => "",
            };
            return Some(format!(
                "are these the right keys, and may they do that there? They come from {}{list}",
                service.keys_from()
            ));
        }
        StoreErrorKind::Unreachable => {
            "look at the address and the way there, and run it again: what was saved whole is \
                     not lost"
        }
        StoreErrorKind::NotFound if e.is_no_store() && Service::of(&e.location).is_some() => {
            "make it first, with the tools of the service, or correct the address"
        }
        StoreErrorKind::Permission if e.operation == "read" => {
            "this user may not read there: look at owner and mode of the repository"
        }
        StoreErrorKind::Permission if e.operation == "open" => {
            "this user may not go there: look at owner and mode of the repository; far away, try \
                     whether `ssh HOST` lets you in without a question"
        }
        StoreErrorKind::ReadOnly | StoreErrorKind::Permission => {
            "this needs write access to the repository; reading commands do not"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The exit code of a copy that was not made.
const fn sync_exit(error: &sync::Error) -> Exit {
    match error {
        sync::Error::Store(StoreError { kind: StoreErrorKind::Unreachable, .. }) => {
            Exit::Unreachable
        }
        sync::Error::NoRepository { .. } => Exit::NoRepository,
        sync::Error::Diverged { .. } | sync::Error::Longer { .. } | sync::Error::Damaged { .. } => {
            Exit::Damage
        }
        sync::Error::Restless { .. } => Exit::Busy,
        _ => Exit::Error,
    }
}

/// What to do about a copy that was not made.
fn sync_hint(error: &sync::Error) -> Option<String> {
    use sync::Error as Sync;
    let hint = match error {
        Sync::Store(e) if e.name == esker_format::names::MIRROR && e.operation == "delete" => {
            "taking a copy into service deletes this one object: use an account that may, and take the right \
             away again afterwards"
        }
        Sync::Store(e) => return store_hint(e),
        Sync::NoRepository { .. } => "name the repository with --repo or ESKER_REPOSITORY",
        Sync::Same { .. } => "name another place for the copy",
        Sync::NotACopy { .. } => {
            "name a place that is empty. A repository that takes snapshots of its own, also a copy that was \
             promoted, can be no copy of another one"
        }
        Sync::NotMarked { .. } => "it takes snapshots as it is",
        Sync::OtherRepository { .. } => "name another place for the copy",
        Sync::Diverged { .. } => {
            "one of the two was put back from elsewhere, or written to beside the other. Nothing was changed: find \
             out which one is right, and sync that to a new place"
        }
        Sync::Longer { .. } => {
            "nothing was changed, and the copy may be all that is left of what is missing: restore from it, or \
             compare it with other copies. To sync all the same, choose a new place"
        }
        Sync::Damaged { .. } => {
            "nothing was changed: bring the object back from another copy first"
        }
        Sync::Restless { .. } => "what was copied stays: run it again when no collection runs",
        Sync::Unfinished { .. } => {
            "finish it with `esker sync` if the repository is still there; else `esker promote --cut-off` gives up \
             what was on its way"
        }
        Sync::Interrupted => return None,
    };
    Some(hint.to_owned())
}

/// What to do where a snapshot stays as it is.
const fn refusal_hint(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::Held { .. } => "`esker unhold` releases it",
        Refusal::Forgotten { .. } => {
            "`esker snapshots --forgotten` lists it, and `esker unforget` with its id brings it back"
        }
        Refusal::Required { .. } => "forget both, or neither",
        Refusal::Last { .. } => {
            "nothing would be left of the series; --whole-series says that you mean it"
        }
        Refusal::LastComplete { .. } => "others have forgotten some meanwhile: run it again",
        Refusal::Unseen { .. } => {
            "--whole-series says that you mean it; keys of its scope and the owner's see what it is"
        }
        Refusal::OtherScope { .. } => "use a key of its scope, or the owner's",
        Refusal::Collected { .. } | Refusal::TooManyTags { .. } => return None,
    })
}

/// What to do where directories cannot be exchanged.
const fn swap_hint(error: &SwapError) -> Option<&'static str> {
    Some(match error {
        SwapError::Root | SwapError::MountPoint(_) | SwapError::MountInside { .. } => {
            "restore without --swap: what differs is replaced file by file"
        }
        SwapError::Here(_) => {
            "go to another directory first: you would stay in the old one without noticing"
        }
        SwapError::NotADirectory(_) => "name a directory",
        SwapError::Nothing(_) => "only `esker restore --swap` keeps something to go back to",
        SwapError::Unclear(..) => "rename the one that is not meant, and run it again",
        SwapError::Incomplete(_) => "take from it what you need, or restore without --swap",
        SwapError::System { .. } => return None,
    })
}
