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
        store.get(name, slot::OBJECT_MAX as u64, &mut object).map_err(Error::from_read)?;
        match slot::decode(&object, passphrase) {
            Ok(material) if material.repository() == id => {
                // It was decoded a moment ago.
                let (header, _) = Header::decode(&object).map_err(|e| Error::damaged(name, e))?;
                return Ok((header.session, material));
            }
            Err(e @ FormatError::Unsupported { .. }) => newer = Some(Error::damaged(name, e)),
            // A damaged slot is no reason not to try the others.
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
