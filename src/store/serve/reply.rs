//! One request, and what it is answered.

use std::io;

use super::Grant;
use super::message::{Arrived, Frame, OBJECT_MAX, PIECE, answer, ask, number_of};
use crate::store::{Durability, Listed, Put, Store, StoreError, StoreErrorKind};

/// Does what is asked; returns the last frame of the answer.
pub(super) fn reply(
    store: &impl Store,
    grant: Grant,
    request: &Arrived<'_>,
    object: &[u8],
    send: &(impl Fn(Vec<u8>) -> io::Result<()> + Sync),
) -> Result<Vec<u8>, StoreError> {
    let id = request.id;
    let malformed = || {
        let error = StoreError::new(StoreErrorKind::Other, "answer", store.location(), "");
        error.because("the request is malformed")
    };
    let name = |request: &Arrived<'_>| request.text().map(str::to_owned).ok_or_else(malformed);
    let done = || Frame::new(id, answer::DONE).done();
    let mut bytes = Vec::new();
    match request.kind {
        ask::PUT => {
            let (durability, rest) = request.long().ok_or_else(malformed)?;
            let durability = if durability == 0 { Durability::AtBarrier } else { Durability::Now };
            match store.put_new(&name(&rest)?, &[object], durability)? {
                Put::Stored => Ok(done()),
                Put::Exists => Ok(Frame::new(id, answer::EXISTS).done()),
            }
        }
        ask::BARRIER => store.barrier().map(|()| done()),
        ask::GET => {
            let (limit, rest) = request.long().ok_or_else(malformed)?;
            store.get(&name(&rest)?, limit.min(OBJECT_MAX as u64), &mut bytes)?;
            send_bytes(id, &bytes, send);
            Ok(done())
        }
        ask::RANGE => {
            let (offset, rest) = request.long().ok_or_else(malformed)?;
            let (len, rest) = rest.long().ok_or_else(malformed)?;
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            store.get_range(&name(&rest)?, offset, len, &mut bytes)?;
            send_bytes(id, &bytes, send);
            Ok(done())
        }
        ask::SIZE => Ok(match store.size(&name(request)?)? {
            Some(size) => Frame::new(id, answer::SIZE).long(size).done(),
            None => Frame::new(id, answer::ABSENT).done(),
        }),
        ask::LIST => {
            list(store, &name(request)?, id, send)?;
            Ok(done())
        }
        ask::DELETE if grant == Grant::Append => {
            let name = name(request)?;
            let error =
                StoreError::new(StoreErrorKind::Permission, "delete", store.location(), name);
            Err(error.because("the server takes no deletes (store-serve --append-only)"))
        }
        ask::DELETE => store.delete(&name(request)?).map(|()| done()),
        _ => Err(malformed()),
    }
}

fn send_bytes(id: u32, bytes: &[u8], send: &impl Fn(Vec<u8>) -> io::Result<()>) {
    for piece in bytes.chunks(PIECE) {
        if send(Frame::new(id, answer::BYTES).bytes(piece).done()).is_err() {
            return; // nobody listens any more, nor to the last frame
        }
    }
}

fn list(
    store: &impl Store,
    prefix: &str,
    id: u32,
    send: &impl Fn(Vec<u8>) -> io::Result<()>,
) -> Result<(), StoreError> {
    let empty = || Frame::new(id, answer::NAMES);
    let mut frame = empty();
    store.list(prefix, &mut |one: Listed| {
        frame.listed(&one);
        if frame.len() > PIECE / 2 {
            let _ = send(std::mem::replace(&mut frame, empty()).done());
        }
    })?;
    let _ = send(frame.done());
    Ok(())
}

/// An error with its cause in words; where it was, the client knows better.
pub(super) fn error_frame(id: u32, error: &StoreError) -> Vec<u8> {
    let cause = error.source.as_ref().map_or_else(String::new, ToString::to_string);
    let mut end = cause.len().min(2000);
    while !cause.is_char_boundary(end) {
        end -= 1;
    }
    let cause = &cause.as_bytes()[..end];
    Frame::new(id, answer::ERROR).bytes(&[number_of(error.kind)]).bytes(cause).done()
}
