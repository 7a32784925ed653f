//! Key files: reading them, and writing new ones.

use crate::cli::exit::Failure;
use crate::repository::Error;
use esker_format::key_material::{KeyMaterial, decode_file, encode_file};
use std::io::Write;
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a key file.
///
/// # Errors
/// When it cannot be read or holds no key.
pub fn read(path: &Path) -> Result<KeyMaterial, Failure> {
    let io =
        |source| Error::Io { action: "read key file", path: path.display().to_string(), source };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
    decode_file(&text)
        .map_err(|e| Failure::usage(format!("{} is no key file of esker: {e}", path.display())))
}

/// Writes a new key file that only its owner can read; an existing file is never touched.
///
/// # Errors
/// When there is one, or it cannot be written durably.
pub fn write(path: &Path, material: &KeyMaterial) -> Result<(), Failure> {
    let io = |action| {
        let path = path.display().to_string();
        move |source| Error::Io { action, path, source }
    };
    if let Some(folder) = path.parent().filter(|p| *p != Path::new("")) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .create(folder)
            .map_err(io("make the folder of"))?;
    }
    let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    let text = encode_file(material);
    // The name comes last: whoever is killed before leaves no half of a key under it. A temporary
    // file is for its owner only, and goes unless it becomes the key file.
    let mut file = tempfile::Builder::new()
        .prefix(".key-")
        .tempfile_in(folder)
        .map_err(io("create key file"))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(io("write key file"))?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {
            let hint = "name another file; a key file is never overwritten";
            return Err(Failure::Usage(
                format!("{} exists already", path.display()),
                Some(hint.to_owned()),
            ));
        }
        Err(e) => return Err(io("create key file")(e.error).into()),
    }
    // The name must last as well, before a repository exists that only this key opens.
    if let Ok(folder) = std::fs::File::open(folder) {
        folder.sync_all().map_err(io("write key file"))?;
    }
    Ok(())
}
