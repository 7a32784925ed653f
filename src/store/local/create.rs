//! Making the root folder of a new store.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;

use super::folder::FOLDER_MODE;

/// How many names of a folder that is not empty are shown.
const SHOWN: usize = 5;

/// Makes `path` and its missing parents, each durable in its own parent, and refuses a folder that
/// holds something.
pub(super) fn create_root(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    make_durably(&path)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path)? {
        let name = entry?.file_name();
        // mkfs puts this folder into every new ext file system; a disk made for backups is empty.
        if name.as_bytes() != b"lost+found" {
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
