//! What can go wrong with a store, as data.

use std::error::Error;
use std::fmt;
use std::io;

/// What a store could not do, to which object, where, and why.
#[derive(Debug)]
pub struct StoreError {
    /// The kind of failure, for decisions.
    pub kind: StoreErrorKind,
    /// What was tried, as a verb: "write", "read", "list".
    pub operation: &'static str,
    /// Where the store is.
    pub location: String,
    /// The object or prefix; empty when the store as a whole is meant.
    pub name: String,
    /// The cause, when there is one below.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of failure that a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// There is no such object, or no such store.
    NotFound,
    /// The store takes no writes.
    ReadOnly,
    /// The device or the quota is full.
    NoSpace,
    /// The store refuses this to us.
    Permission,
    /// The object is longer than the limit given.
    TooLarge,
    /// The object ends before the range asked for.
    Truncated,
    /// The name is none that an object may have.
    BadName,
    /// The store did not answer; it may later.
    Unreachable,
    /// Anything else: see the source.
    Other,
}

impl StoreError {
    /// An error without a cause below it.
    pub fn new(
        kind: StoreErrorKind,
        operation: &'static str,
        location: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { kind, operation, location: location.into(), name: name.into(), source: None }
    }

    /// The same error with its cause: an error or a sentence.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The error that an input or output error means.
    pub fn from_io(
        operation: &'static str,
        location: impl Into<String>,
        name: impl Into<String>,
        source: io::Error,
    ) -> Self {
        Self::new(StoreErrorKind::of(&source), operation, location, name).because(source)
    }

    /// The kind of failure.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether trying again later, with nothing changed by anybody, may work.
    pub fn is_temporary(&self) -> bool {
        self.kind.is_temporary()
    }

    /// Whether the store as a whole is not there, rather than an object in it.
    pub fn is_no_store(&self) -> bool {
        self.kind == StoreErrorKind::NotFound && self.name.is_empty()
    }
}

impl StoreErrorKind {
    /// Whether trying again later, with nothing changed by anybody, may work.
    pub fn is_temporary(self) -> bool {
        self == Self::Unreachable
    }

    fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Io;
        match error.kind() {
            Io::NotFound => Self::NotFound,
            Io::ReadOnlyFilesystem => Self::ReadOnly,
            Io::StorageFull | Io::QuotaExceeded => Self::NoSpace,
            Io::PermissionDenied => Self::Permission,
            Io::UnexpectedEof => Self::Truncated,
            Io::TimedOut
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NetworkDown
            | Io::NotConnected
            | Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::StaleNetworkFileHandle => Self::Unreachable,
            _ => Self::Other,
        }
    }

    /// The reason in words; `None` when only the source can tell.
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound => "not found",
            Self::ReadOnly => "the store is read-only",
            Self::NoSpace => "no space left on device",
            Self::Permission => "permission denied",
            Self::TooLarge => "it is longer than the limit",
            Self::Truncated => "it ends too early",
            Self::BadName => "this is not a valid object name",
            Self::Unreachable => "the store cannot be reached",
            Self::Other => return None,
        })
    }
}

/// "cannot write pack/ab/12 in /srv/backup: no space left on device"
impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} ", self.operation)?;
        match self.name.as_str() {
            "" => write!(f, "{}", self.location)?,
            name => write!(f, "{name} in {}", self.location)?,
        }
        match (self.kind.words(), &self.source) {
            (Some(words), _) => write!(f, ": {words}"),
            (None, Some(source)) => write!(f, ": {}", lower_case(&source.to_string())),
            (None, None) => Ok(()),
        }
    }
}

/// The cause, unless `Display` has told it already.
impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        match self.kind.words() {
            Some(_) => Some(source),
            None => source.source(),
        }
    }
}

/// The operating system begins its messages with a capital letter, ours go on in a line.
fn lower_case(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn told(errno: Errno) -> (StoreErrorKind, String) {
        let error = StoreError::from_io("write", "/srv/backup", "pack/ab/12", errno.into());
        (error.kind, error.to_string())
    }

    #[test]
    fn an_error_names_the_object_the_place_and_the_reason() {
        assert_eq!(
            told(Errno::NOSPC),
            (
                StoreErrorKind::NoSpace,
                "cannot write pack/ab/12 in /srv/backup: no space left on device".to_owned()
            )
        );
        assert_eq!(
            told(Errno::IO),
            (
                StoreErrorKind::Other,
                "cannot write pack/ab/12 in /srv/backup: input/output error (os error 5)"
                    .to_owned()
            )
        );
        let whole = StoreError::new(StoreErrorKind::NotFound, "open", "/srv/backup", "");
        assert_eq!(whole.to_string(), "cannot open /srv/backup: not found");
    }

    #[test]
    fn the_kind_follows_the_error_number() {
        for (errno, kind) in [
            (Errno::DQUOT, StoreErrorKind::NoSpace),
            (Errno::ROFS, StoreErrorKind::ReadOnly),
            (Errno::ACCESS, StoreErrorKind::Permission),
            (Errno::PERM, StoreErrorKind::Permission),
            (Errno::NOENT, StoreErrorKind::NotFound),
            (Errno::STALE, StoreErrorKind::Unreachable),
            (Errno::TIMEDOUT, StoreErrorKind::Unreachable),
        ] {
            assert_eq!(told(errno).0, kind, "{errno:?}");
        }
    }

    #[test]
    fn only_an_unreachable_store_is_temporary() {
        assert!(StoreErrorKind::Unreachable.is_temporary());
        assert!(!StoreErrorKind::NoSpace.is_temporary());
        assert!(!StoreErrorKind::Other.is_temporary());
    }

    #[test]
    fn a_cause_is_told_once() {
        let io = || io::Error::from(Errno::IO);
        assert!(StoreError::from_io("read", "x", "y", io()).source().is_none());
        let quota = io::Error::from(Errno::DQUOT);
        assert!(StoreError::from_io("read", "x", "y", quota).source().is_some());
    }
}
