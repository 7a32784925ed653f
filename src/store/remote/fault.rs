//! What a try that failed means.

use std::error::Error as _;

use opendal::{Error, ErrorKind};

use super::attempt::Answer;
use crate::store::StoreErrorKind;

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Stop {
    /// OpenDAL, the service or the way to it.
    Error(Error),
    /// What the service has is not what was asked for.
    Kind(StoreErrorKind),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A failed try, understood.
#[derive(Debug)]
pub(super) struct Fault {
    /// For decisions.
    pub kind: StoreErrorKind,
    /// Whether the next try may do better.
    pub is_temporary: bool,
    /// Whether an object of this name was in the way.
    pub is_taken: bool,
    /// Whether the place as a whole is not there.
    pub is_place: bool,
    /// What the service says, or what happened on the way.
    pub words: Option<String>,
}

impl Fault {
    /// The meaning of `stop`, with the last answer that came.
    pub fn of(stop: &Stop, answer: &Answer) -> Self {
        let error = match stop {
            Stop::Error(error) => error,
            Stop::Kind(kind) => return Self::new(*kind, None),
        };
        match answer.status {
            Some(status) if status >= 300 => Self::refused(status, error, answer),
            // The answer was good and then broke off, or no answer came, or no request was made.
            _ if error.is_temporary() => Self {
                is_temporary: true,
                ..Self::new(StoreErrorKind::Unreachable, Some(way(error)))
            },
            _ if error.kind() == ErrorKind::NotFound => Self::new(StoreErrorKind::NotFound, None),
            // Nobody was asked: there are no keys to sign with.
            None if error.message().starts_with("signing") => {
                Self::new(StoreErrorKind::Permission, Some(way(error)))
            }
            _ => Self::new(StoreErrorKind::Other, Some(way(error))),
        }
    }

    fn new(kind: StoreErrorKind, words: Option<String>) -> Self {
        Self { kind, is_temporary: false, is_taken: false, is_place: false, words }
    }

    fn refused(status: u16, error: &Error, answer: &Answer) -> Self {
        let code = answer.code.as_deref().unwrap_or_default();
        // No bucket of S3, B2 and Google; no container or account of Azure.
        let is_place = matches!(
            code,
            "NoSuchBucket" | "no_such_bucket" | "ContainerNotFound" | "notFoundBucket"
        );
        let is_taken = matches!(
            (status, error.kind()),
            (412, _) | (304 | 409, ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists)
        ) || code == "BlobAlreadyExists";
        let kind = match status {
            401 | 403 => StoreErrorKind::Permission,
            404 => StoreErrorKind::NotFound,
            416 => StoreErrorKind::Truncated,
            408 | 425 | 429 | 499 | 500 | 502..=504 => StoreErrorKind::Unreachable,
            507 => StoreErrorKind::NoSpace,
            _ if error.is_temporary() => StoreErrorKind::Unreachable,
            _ => StoreErrorKind::Other,
        };
        let is_temporary = kind.is_temporary() && !is_taken;
        Self { kind, is_temporary, is_taken, is_place, words: answer.words() }
    }
}

/// What happened on the way: OpenDAL's own words, then the innermost cause.
fn way(error: &Error) -> String {
    let mut words = match error.message() {
        "" => error.kind().to_string(),
        message => message.to_owned(),
    };
    let mut source = error.source();
    let mut last = None;
    while let Some(cause) = source {
        last = Some(cause.to_string());
        source = cause.source();
    }
    if let Some(last) = last.filter(|last| !words.contains(last.as_str())) {
        words = format!("{words}: {last}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: Option<u16>, code: &str, error: Error) -> Fault {
        let code = Some(code.to_owned()).filter(|code| !code.is_empty());
        Fault::of(&Stop::Error(error), &Answer { status, code, ..Answer::default() })
    }

    fn unexpected() -> Error {
        Error::new(ErrorKind::Unexpected, "it broke")
    }

    #[test]
    fn the_status_decides_whatever_opendal_makes_of_it() {
        for (status, kind, is_temporary) in [
            (401, StoreErrorKind::Permission, false),
            (403, StoreErrorKind::Permission, false),
            (404, StoreErrorKind::NotFound, false),
            (416, StoreErrorKind::Truncated, false),
            (429, StoreErrorKind::Unreachable, true),
            (500, StoreErrorKind::Unreachable, true),
            (503, StoreErrorKind::Unreachable, true),
            (507, StoreErrorKind::NoSpace, false),
            (400, StoreErrorKind::Other, false),
        ] {
            let found = fault(Some(status), "", unexpected());
            assert_eq!((found.kind, found.is_temporary), (kind, is_temporary), "{status}");
        }
    }

    #[test]
    fn a_missing_bucket_is_not_a_missing_object() {
        assert!(fault(Some(404), "NoSuchBucket", unexpected()).is_place);
        assert!(!fault(Some(404), "NoSuchKey", unexpected()).is_place);
    }

    #[test]
    fn a_name_that_is_taken_is_known_in_every_dialect() {
        assert!(fault(Some(412), "", unexpected()).is_taken);
        assert!(fault(Some(409), "BlobAlreadyExists", unexpected()).is_taken);
        let conflict = Error::new(ErrorKind::Conflict, "").set_temporary();
        let two_at_once = fault(Some(409), "ConditionalRequestConflict", conflict);
        assert!(!two_at_once.is_taken && two_at_once.is_temporary);
    }

    #[test]
    fn what_broke_on_the_way_is_temporary_and_told() {
        let found = fault(Some(200), "", unexpected().set_temporary());
        assert!(found.is_temporary);
        assert_eq!(found.words.as_deref(), Some("it broke"));
        assert!(!fault(None, "", unexpected()).is_temporary);
    }
}
