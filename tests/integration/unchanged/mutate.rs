//! A tree that people work in: it changes in small ways from round to round.

use crate::support::Draw;
use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Everything below a folder, the folder aside.
fn all(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Makes one change somewhere below `root`.
pub fn mutate(draw: &mut Draw, root: &Path) {
    let all = all(root);
    let pick = |draw: &mut Draw| all[draw.below(all.len() as u64) as usize].clone();
    let path = pick(draw);
    let kind = path.symlink_metadata().unwrap().file_type();
    let folder = if kind.is_dir() { path.clone() } else { path.parent().unwrap().to_owned() };
    let new = folder.join(format!("new {:x}", draw.below(1 << 40)));
    match draw.below(10) {
        0 => std::fs::write(new, draw.noise(3000)).unwrap(),
        1 => std::fs::create_dir(new).unwrap(),
        2 => symlink("somewhere", new).unwrap(),
        3 if kind.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        3 => std::fs::remove_file(path).unwrap(),
        4 => {
            // Into a folder that it is not itself below.
            let to = pick(draw);
            if !to.starts_with(&path) && to.is_dir() && !to.is_symlink() {
                std::fs::rename(&path, to.join(new.file_name().unwrap())).unwrap();
            }
        }
        5 if kind.is_file() => drop(std::fs::hard_link(path, new)),
        6 if !kind.is_symlink() => {
            let mode = if kind.is_dir() { 0o750 } else { 0o604 };
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
        7 if kind.is_file() => {
            // The same length and time.
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let time = file.metadata().unwrap().modified().unwrap();
            if file.metadata().unwrap().len() > 0 {
                file.write_at(&draw.noise(1), 0).unwrap();
            }
            file.set_modified(time).unwrap();
        }
        8 if kind.is_file() => {
            let file = File::options().write(true).open(&path).unwrap();
            let end = file.metadata().unwrap().len();
            file.write_at(&draw.noise(70), end).unwrap();
        }
        9 if kind.is_file() => {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }
        _ => {}
    }
}
