//! Opening a repository: from what a person or a job has to all that follows from it.

use crate::repository::access::Access;
use crate::repository::error::{Error, Result};
use crate::store::Store;
use esker_format::envelope::Header;
use esker_format::ids::{RepositoryId, SessionId};
use esker_format::key::OwnerSecret;
use esker_format::key_material::KeyMaterial;
use esker_format::{FormatError, names, slot};
use zeroize::Zeroizing;

/// What somebody has to open a repository with.
pub enum Unlock {
    /// The content of a key file.
    File(KeyMaterial),
    /// A passphrase, for one of the key slots.
    Passphrase(Zeroizing<String>),
    /// The recovery key.
    Recovery(OwnerSecret),
}

impl Unlock {
    /// The keys of repository `id`.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when they are those of another, or the passphrase opens no slot.
    pub(super) fn access(self, store: &dyn Store, id: RepositoryId) -> Result<Access> {
        match self {
            Self::File(material) => {
                if material.repository() != id {
                    let other = material.repository();
                    let reason = format!("it belongs to repository {other}, this one is {id}");
                    return Err(Error::WrongKey { reason });
                }
                Ok(Access::new(&material))
            }
            Self::Recovery(secret) => Ok(Access::owner(id, secret)),
            Self::Passphrase(passphrase) => {
                let (slot, material) = open_slot(store, id, passphrase.as_bytes())?;
                let mut access = Access::new(&material);
                access.slot = Some(slot);
                Ok(access)
            }
        }
    }
}

/// The slot that a passphrase opens, if there is one.
pub(super) fn find(
    store: &dyn Store,
    id: RepositoryId,
    passphrase: &[u8],
) -> Result<Option<SessionId>> {
    match open_slot(store, id, passphrase) {
        Ok((slot, _)) => Ok(Some(slot)),
        Err(Error::WrongKey { .. } | Error::Newer { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first slot that the passphrase opens, and its material.
fn open_slot(
    store: &dyn Store,
    id: RepositoryId,
    passphrase: &[u8],
) -> Result<(SessionId, KeyMaterial)> {
    let mut slots = Vec::new();
    store.list(names::KEYS, &mut |found| slots.push(found.name))?;
    slots.sort();
    let mut object = Vec::new();
    let mut newer = None;
    for name in &slots {
        match store.get(name, slot::OBJECT_MAX as u64, &mut object).map_err(Error::from_part) {
            Ok(()) => {}
            // A damaged slot is no reason not to try the others, and one that is gone was removed.
            Err(error) if error.is_damage() => continue,
            Err(error) => return Err(error),
        }
        match open_one(name, &object, passphrase) {
            Ok((slot, material)) if material.repository() == id => return Ok((slot, material)),
            Err(e @ FormatError::Unsupported { .. }) => newer = Some(Error::damaged(name, e)),
            Ok(_) | Err(_) => {}
        }
    }
    let reason = match slots.len() {
        0 => "it has no passphrase; give its key file".to_owned(),
        1 => "the passphrase is wrong".to_owned(),
        n => format!("the passphrase opens none of its {n} key slots"),
    };
    Err(newer.unwrap_or(Error::WrongKey { reason }))
}

/// What the passphrase opens in a slot that has its own name. A copy under another name would outlive
/// the slot, when that is removed.
fn open_one(
    name: &str,
    object: &[u8],
    passphrase: &[u8],
) -> std::result::Result<(SessionId, KeyMaterial), FormatError> {
    let (header, _) = Header::decode(object)?;
    if names::slot(header.session) != name {
        return Err(FormatError::Misplaced { what: "key slot" });
    }
    Ok((header.session, slot::decode(object, passphrase)?))
}
