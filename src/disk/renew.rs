//! New ids for a copy that stays beside its original: of the partition table, of partitions, and of the
//! file systems whose own tools can give them one.

mod attached;
mod ext;
mod table;
mod tools;
mod xfs;

use super::error::{Error, Result};
use super::file_system::FileSystem;
use super::geometry::Geometry;
use super::table::Table;
use super::target::Target;
use attached::Attached;
use std::path::Path;

/// An id on a disk, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    /// The partition that it is the id of, or that the file system is in; none for the disk as a whole.
    pub partition: Option<u32>,
    /// What goes by it: `gpt`, `mbr`, `partition`, or the kind of the file system.
    pub kind: String,
    /// What it was.
    pub before: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is to be replaced.
    Planned,
    /// It is this one now.
    New(String),
    /// It stays, since nothing here can give another one.
    Kept,
    /// It should have become another one and did not, and why.
    Refused(String),
}

/// The new ids of one copy.
#[derive(Debug)]
pub struct Renewal<'r> {
    image: &'r Geometry,
}

/// A file system whose id can be replaced.
struct Place<'p> {
    target: &'p Target,
    start: u64,
    len: u64,
}

/// How the id of a file system of this kind is replaced; an error says why it stays.
type Renew = fn(&Place<'_>) -> std::result::Result<(), String>;

fn renew_of(system: &FileSystem) -> Option<Renew> {
    match system.kind.as_str() {
        "ext2" | "ext3" | "ext4" => Some(ext::renew),
        "xfs" => Some(xfs::renew),
        _ => None,
    }
}

/// All ids of an image, and what would become of each if there were to be new ones.
pub fn all_ids(image: &Geometry) -> Vec<Id> {
    let systems = image.file_systems().map(|(partition, _, _, system)| Id {
        partition,
        kind: system.kind.clone(),
        before: system.uuid.clone(),
        fate: if renew_of(system).is_some() { Fate::Planned } else { Fate::Kept },
    });
    table::ids(&image.table).into_iter().chain(systems).collect()
}

impl<'r> Renewal<'r> {
    /// Of a disk with what is in this image. `at` is any disk or file that can be read by now.
    ///
    /// # Errors
    /// When a program is missing, or loop devices cannot be had: before anything is written.
    pub fn new(image: &'r Geometry, at: &Path) -> Result<Self> {
        let kinds: Vec<&str> = image
            .file_systems()
            .filter(|(.., system)| renew_of(system).is_some())
            .map(|(.., system)| system.kind.as_str())
            .collect();
        for kind in &kinds {
            tools::check(kind)?;
        }
        if !kinds.is_empty() {
            let tried = Attached::to_read(at);
            tried.map_err(|why| Error::NoLoop { path: at.to_owned(), why })?;
        }
        Ok(Self { image })
    }

    /// All ids, as they are in the image.
    pub fn planned(&self) -> Vec<Id> {
        all_ids(self.image)
    }

    /// Whether the copy will go by this id too.
    pub fn keeps(&self, id: &str) -> bool {
        let is_it = |planned: &Id| planned.before.as_deref() == Some(id);
        self.planned().iter().any(|planned| is_it(planned) && planned.fate == Fate::Kept)
    }

    /// Replaces the ids of what was written to `target`. Where that is not `whole`, they all stay: a check of the
    /// file systems, which comes first, would put right what is to be looked at by somebody.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn run(&self, target: &Target, whole: bool) -> Result<Vec<Id>> {
        let mut ids = self.planned();
        if !whole {
            let why = "not all of it is as it was: look at its file systems first";
            for id in ids.iter_mut().filter(|id| id.fate == Fate::Planned) {
                id.fate = Fate::Refused(why.to_owned());
            }
            return Ok(ids);
        }
        let table = table::renew(target, &self.image.table)?;
        let now = match &table {
            Ok(()) => table::ids(&Table::read(target, self.image.sector())),
            Err(_) => Vec::new(),
        };
        let of_table = table::ids(&self.image.table).len();
        let (of_table, of_systems) = ids.split_at_mut(of_table);
        for id in of_table.iter_mut().filter(|id| id.fate == Fate::Planned) {
            let new = now.iter().find(|new| (new.partition, &new.kind) == (id.partition, &id.kind));
            id.fate = fate(id.before.as_ref(), new.and_then(|new| new.before.clone()), &table);
        }
        for (id, (_, start, len, system)) in of_systems.iter_mut().zip(self.image.file_systems()) {
            let Some(renew) = renew_of(system) else { continue };
            let before = FileSystem::at(target, start, len);
            let done = match &before {
                Some(before) if before.kind == system.kind => renew(&Place { target, start, len }),
                _ => Err("it is not there".to_owned()),
            };
            let now = FileSystem::at(target, start, len).and_then(|system| system.uuid);
            id.before = before.and_then(|system| system.uuid);
            id.fate = fate(id.before.as_ref(), now, &done);
        }
        target.sync()?;
        Ok(ids)
    }
}

/// What became of an id. Some programs say that all went well when nothing did: what counts is what is there.
fn fate(
    before: Option<&String>,
    now: Option<String>,
    done: &std::result::Result<(), String>,
) -> Fate {
    match (now.filter(|now| before != Some(now)), done) {
        (Some(now), _) => Fate::New(now),
        (None, Err(why)) => Fate::Refused(why.clone()),
        (None, Ok(())) => Fate::Refused("it is the same as before".to_owned()),
    }
}
