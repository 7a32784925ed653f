//! Trees grown from seeds, with everything that a file system can hold.

mod content;
mod metadata;
mod names;

use super::Draw;
pub use metadata::Refused;
use metadata::{Kind, dress};
use rustix::fs::{AtFlags, CWD, FileType, Mode, makedev};
use rustix::process::geteuid;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Grows a tree; the same number gives the same tree.
pub struct Tree<'t> {
    number: u64,
    draw: Draw,
    taken: HashMap<PathBuf, Vec<OsString>>,
    /// Everything that can have a further name.
    linkable: Vec<PathBuf>,
    made: Vec<(PathBuf, Kind)>,
    refused: &'t mut Refused,
}

impl<'t> Tree<'t> {
    /// Grows tree `number` in the directories `roots`, which must be on one file system. What the
    /// file system or our rights do not allow is left out, and counted in `refused`.
    pub fn grow(number: u64, roots: &[PathBuf], refused: &'t mut Refused) {
        let draw = Draw::new(number);
        let (taken, linkable, made) = Default::default();
        let mut tree = Self { number, draw, taken, linkable, made, refused };
        for root in roots {
            std::fs::create_dir_all(root).unwrap();
            tree.made.push((root.clone(), Kind::Directory));
        }
        let first = roots[0].clone();
        tree.file_at_a_limit(&first);
        match number % 50 {
            7 => tree.many(&first, 1023 + number / 50),
            17 => tree.many(&first, 62 + number / 50),
            27 => tree.many(&first, 254 + number / 50),
            _ => {}
        }
        if number % 10 == 3 {
            tree.deep(&first);
        }
        for _ in 0..tree.draw.below(4) * 8 {
            // A third of all lands in the newest directories, so that trees get deep.
            let place = tree.place(roots);
            tree.plant(&place);
        }
        // Directories after what is in them: everything that is made there sets their time.
        while let Some((path, kind)) = tree.made.pop() {
            dress(&mut tree.draw, &path, kind, tree.refused);
        }
    }

    fn place(&mut self, roots: &[PathBuf]) -> PathBuf {
        let directories: Vec<&PathBuf> = self
            .made
            .iter()
            .filter(|(path, kind)| *kind == Kind::Directory && path.as_os_str().len() < 2500)
            .map(|(path, _)| path)
            .collect();
        if directories.is_empty() || self.draw.once_in(3) {
            return self.draw.one_of(&roots.iter().collect::<Vec<_>>()).clone();
        }
        let at = self.draw.below(directories.len() as u64) as usize;
        directories[at].clone()
    }

    fn name(&mut self, parent: &Path) -> PathBuf {
        let taken = self.taken.entry(parent.to_owned()).or_default();
        let name = names::name(&mut self.draw, taken);
        taken.push(name.clone());
        parent.join(name)
    }

    fn add(&mut self, path: PathBuf, kind: Kind) {
        if kind != Kind::Directory {
            self.linkable.push(path.clone());
        }
        self.made.push((path, kind));
    }

    fn plant(&mut self, parent: &Path) {
        let path = self.name(parent);
        match self.draw.below(16) {
            0..3 => {
                std::fs::create_dir(&path).unwrap();
                self.add(path, Kind::Directory);
            }
            3..8 => {
                let (file, len) = (File::create(&path).unwrap(), content::small(&mut self.draw));
                content::fill(&mut self.draw, &file, len);
                self.add(path, Kind::File);
            }
            8 => {
                let file = File::create(&path).unwrap();
                match self.draw.once_in(4) {
                    true => content::fill_with_many_chunks(&mut self.draw, &file),
                    false => content::fill_sparse(&mut self.draw, &file),
                }
                self.add(path, Kind::File);
            }
            9 | 10 => {
                self.symlink(&path);
                self.add(path, Kind::Symlink);
            }
            11 => self.special(path, FileType::Fifo),
            12 => self.special(path, FileType::Socket),
            13 => match self.draw.once_in(2) {
                true => self.special(path, FileType::CharacterDevice),
                false => self.special(path, FileType::BlockDevice),
            },
            _ => self.link(&path),
        }
    }

    fn symlink(&mut self, path: &Path) {
        let long = "d/".repeat(2047);
        let target: &[u8] = match self.draw.below(7) {
            0 => b"nowhere",
            1 => b"/etc/passwd",
            2 => b"..",
            3 => b"\xff\xfe/\n\\",
            4 => long.as_bytes(),
            5 => b"/",
            _ => b"a",
        };
        symlink(std::ffi::OsStr::from_bytes(target), path).unwrap();
    }

    fn special(&mut self, path: PathBuf, kind: FileType) {
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let numbers = [(1, 3), (0, 0), (4095, 0xfffff), (259, 70_000)];
        let (major, minor) = self.draw.one_of(&numbers);
        let device = if is_device { makedev(major, minor) } else { 0 };
        match rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), device) {
            Ok(()) => self.add(path, Kind::Other),
            Err(error) if is_device && !geteuid().is_root() => {
                *self.refused.entry(format!("device nodes: {error}")).or_default() += 1;
            }
            Err(error) => panic!("cannot make {path:?}: {error}"),
        }
    }

    /// A further name of something that is there, wherever it is.
    fn link(&mut self, path: &Path) {
        if self.linkable.is_empty() {
            return;
        }
        let at = self.draw.below(self.linkable.len() as u64) as usize;
        rustix::fs::linkat(CWD, &self.linkable[at], CWD, path, AtFlags::empty()).unwrap();
    }

    fn file_at_a_limit(&mut self, parent: &Path) {
        let path = self.name(parent);
        let file = File::create(&path).unwrap();
        content::fill(&mut self.draw, &file, content::limit(self.number));
        self.add(path, Kind::File);
    }

    /// A directory with so many entries.
    fn many(&mut self, parent: &Path, entries: u64) {
        let folder = self.name(parent);
        std::fs::create_dir(&folder).unwrap();
        for n in 0..entries {
            std::fs::write(folder.join(format!("entry {n}")), n.to_string()).unwrap();
        }
        self.made.push((folder, Kind::Directory));
    }

    /// Directories in directories, as far as a path can name them.
    fn deep(&mut self, parent: &Path) {
        let mut at = parent.to_owned();
        while at.as_os_str().len() < 2000 {
            at = self.name(&at);
            std::fs::create_dir(&at).unwrap();
            self.add(at.clone(), Kind::Directory);
        }
    }
}
