//! A store in somebody's service: S3 and others, through OpenDAL.
//!
//! The only place that knows OpenDAL, and the only asynchronous one: every call runs in its caller's
//! thread until it is done, while one thread beside it keeps the connections going.
//!
//! - **An object is one request.** It is never put in parts: a request with put-if-absent either makes the whole
//!   object or nothing.
//! - **What failed on the way is tried again**, with waits that grow and differ. A write whose answer
//!   got lost finds its own first try: [`Put::Exists`], as the contract says.
//! - **What is not an answer is an error**: a listing that breaks off goes on where it stopped or fails.

mod attempt;
mod clock;
mod fault;
mod listing;
mod read;
mod retry;
mod service;
#[cfg(test)]
mod tests;
mod transport;
mod tries;

use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use opendal::{Buffer, Operator};
use tokio::runtime::{self, Runtime};

use self::clock::FarClock;
use self::fault::Stop;
use self::retry::Retry;
use super::settings::Settings;
use super::{
    Durability, Listed, Nature, Operation, Put, Store, StoreError, StoreErrorKind, is_valid_name,
    is_valid_prefix,
};

/// Bytes that are handed to the network at a time: each piece that leaves is a sign of life.
const PIECE: usize = 256 << 10;

/// A bucket, a container or a folder in a service, or what lies in it below a prefix.
pub struct RemoteStore {
    operator: Operator,
    /// Always there, until the store is dropped.
    runtime: Option<Runtime>,
    location: String,
    retry: Retry,
    has_put_if_absent: bool,
    has_answered: AtomicBool,
    /// Whether this kind of service is known for it.
    is_for_several_writers: bool,
    endpoint: String,
    clock: FarClock,
}

impl RemoteStore {
    /// Opens the store that `settings` describe. Nobody is asked anything yet.
    ///
    /// # Errors
    /// When the settings make no sense to the service.
    pub fn open(location: &str, settings: &Settings) -> Result<Self, StoreError> {
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::new(StoreErrorKind::Other, "open", location, "").because(source)
        };
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("esker-network")
            .enable_all()
            .build()
            .map_err(|e| fail(e.into()))?;
        let operator = service::connect(settings).map_err(fail)?;
        let capability = operator.info().capability();
        Ok(Self {
            has_put_if_absent: capability.write_with_if_not_exists,
            operator,
            runtime: Some(runtime),
            location: location.to_owned(),
            retry: Retry { retries: settings.retries },
            has_answered: AtomicBool::new(false),
            is_for_several_writers: settings.service.is_for_several_writers(),
            endpoint: settings.get("endpoint").unwrap_or_default().to_owned(),
            clock: FarClock::default(),
        })
    }

    /// Whether the service puts an object only where there is none, in one step. Where it does not, it is
    /// looked first: enough for one writer, not for two.
    pub fn has_put_if_absent(&self) -> bool {
        self.has_put_if_absent
    }

    fn put(&self, name: &str, parts: &[Bytes]) -> Result<Put, StoreError> {
        self.check(Operation::PutNew, name)?;
        if !self.has_put_if_absent && self.size(name)?.is_some() {
            return Ok(Put::Exists);
        }
        let body = body(parts);
        let mut is_lost = false;
        let put = self.call(Operation::PutNew, name, async |attempt| {
            // The last try may have stored it. And a server that looks before it reads may hang up on a body
            // that it does not want, so that its answer is lost every time.
            if is_lost && self.operator.stat(name).await.is_ok() {
                return Ok(Put::Exists);
            }
            attempt.forget();
            let write = self.operator.write_with(name, body.clone());
            let written = write.if_not_exists(self.has_put_if_absent).await;
            is_lost = attempt.answer().status.is_none();
            written?;
            Ok(Put::Stored)
        });
        match put {
            Ok(put) => Ok(put),
            Err(failed) if failed.is_taken => Ok(Put::Exists),
            Err(failed) => Err(failed.into()),
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until the store is dropped")
    }

    fn error(&self, kind: StoreErrorKind, operation: Operation, name: &str) -> StoreError {
        StoreError::new(kind, operation.verb(), &self.location, name)
    }

    fn check(&self, operation: Operation, name: &str) -> Result<(), StoreError> {
        match is_valid_name(name) {
            true => Ok(()),
            false => Err(self.error(StoreErrorKind::BadName, operation, name)),
        }
    }
}

impl Drop for RemoteStore {
    fn drop(&mut self) {
        // Nobody waits for connections, or for a name server that does not answer.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteStore").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Store for RemoteStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    /// A service that has answered keeps the object: there is no other durability to wait for.
    fn put_new(&self, name: &str, parts: &[&[u8]], _: Durability) -> Result<Put, StoreError> {
        // The network outlives this call where it is given up, so it gets a copy.
        self.put(name, &[Bytes::from(parts.concat())])
    }

    fn put_new_shared(
        &self,
        name: &str,
        parts: &[Bytes],
        _: Durability,
    ) -> Result<Put, StoreError> {
        self.put(name, parts)
    }

    fn barrier(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.clear();
        self.check(Operation::Get, name)?;
        let read = self.call(Operation::Get, name, async |attempt| {
            self.read(name, .., limit, attempt, out).await
        });
        read.inspect_err(|_| out.clear())?;
        Ok(())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        out.clear();
        self.check(Operation::GetRange, name)?;
        let error = |kind| self.error(kind, Operation::GetRange, name);
        let end = offset.checked_add(len as u64);
        let Some(end) = end.filter(|end| *end > offset) else {
            // No request has a range like this.
            return match self.size(name)? {
                None => Err(error(StoreErrorKind::NotFound)),
                Some(size) if end.is_some_and(|end| end <= size) => Ok(()),
                Some(_) => Err(error(StoreErrorKind::Truncated)),
            };
        };
        let read = self.call(Operation::GetRange, name, async |attempt| {
            let read = self.read(name, offset..end, len as u64, attempt, out).await;
            let is_short = out.len() < len && attempt.answer().length == Some(out.len() as u64);
            match read {
                // All came that was said to come.
                Ok(()) | Err(Stop::Error(_))
                    if is_short && attempt.answer().status.is_some_and(|status| status < 300) =>
                {
                    Err(Stop::Kind(StoreErrorKind::Truncated))
                }
                Ok(()) if out.len() < len => Err(Stop::Kind(StoreErrorKind::Truncated)),
                read => read,
            }
        });
        read.inspect_err(|_| out.clear())?;
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.check(Operation::Size, name)?;
        let size = self.call(Operation::Size, name, async |_| {
            Ok(self.operator.stat(name).await?.content_length())
        });
        match size {
            Ok(size) => Ok(Some(size)),
            Err(failed) if failed.error.kind == StoreErrorKind::NotFound && !failed.is_place => {
                Ok(None)
            }
            Err(failed) => Err(failed.into()),
        }
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        if !is_valid_prefix(prefix) {
            return Err(self.error(StoreErrorKind::BadName, Operation::List, prefix));
        }
        listing::list(self, prefix, found)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.check(Operation::Delete, name)?;
        let deleted =
            self.call(Operation::Delete, name, async |_| Ok(self.operator.delete(name).await?));
        match deleted {
            Err(failed) if failed.error.kind == StoreErrorKind::NotFound && !failed.is_place => {
                Ok(())
            }
            deleted => Ok(deleted?),
        }
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }

    fn nature(&self) -> Nature {
        Nature {
            is_for_several_writers: self.has_put_if_absent && self.is_for_several_writers,
            endpoint: self.endpoint.clone(),
            clock_ahead: self.clock.ahead(),
            // Others may answer before it is on their disks.
            is_durable_when_visible: self.is_for_several_writers,
        }
    }
}

/// One body of all parts.
fn body(parts: &[Bytes]) -> Buffer {
    let mut pieces = Vec::new();
    for part in parts {
        let mut rest = part.clone();
        while rest.len() > PIECE {
            pieces.push(rest.split_to(PIECE));
        }
        pieces.push(rest);
    }
    Buffer::from(pieces)
}
