//! Finding all objects below a folder.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, fstat, statat};
use rustix::io::Errno;

use super::folder::{Missing, not_a_plain_file, open_folder};
use crate::store::Listed;
use crate::store::name::is_valid_component;

/// Names that no object can have (temporary files, `lost+found`) are passed over. What has the name of an
/// object and is none, such as a symbolic link, is an error: objects may be hidden behind it.
pub(super) fn list(root: &OwnedFd, prefix: &str, found: &mut dyn FnMut(Listed)) -> io::Result<()> {
    if fstat(root)?.st_nlink == 0 {
        // A deleted folder reads as an empty one.
        return Err(Errno::STALE.into());
    }
    let mut prefixes = vec![prefix.to_owned()];
    while let Some(prefix) = prefixes.pop() {
        let folder = match open_folder(root, prefix.trim_end_matches('/'), Missing::Fail) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            folder => folder?,
        };
        let mut entries = Dir::read_from(&folder)?;
        while let Some(entry) = entries.read().transpose()? {
            let Some(component) = entry.file_name().to_str().ok() else {
                continue;
            };
            if !is_valid_component(component) {
                continue;
            }
            let stat = match statat(&folder, component, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue, // deleted since
                stat => stat?,
            };
            let name = format!("{prefix}{component}");
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => found(Listed { name, size: stat.st_size as u64 }),
                FileType::Directory => prefixes.push(name + "/"),
                _ => return Err(not_a_plain_file()),
            }
        }
    }
    Ok(())
}
