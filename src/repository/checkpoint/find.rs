//! Finding checkpoints that can be believed.

use crate::repository::access::Access;
use crate::repository::checkpoint::convert::to_state;
use crate::repository::error::{Error, Result};
use crate::repository::judge::{Stop, judge};
use crate::repository::log;
use crate::repository::state::State;
use crate::store::{Store, StoreError};
use esker_format::FormatError;
use esker_format::checkpoint::{Checkpoint, OBJECT_MAX, WriterRow};
use esker_format::envelope::Header;
use esker_format::ids::{CheckpointId, EntryHash, Named, Seq, WriterId};
use esker_format::limits::HEADER_MAX;
use esker_format::names;

/// What has the name of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The entry that its name says.
    pub seq: Seq,
    /// The id that its name says.
    pub id: CheckpointId,
    /// Its length in bytes.
    pub size: u64,
}

/// All that have the name of a checkpoint, newest first.
///
/// # Errors
/// When the store fails.
pub fn candidates(store: &dyn Store) -> std::result::Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::new();
    store.list(names::CHECKPOINTS, &mut |listed| {
        found.extend(parse(&listed.name).map(|(seq, id)| Candidate {
            name: listed.name.clone(),
            seq,
            id,
            size: listed.size,
        }));
    })?;
    found.sort_unstable_by(|a, b| (b.seq, &b.name).cmp(&(a.seq, &a.name)));
    Ok(found)
}

/// The names of those whose bytes are not what they were: nobody believes them any more.
///
/// # Errors
/// When the store fails as a whole.
pub fn damaged_ones(store: &dyn Store) -> Result<Vec<String>> {
    let mut damaged = Vec::new();
    let mut object = Vec::new();
    for candidate in candidates(store)? {
        let got = store.get(&candidate.name, OBJECT_MAX as u64, &mut object);
        match got.map_err(Error::from_part) {
            Ok(()) if candidate.id.check("checkpoint", &object).is_ok() => {}
            // Whoever writes a newer one removes old ones.
            Err(Error::Missing { .. }) => {}
            Ok(()) | Err(Error::Damaged { .. }) => damaged.push(candidate.name),
            Err(error) => return Err(error),
        }
    }
    Ok(damaged)
}

fn parse(name: &str) -> Option<(Seq, CheckpointId)> {
    let (seq, id) = name.strip_prefix(names::CHECKPOINTS)?.split_once('-')?;
    let (seq, id) = (Seq(seq.parse().ok()?), id.parse().ok()?);
    (names::checkpoint(seq, id) == name).then_some((seq, id))
}

/// The state that a checkpoint holds, if the log in the store bears it out.
///
/// # Errors
/// [`Error::Checkpoint`] when it is not to be believed; else the store fails.
pub fn read(store: &dyn Store, access: &Access, candidate: &Candidate) -> Result<State> {
    let distrust = |why: String| Err(Error::Checkpoint { object: candidate.name.clone(), why });
    // The cheap question first: one that is ahead of the log is not worth reading.
    let Some(entry) = log::read_entry(store, candidate.seq)? else {
        return distrust("the log does not reach it".to_owned());
    };
    let checkpoint = match open(store, access, candidate) {
        Ok(checkpoint) => checkpoint,
        Err(Error::Damaged { source, .. } | Error::Newer { source, .. }) => {
            return distrust(source.to_string());
        }
        Err(Error::Missing { .. }) => return distrust("it went away".to_owned()),
        Err(Error::Unreadable { source, .. }) => return distrust(source.to_string()),
        Err(error) => return Err(error),
    };
    if checkpoint.entry != EntryHash::of(&entry) {
        return distrust("it stands for another log".to_owned());
    }
    let mut state = to_state(checkpoint);
    match confirm(store, access, &mut state)? {
        true => Ok(state),
        false => distrust("the log does not go on from it".to_owned()),
    }
}

/// Which of the others says that the signer of a checkpoint was revoked, if one does. A checkpoint
/// itself would not say that of its own signer, who can have made it long after he was.
///
/// # Errors
/// When the store fails.
pub fn disowned_by<'c>(
    store: &dyn Store,
    access: &Access,
    candidate: &Candidate,
    others: &'c [Candidate],
) -> Result<Option<&'c Candidate>> {
    let signer = signer(store, candidate)?;
    for other in others.iter().filter(|other| *other != candidate) {
        let says = |id: WriterId, row: &WriterRow| row.revoked && row.entry.key.writer() == id;
        // One's own are as good as each other.
        match signer {
            Some(id) if self::signer(store, other)? != Some(id) => match open(store, access, other)
            {
                Ok(found) if found.writers.iter().any(|row| says(id, row)) => {
                    return Ok(Some(other));
                }
                Ok(_)
                | Err(Error::Damaged { .. } | Error::Newer { .. } | Error::Missing { .. }) => {}
                Err(Error::Unreadable { .. }) => {}
                Err(error) => return Err(error),
            },
            _ => {}
        }
    }
    Ok(None)
}

/// Who says to have signed a checkpoint; none where its header cannot be read.
fn signer(store: &dyn Store, candidate: &Candidate) -> Result<Option<WriterId>> {
    let (mut bytes, len) = (Vec::new(), candidate.size.min(HEADER_MAX as u64) as usize);
    match store.get_range(&candidate.name, 0, len, &mut bytes).map_err(Error::from_part) {
        Ok(()) => Ok(Header::decode(&bytes).ok().map(|(header, _)| header.writer)),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a checkpoint, which somebody has signed who may.
///
/// # Errors
/// [`Error::Damaged`] or [`Error::Newer`] when there is none to be had from it.
pub fn open(store: &dyn Store, access: &Access, candidate: &Candidate) -> Result<Checkpoint> {
    let mut object = Vec::new();
    let name = candidate.name.as_str();
    store.get(name, OBJECT_MAX as u64, &mut object).map_err(Error::from_part)?;
    let damaged = |e: FormatError| Error::damaged(name, e);
    candidate.id.check("checkpoint", &object).map_err(damaged)?;
    let checkpoint =
        Checkpoint::decode(object, access.repository, &access.log_key, &access.owner_key)
            .map_err(damaged)?;
    match checkpoint.seq == candidate.seq {
        true => Ok(checkpoint),
        false => Err(damaged(FormatError::Misplaced { what: "sequence number" })),
    }
}

/// Reads on behind a checkpoint to the first entry that somebody signed: it tells the head of the
/// log before it. False when that is not the one of the checkpoint.
fn confirm(store: &dyn Store, access: &Access, state: &mut State) -> Result<bool> {
    while let Some(object) = log::read_entry(store, state.next())? {
        match judge(state, object, access) {
            Ok(judged) => {
                let is_signed = judged.writer.is_some();
                state.apply(judged);
                if is_signed {
                    return Ok(true);
                }
            }
            Err(Stop::Break) => return Ok(false),
            // Whoever reads the log from here on meets it again.
            Err(Stop::Damaged(_) | Stop::Newer(_) | Stop::Needs(_)) => return Ok(true),
        }
    }
    Ok(true)
}
