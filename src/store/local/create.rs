//! Making the root folder of a new store.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;

use super::folder::FOLDER_MODE;
use crate::store::probe;

/// How many names of a folder that is not empty are shown.
const SHOWN: usize = 5;

/// Makes `path` and its missing parents, each durable in its own parent, and refuses a folder that
/// holds something.
pub(super) fn create_root(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    make_durably(&path)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path)? {
        let entry = entry?;
        let name = entry.file_name();
        // mkfs puts this folder into every new ext file system; a disk made for backups is empty.
        let is_own = name.as_bytes() == b"lost+found"
            || name.as_bytes() == probe::FOLDER.as_bytes() && is_left(&entry.path());
        if !is_own {
            names.push(name.to_string_lossy().into_owned());
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
    Err(io::Error::other(format!("the folder is not empty: it holds {shown}")))
}

/// Whether it is a folder that holds nothing but what probes left.
fn is_left(path: &Path) -> bool {
    let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let Ok(mut entries) = std::fs::read_dir(path) else { return false };
    is_folder
        && entries.all(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(probe::is_left))
        })
}

fn make_durably(path: &Path) -> io::Result<()> {
    match mkdir(path, Mode::from_raw_mode(FOLDER_MODE)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(Errno::NOENT) => {
            let parent = path.parent().ok_or(Errno::NOENT)?;
            make_durably(parent)?;
            match mkdir(path, Mode::from_raw_mode(FOLDER_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    }
    // A new folder survives a power cut once its parent is written.
    let parent = File::open(path.parent().unwrap_or(path))?;
    super::folder::sync_folder(&parent)
}
