//! Finding all objects below a folder, many folders at a time; and the root folder itself.

use super::litter::PREFIX;
use super::packet::status;
use super::session::{Entry, Handle, Session};
use super::{SftpStore, Trouble, other, plain_size};
use crate::store::name::is_valid_component;
use crate::store::{Listed, StoreErrorKind, is_valid_name, probe};

/// Folders that are open at a time.
const OPEN_MAX: usize = 32;

const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;

/// Names that no object can have are passed over; those of temporary files are remembered. What has the
/// name of an object and is none, such as a symbolic link, is an error: objects may be hidden behind it.
pub(super) fn list(
    store: &SftpStore,
    session: &Session,
    prefix: &str,
) -> Result<Vec<Listed>, Trouble> {
    // A folder that is not mounted, or is gone, must not look like an empty one.
    store.find_root(session).map_err(|trouble| match trouble {
        Trouble::Status(status::NO_SUCH_FILE, _) => {
            let text = "the folder of the repository is not there".to_owned();
            Trouble::Fault(StoreErrorKind::NotFound, text)
        }
        other => other,
    })?;
    let mut found = Vec::new();
    let mut waiting = vec![prefix.to_owned()];
    while !waiting.is_empty() {
        let some = waiting.split_off(waiting.len().saturating_sub(OPEN_MAX));
        for (folder, entry) in read_folders(store, session, &some)? {
            let Some(name) = object_name(store, &folder, &entry) else { continue };
            let mut attributes = entry.attributes;
            if attributes.mode.is_none() || attributes.size.is_none() {
                attributes = match session.look(&store.path(&name))?.attributes() {
                    Err(Trouble::Status(status::NO_SUCH_FILE, _)) => continue, // deleted since
                    attributes => attributes?,
                };
            }
            match attributes.mode {
                Some(mode) if mode & KIND == FOLDER => waiting.push(name + "/"),
                Some(_) => found.push(Listed { size: plain_size(&attributes)?, name }),
                None => return Err(other("the server does not tell files from folders")),
            }
        }
    }
    Ok(found)
}

/// The name of the object or folder that an entry is; none when it is neither.
fn object_name(store: &SftpStore, folder: &str, entry: &Entry) -> Option<String> {
    let component = std::str::from_utf8(&entry.name).ok()?;
    if entry.name.starts_with(PREFIX)
        && entry.name.iter().all(|b| b.is_ascii_alphanumeric() || b".-".contains(b))
    {
        if let Some(changed) = entry.attributes.changed {
            store.litter.found(store.path(&format!("{folder}{component}")), changed);
        }
        return None;
    }
    let name = format!("{folder}{component}");
    (is_valid_component(component) && is_valid_name(&name)).then_some(name)
}

/// All entries of some folders, each with its folder. A folder that is not there has none.
fn read_folders(
    store: &SftpStore,
    session: &Session,
    folders: &[String],
) -> Result<Vec<(String, Entry)>, Trouble> {
    let opening = folders.iter().map(|folder| session.open_folder(&store.path(folder)));
    let opening = opening.collect::<Result<Vec<_>, _>>()?;
    let mut open: Vec<(&str, Handle)> = Vec::with_capacity(folders.len());
    for (folder, reply) in folders.iter().zip(opening) {
        match reply.handle() {
            Ok(handle) => open.push((folder, handle)),
            Err(Trouble::Status(status::NO_SUCH_FILE, _)) => {} // deleted since, or never made
            Err(trouble) => return Err(trouble),
        }
    }
    let mut found = Vec::new();
    while !open.is_empty() {
        let reading = open.iter().map(|(_, handle)| session.read_folder(handle));
        let reading = reading.collect::<Result<Vec<_>, _>>()?;
        let mut still = Vec::with_capacity(open.len());
        for ((folder, handle), reply) in open.into_iter().zip(reading) {
            match reply.names()? {
                Some(entries) => {
                    found.extend(entries.into_iter().map(|entry| (folder.to_owned(), entry)));
                    still.push((folder, handle));
                }
                None => drop(session.close(&handle)?),
            }
        }
        open = still;
    }
    Ok(found)
}

fn is_folder(entry: &Entry) -> bool {
    entry.attributes.mode.is_some_and(|mode| mode & KIND == FOLDER)
}

impl SftpStore {
    /// Whether the root folder is there.
    pub(super) fn find_root(&self, session: &Session) -> Result<(), Trouble> {
        let attributes = session.look(&self.path(""))?.attributes()?;
        match attributes.mode {
            Some(mode) if mode & KIND != FOLDER => Err(other("it is not a folder")),
            _ => Ok(()),
        }
    }

    /// Makes the root folder and its parents, where they are missing, durably.
    pub(super) fn make_root(&self, session: &Session) -> Result<(), Trouble> {
        let ends = self.root.match_indices('/').map(|(at, _)| at).chain([self.root.len()]);
        let ends: Vec<usize> = ends.filter(|end| *end > 0).collect();
        // From the bottom up, until one is there: those above it may not let us look.
        let mut missing = Vec::new();
        for end in ends.iter().rev() {
            let path = &self.root[..*end];
            match session.look(&format!("{path}/."))?.attributes() {
                Err(Trouble::Status(status::NO_SUCH_FILE, _)) => missing.push(path),
                other => {
                    other?;
                    break;
                }
            }
        }
        for path in missing.iter().rev() {
            match session.make_folder(path)?.done() {
                // Another may have made it meanwhile.
                Err(trouble) => {
                    session.look(&format!("{path}/."))?.attributes().map_err(|_| trouble)?;
                }
                Ok(()) => self.settle(session, path)?,
            }
        }
        Ok(())
    }

    /// Makes the name of a new folder durable in the one above it, where the server opens folders.
    fn settle(&self, session: &Session, path: &str) -> Result<(), Trouble> {
        let above = match path.rsplit_once('/') {
            Some(("", _)) => "/",
            Some((above, _)) => above,
            None => ".",
        };
        if let (true, Ok(handle)) = (session.offers.fsync, session.open(above)?.handle()) {
            let _ = session.sync(&handle)?.done(); // the first object tries the same again
            session.close(&handle)?;
        }
        Ok(())
    }

    /// Whether the root folder is empty.
    pub(super) fn find_empty(&self, session: &Session) -> Result<(), Trouble> {
        /// How many names of a folder that is not empty are shown.
        const SHOWN: usize = 5;
        let entries = read_folders(self, session, &[String::new()])?;
        let itself = |name: &[u8]| [&b"."[..], b".."].contains(&name);
        let mut names = Vec::new();
        for (_, entry) in &entries {
            let is_own = match &entry.name[..] {
                b"lost+found" => true,
                name if name == probe::FOLDER.as_bytes() && is_folder(entry) => {
                    let inside = read_folders(self, session, &[probe::FOLDER.to_owned()])?;
                    let left = |name| std::str::from_utf8(name).is_ok_and(probe::is_left);
                    inside.iter().all(|(_, entry)| itself(&entry.name) || left(&entry.name))
                }
                name => itself(name),
            };
            if !is_own {
                names.push(String::from_utf8_lossy(&entry.name));
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        names.sort();
        let mut shown = names[..names.len().min(SHOWN)].join(", ");
        if names.len() > SHOWN {
            shown += &format!(" and {} more", names.len() - SHOWN);
        }
        Err(other(format!("the folder is not empty: it holds {shown}")))
    }
}
