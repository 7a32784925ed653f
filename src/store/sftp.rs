//! A store on an SFTP server: every object is a file, as in a local folder.

mod beside;
mod durable;
mod fields;
mod list;
mod litter;
mod packet;
mod put;
mod read;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;

use self::durable::Durable;
use self::fields::Attributes;
use self::litter::Litter;
use self::packet::status;
use self::session::Session;
use super::tunnel::{Keeper, SshOptions, SshTarget, Trouble};
use super::{
    Durability, Listed, Nature, Operation, Put, Store, StoreError, StoreErrorKind, is_valid_name,
    is_valid_prefix,
};

/// A folder that an SFTP server keeps, reached by the system's `ssh`.
///
/// A new object gets its bytes under a temporary name, `.tmp-…` in the same folder, which are made durable
/// (`fsync@openssh.com`); then its own name by a hard link (`hardlink@openssh.com`), which fails when the
/// name is taken; then the temporary name goes. So many machines may write at once. A server that has no
/// hard links takes no writes.
///
/// **What survives a power cut of the server**: the bytes always; the names, where the server lets folders be
/// opened and made durable like files, as OpenSSH does. Others do it when their file system does.
///
/// A client that is killed leaves a temporary name at most. Listings pass over it; the next put of a store
/// that has listed it removes it when it is more than a day old by the server's clock.
#[derive(Debug)]
pub struct SftpStore {
    location: String,
    root: String,
    keeper: Keeper<Session>,
    durable: Durable,
    litter: Litter,
}

impl SftpStore {
    /// Opens the folder of `target`, which must exist. Writes nothing.
    pub fn open(target: &SshTarget, options: &SshOptions) -> Result<Self, StoreError> {
        let store = Self::connect("open", target, options)?;
        store.run("open", "", |session| store.find_root(session))?;
        Ok(store)
    }

    /// Makes the folder of `target` and its parents, and opens it as an empty store. A folder that exists
    /// must be empty, except for the `lost+found` of a fresh file system.
    pub fn create(target: &SshTarget, options: &SshOptions) -> Result<Self, StoreError> {
        const CREATE: &str = "create a store in";
        let store = Self::connect(CREATE, target, options)?;
        store.run(CREATE, "", |session| {
            store.may_write(session)?;
            store.make_root(session)?;
            store.find_empty(session)
        })?;
        Ok(store)
    }

    fn connect(
        action: &'static str,
        target: &SshTarget,
        options: &SshOptions,
    ) -> Result<Self, StoreError> {
        let location = format!("sftp://{target}");
        let waived = match Waiver::of(target) {
            Ok(waived) => waived,
            Err(text) => {
                let error = StoreError::new(StoreErrorKind::Other, action, location, "");
                return Err(error.because(text));
            }
        };
        let (owned_target, owned_options) = (target.clone(), options.clone());
        let connect = move || Session::connect(&owned_options, &owned_target);
        let keeper = Keeper::new(options.retries, connect)
            .map_err(|trouble| trouble.into_error(action, &location, "", meaning))?;
        let root = target.path.clone();
        Ok(Self {
            location,
            root,
            keeper,
            durable: Durable::new(waived),
            litter: Litter::default(),
        })
    }

    /// One call, over as many connections as it takes.
    fn run<T>(
        &self,
        action: &'static str,
        name: &str,
        act: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let done = self.keeper.run(act);
        done.map_err(|trouble| trouble.into_error(action, &self.location, name, meaning))
    }

    fn check(&self, operation: Operation, name: &str, valid: bool) -> Result<(), StoreError> {
        match valid {
            true => Ok(()),
            false => Err(StoreError::new(
                StoreErrorKind::BadName,
                operation.verb(),
                &self.location,
                name,
            )),
        }
    }

    /// Where an object or a folder is on the server; "" is the root.
    fn path(&self, name: &str) -> String {
        match name.trim_end_matches('/') {
            // A link to the root folder is followed, whoever made it meant it.
            "" => format!("{}/.", self.root),
            name => format!("{}/{name}", self.root),
        }
    }
}

impl Store for SftpStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.check(Operation::PutNew, name, is_valid_name(name))?;
        self.run(Operation::PutNew.verb(), name, |session| {
            self.put(session, name, parts, durability)
        })
    }

    fn barrier(&self) -> Result<(), StoreError> {
        self.run(Operation::Barrier.verb(), "", |session| self.durable.barrier(self, session))
            .inspect_err(|_| self.durable.lose())
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.clear();
        self.check(Operation::Get, name, is_valid_name(name))?;
        let read = self.run(Operation::Get.verb(), name, |session| {
            self.read(session, name, |size| match size > limit {
                true => Err(Trouble::Fault(StoreErrorKind::TooLarge, String::new())),
                false => Ok((0, size)),
            })
        });
        *out = read?;
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
        self.check(Operation::GetRange, name, is_valid_name(name))?;
        let read = self.run(Operation::GetRange.verb(), name, |session| {
            self.read(session, name, |size| match offset.checked_add(len as u64) {
                Some(end) if end <= size => Ok((offset, len as u64)),
                _ => Err(Trouble::Fault(StoreErrorKind::Truncated, String::new())),
            })
        });
        *out = read?;
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.check(Operation::Size, name, is_valid_name(name))?;
        self.run(Operation::Size.verb(), name, |session| {
            match session.look(&self.path(name))?.attributes() {
                Err(Trouble::Status(status::NO_SUCH_FILE, _)) => Ok(None),
                attributes => plain_size(&attributes?).map(Some),
            }
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        self.check(Operation::List, prefix, is_valid_prefix(prefix))?;
        // Told only when it is whole: a connection that is lost in the middle begins it anew.
        let listed =
            self.run(Operation::List.verb(), prefix, |session| list::list(self, session, prefix))?;
        listed.into_iter().for_each(found);
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.check(Operation::Delete, name, is_valid_name(name))?;
        self.run(Operation::Delete.verb(), name, |session| {
            match session.remove(&self.path(name))?.done() {
                Err(Trouble::Status(status::NO_SUCH_FILE, _)) => {}
                other => other?,
            }
            self.durable.remember(folder_of(name));
            Ok(())
        })
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }

    fn nature(&self) -> Nature {
        Nature::for_several_writers()
    }
}

/// Whether the user goes on without what makes bytes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiver(bool);

impl Waiver {
    /// Reads the options of an address; all others are errors.
    fn of(target: &SshTarget) -> Result<Self, String> {
        let mut waived = false;
        for (name, value) in &target.options {
            match (name.as_str(), value.as_str()) {
                ("fsync", "yes") => waived = false,
                ("fsync", "no") => waived = true,
                ("fsync", _) => return Err("fsync= takes yes or no".to_owned()),
                _ => return Err(format!("an sftp address has no option {name}, only fsync=no")),
            }
        }
        Ok(Self(waived))
    }
}

/// The folder that an object is in: "pack/ab" for "pack/ab/12", "" for "config".
fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The length of a plain file.
fn plain_size(attributes: &Attributes) -> Result<u64, Trouble> {
    const KIND: u32 = 0o170_000;
    const PLAIN: u32 = 0o100_000;
    match (attributes.mode, attributes.size) {
        (Some(mode), _) if mode & KIND != PLAIN => Err(other("it is not a plain file")),
        (_, Some(size)) => Ok(size),
        (_, None) => Err(other("the server does not tell how long it is")),
    }
}

fn other(text: impl fmt::Display) -> Trouble {
    Trouble::Fault(StoreErrorKind::Other, text.to_string())
}

/// What a status means to a store.
fn meaning(code: u32, words: String) -> (StoreErrorKind, String) {
    let kind = match code {
        status::NO_SUCH_FILE => StoreErrorKind::NotFound,
        status::PERMISSION_DENIED => StoreErrorKind::Permission,
        status::WRITE_PROTECT => StoreErrorKind::ReadOnly,
        status::NO_SPACE | status::QUOTA_EXCEEDED => StoreErrorKind::NoSpace,
        _ => {
            let words = if words.is_empty() { format!("status {code}") } else { words };
            return (StoreErrorKind::Other, format!("the server says: {words}"));
        }
    };
    (kind, String::new())
}
