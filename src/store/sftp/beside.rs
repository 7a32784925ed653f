//! What stands beside a put: a temporary name, folders, and the reason when it fails.

use super::packet::status;
use super::session::Session;
use super::{SftpStore, Trouble, folder_of, other};
use crate::store::StoreErrorKind;

/// With less room than this beyond the object (bytes), a failed write means that there is none.
const ROOM: u64 = 1 << 20;

impl SftpStore {
    /// A name in the same folder that no object has and nobody else draws.
    pub(super) fn temporary(&self, name: &str) -> Result<String, Trouble> {
        let number =
            getrandom::u64().map_err(|error| other(format!("no random numbers: {error}")))?;
        let folder = self.path(folder_of(name));
        Ok(format!("{folder}/.tmp-{number:016x}"))
    }

    /// Makes the folders of an object below the root, which must be there.
    pub(super) fn make_folders(&self, session: &Session, folder: &str) -> Result<(), Trouble> {
        let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
        for end in ends {
            // One that exists fails, as one that cannot be made; the file in it tells them apart.
            match session.make_folder(&self.path(&folder[..end]))?.done() {
                Err(Trouble::Status(status::NO_SUCH_FILE, _)) => {
                    let text = "the folder of the repository is not there".to_owned();
                    return Err(Trouble::Fault(StoreErrorKind::NotFound, text));
                }
                Err(Trouble::Status(status::FAILURE, _)) | Ok(()) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// A failure that has no reason has one when there is no room.
    pub(super) fn explain(&self, session: &Session, trouble: Trouble, len: u64) -> Trouble {
        match (&trouble, session.room(&self.path(""))) {
            (Trouble::Status(status::FAILURE, _), Ok(Some(room))) if room < len + ROOM => {
                Trouble::Fault(StoreErrorKind::NoSpace, String::new())
            }
            _ => trouble,
        }
    }
}

/// Why a file got no second name.
pub(super) fn explain_link(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Status(status::OP_UNSUPPORTED | status::PERMISSION_DENIED, _) => other(
            "the server makes no hard link there: its file system may have none, as vfat and exfat",
        ),
        other => other,
    }
}
