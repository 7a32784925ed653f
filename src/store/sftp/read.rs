//! Reading: many requests in flight, bytes in order.

use std::collections::VecDeque;

use super::session::{Handle, Session};
use super::{SftpStore, Trouble, plain_size};
use crate::store::StoreErrorKind;

/// Bytes that are asked for and not here yet, or sent and not acknowledged: what fills a line of
/// 1 Gbit/s over 30 ms.
pub const WINDOW: usize = 4 << 20;
/// Memory that a length takes before its bytes are here.
const AHEAD_MAX: u64 = 64 << 20;

impl SftpStore {
    /// Reads what `choose` says of an object of a length: an offset and a number of bytes.
    pub(super) fn read(
        &self,
        session: &Session,
        name: &str,
        choose: impl FnOnce(u64) -> Result<(u64, u64), Trouble>,
    ) -> Result<Vec<u8>, Trouble> {
        let path = self.path(name);
        // Both at once: they cost one round trip.
        let (looked, opened) = (session.look(&path)?, session.open(&path)?);
        let chosen = looked.attributes().and_then(|found| choose(plain_size(&found)?));
        let handle = opened.handle();
        let read = match (&chosen, &handle) {
            (Ok((offset, len)), Ok(handle)) => read_exactly(session, handle, *offset, *len),
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
        };
        if let Ok(handle) = handle {
            session.close(&handle)?; // nobody has to wait for that
        }
        read
    }
}

fn read_exactly(
    session: &Session,
    handle: &Handle,
    offset: u64,
    len: u64,
) -> Result<Vec<u8>, Trouble> {
    let mut out = Vec::with_capacity(len.min(AHEAD_MAX) as usize);
    let window = (WINDOW / session.piece).max(1);
    let end = offset.saturating_add(len);
    let mut next = offset;
    let mut asked = VecDeque::with_capacity(window);
    loop {
        while next < end && asked.len() < window {
            let want = (end - next).min(session.piece as u64);
            asked.push_back((session.read(handle, next, want as u32)?, next, want));
            next += want;
        }
        let Some((reply, mut at, mut want)) = asked.pop_front() else { return Ok(out) };
        let mut got = reply.data(want as usize, &mut out)? as u64;
        // A server may give less than was asked for.
        while got < want {
            if got == 0 {
                return Err(Trouble::Fault(StoreErrorKind::Truncated, String::new()));
            }
            (at, want) = (at + got, want - got);
            got = session.read(handle, at, want as u32)?.data(want as usize, &mut out)? as u64;
        }
    }
}
