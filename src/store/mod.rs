//! Bytes by name: what a repository asks of the place that keeps it.
//!
//! A store holds *objects*, write-once byte strings with a name. It knows nothing of what they mean.
//! Two promises carry the rest of the program and are said in words on [`Store`]: an object is whole
//! or absent for every reader, and an object that is there is never overwritten.
//!
//! [`LocalStore`] keeps objects as files, `RemoteStore` in a service, [`MemoryStore`] as values,
//! [`SftpStore`] as files on an SFTP server, [`SshStore`] as whatever [`serve`](serve()) has at the far end
//! of `ssh`. An [`address::Address`] says in words where a store is. The others wrap a store:
//! [`ReadOnlyStore`] refuses writes, [`DryStore`] forgets them, [`RecordingStore`] counts calls, [`FaultyStore`] breaks on purpose.

pub mod address;
mod dry;
mod error;
mod faulty;
mod local;
mod memory;
mod name;
mod nature;
mod open;
mod operation;
mod pass_on;
pub mod probe;
mod readonly;
mod record;
#[cfg(feature = "remote")]
mod remote;
mod replace;
mod serve;
pub mod service;
mod settings;
mod sftp;
mod shared;
mod ssh;
mod ssh_address;
pub mod stores_file;
pub mod throttle;
mod tunnel;

#[cfg(test)]
pub(crate) mod conformance;

pub use bytes::Bytes;

pub use dry::DryStore;
pub use error::{StoreError, StoreErrorKind};
pub use faulty::{Fault, FaultyStore};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use name::{is_valid_name, is_valid_prefix};
pub use nature::Nature;
pub use open::{OpenError, OpenOptions};
pub use operation::Operation;
pub(crate) use pass_on::pass_on;
pub use readonly::ReadOnlyStore;
pub use record::{Call, RecordingStore};
#[cfg(feature = "remote")]
pub use remote::RemoteStore;
pub use replace::replace;
pub use serve::{Grant, ServedRoot, serve};
pub use sftp::SftpStore;
pub use ssh::SshStore;
pub use ssh_address::SshAddress;
pub use tunnel::{SshOptions, SshTarget, TargetError};

/// Bytes by name.
///
/// Names are relative and made of components of `[a-z0-9-]` with `/` between them, see
/// [`is_valid_name`]; any other is refused as [`StoreErrorKind::BadName`] before anything happens.
/// No name may be the folder of another (`a` beside `a/b`): a store may refuse that, or not notice.
///
/// **Visible is not durable.** A reader can see an object before it would survive a power cut.
/// Whoever builds on an object that another process has just put has no promise about it from here,
/// except by putting it again: [`Put::Exists`] is as good as [`Put::Stored`].
pub trait Store: Send + Sync {
    /// Where this is, for messages: "/srv/backup".
    fn location(&self) -> String;

    /// Puts a new object: the `parts`, one after the other. An object that exists stays as it is.
    ///
    /// At every moment every reader, in this process or another, finds the object whole or not at
    /// all, also when this process is killed half way. What has happened to the bytes on return:
    ///
    /// - `Ok(Stored)` with [`Durability::Now`]: the bytes, the name, and the folders that lead to the
    ///   name survive a power cut.
    /// - `Ok(Stored)` with [`Durability::AtBarrier`]: readers see the object; a power cut before the
    ///   next good [`barrier`](Store::barrier) may leave it whole, torn, or absent. Nothing durable
    ///   may refer to it until then; that is why its name does not matter yet.
    /// - `Ok(Exists)`: the name was taken, and nothing was written. The object that was there is now
    ///   as durable as was asked. Its bytes may be others: who must know reads them back.
    /// - `Err`: the object is there whole or it is absent, and the caller does not know which (a lost
    ///   answer looks like this everywhere). It is never there in part, and nothing else is left behind.
    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError>;

    /// The same for parts that the store may keep for as long as it needs them: one that sends them
    /// away in the background would have to copy them otherwise.
    fn put_new_shared(
        &self,
        name: &str,
        parts: &[Bytes],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
        self.put_new(name, &parts, durability)
    }

    /// Makes durable everything that this process has put with [`Durability::AtBarrier`], and the
    /// folders that name it: what a `put_new` returned for before this was called survives a power
    /// cut once this returns `Ok`.
    ///
    /// After an error nothing is known of the objects put since the last good barrier. The operating
    /// system tells of a lost write once and then forgets it, so this store has no good barrier any
    /// more: every later one fails too, until the store is opened anew and the objects are put anew
    /// under other names, or checked.
    fn barrier(&self) -> Result<(), StoreError>;

    /// Reads a whole object into `out`, which is cleared first and whose memory is reused. An object
    /// longer than `limit` is [`StoreErrorKind::TooLarge`], and nothing is allocated for it. After an
    /// error `out` is empty.
    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Reads exactly `len` bytes from `offset` on into `out`, which is cleared first and whose memory
    /// is reused. An object that ends before is [`StoreErrorKind::Truncated`]. After an error `out`
    /// is empty.
    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError>;

    /// The length of an object in bytes, `None` when there is no such object.
    fn size(&self, name: &str) -> Result<Option<u64>, StoreError>;

    /// Finds all objects below the folder `prefix` ("pack/", or "" for all), at any depth, in any
    /// order. Objects put or deleted meanwhile may or may not be found; every other object is found
    /// exactly once. A listing that fails half way is an error, never a shorter listing.
    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError>;

    /// Deletes an object; deleting what is absent is `Ok`. Until the next good barrier a power cut
    /// may bring the object back.
    fn delete(&self, name: &str) -> Result<(), StoreError>;

    /// The root folder as (device, inode), so that a walk over local files can leave the store itself
    /// out; `None` when the store is not a local folder.
    fn local_identity(&self) -> Option<(u64, u64)>;

    /// What is known of the place beside its objects. Nobody is asked for it. A store around another one
    /// passes on what that says.
    fn nature(&self) -> Nature {
        Nature::default()
    }
}

/// When an object must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// From the next good [`Store::barrier`] on: many objects share one wait.
    AtBarrier,
    /// Before [`Store::put_new`] returns.
    Now,
}

/// What [`Store::put_new`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is new; its bytes are ours.
    Stored,
    /// An object of this name was there before, and is unchanged.
    Exists,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The full name, prefix included.
    pub name: String,
    /// The length in bytes.
    pub size: u64,
}
