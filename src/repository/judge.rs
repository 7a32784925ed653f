//! What becomes of an entry: the table in section 12.1 of `docs/format.md`, line by line. Pure:
//! bytes and keys in, a verdict out. Readers and whoever appends use the same one.

use crate::repository::access::Access;
use crate::repository::error::Error;
use crate::repository::state::State;
use crate::repository::validate::{is_carried_out, may_append, validate};
use esker_format::FormatError;
use esker_format::ids::{EntryHash, Named, WriterId};
use esker_format::log_entry::{Body, OBJECT_MAX, Place, SealedEntry};

/// An entry of which is known what becomes of it.
#[derive(Debug)]
pub struct Judged {
    /// Its hash, which goes into the head of the log whatever becomes of it.
    pub hash: EntryHash,
    /// Who signed it, as far as somebody did whom the log knows.
    pub writer: Option<WriterId>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of an entry that is folded in.
#[derive(Debug)]
pub enum Fate {
    /// It changes the state.
    Valid(Place, Box<Body>),
    /// It breaks a rule, and changes nothing.
    Void(String),
    /// It is authentic and means something to a later version. It changes nothing here.
    NotUnderstood(FormatError),
    /// It is of a kind that nobody needs to know.
    Ignored,
}

/// Why the fold ends before an entry.
#[derive(Debug)]
pub enum Stop {
    /// The bytes are not those that were put.
    Damaged(FormatError),
    /// They are sound, and of a later version.
    Newer(FormatError),
    /// It asks for what this version cannot do, of whoever reads anything.
    Needs(FormatError),
    /// Its writer saw another log than the one before it.
    Break,
}

impl Stop {
    /// The error that ends a replay before the entry of this name.
    pub fn into_error(self, object: String) -> Error {
        match self {
            Self::Damaged(source) => Error::Damaged { object, source },
            Self::Newer(source) => Error::Newer { object, source },
            Self::Needs(source) => Error::Newer { object: "the log".to_owned(), source },
            Self::Break => {
                Error::Break { object, why: "its writer saw another log than the one before it" }
            }
        }
    }
}

/// Judges the bytes that lie where the next entry of the log is.
///
/// # Errors
/// When the fold ends before it.
pub fn judge(state: &State, object: Vec<u8>, access: &Access) -> Result<Judged, Stop> {
    let hash = EntryHash::of(&object);
    // a
    if object.len() > OBJECT_MAX {
        return Err(Stop::Damaged(FormatError::Length { what: "log entry" }));
    }
    let mut writer = None;
    let fate = match SealedEntry::parse(object, access.repository, state.next()) {
        Ok(entry) => match signed(state, &entry) {
            Ok(()) => {
                writer = Some(entry.place.writer);
                weigh(state, &entry, access)?
            }
            Err(rule) => Fate::Void(rule.to_owned()),
        },
        // a, b, c
        Err(e @ (FormatError::Checksum { .. } | FormatError::Misplaced { .. })) => {
            return Err(Stop::Damaged(e));
        }
        Err(e @ FormatError::Unsupported { .. }) => return Err(Stop::Newer(e)),
        Err(e) => Fate::Void(e.to_string()),
    };
    Ok(Judged { hash, writer, fate })
}

/// Line d: whether somebody signed it whose entries count.
fn signed(state: &State, entry: &SealedEntry) -> Result<(), &'static str> {
    let writer = entry.place.writer;
    let key = match state.writers.get(&writer) {
        _ if writer == state.owner.writer() => state.owner,
        None => return Err("its writer is not enrolled"),
        Some(writer) if writer.revoked => return Err("its writer was revoked"),
        Some(writer) => writer.entry.key,
    };
    if entry.is_signed_by(&key) { Ok(()) } else { Err("its signature is not its writer's") }
}

/// Lines e to m, for an entry that is sound, in its place and signed.
fn weigh(state: &State, entry: &SealedEntry, access: &Access) -> Result<Fate, Stop> {
    let place = entry.place;
    let void = |why: &str| Ok(Fate::Void(why.to_owned()));
    // e. Only after the signature: what anybody could have put there breaks nothing.
    if place.previous != state.previous() {
        return Err(Stop::Break);
    }
    // f
    if place.epoch != state.epoch {
        return void("it is of another epoch than the one in force");
    }
    if access.epoch != state.epoch {
        // The entry may be as good as any: it is the key at hand that is of another epoch.
        return Err(Stop::Newer(unsupported("epoch", state.epoch.into())));
    }
    let body = match entry.open(&access.log_key) {
        // g
        Ok(Body::Unknown(kind, _)) if kind >= 128 => return Ok(Fate::Ignored),
        Ok(Body::Unknown(kind, _)) => return Ok(Fate::NotUnderstood(unknown_kind(kind))),
        Err(e @ FormatError::Unsupported { .. }) => return Ok(Fate::NotUnderstood(e)),
        // f, h, and the flag of j
        Err(e) => return void(&e.to_string()),
        Ok(body) => body,
    };
    // i to l. What this version does not carry out has no rules here.
    let known = is_carried_out(&body);
    let judged =
        if known { validate(state, &place, &body) } else { may_append(state, &place, &body) };
    if let Err(rule) = judged {
        return void(rule);
    }
    if !known {
        return Ok(Fate::NotUnderstood(unknown_kind(body.kind())));
    }
    // m
    match &body {
        Body::Setting(setting) if !setting.read.is_empty() => {
            let feature = setting.read[0].into();
            Err(Stop::Needs(unsupported("feature needed to read,", feature)))
        }
        _ => Ok(Fate::Valid(place, Box::new(body))),
    }
}

fn unknown_kind(kind: u64) -> FormatError {
    unsupported("kind of log entry", kind)
}

const fn unsupported(what: &'static str, number: u64) -> FormatError {
    FormatError::Unsupported { what, number }
}
