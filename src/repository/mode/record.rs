//! What this machine remembers of a store that it tried out: one small file for each repository and place.

use super::probed::Probed;
use crate::repository::error::{Error, Result};
use crate::store::Store;
use crate::store::probe::{Report, Verdict};
use esker_format::ids::RepositoryId;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// The first line of the file.
const FIRST: &str = "esker probe 1";
/// The file has some 300 bytes.
const FILE_MAX: u64 = 16 << 10;

/// What is remembered; none when nothing is, or nothing that can be read: then the store is tried again.
///
/// # Errors
/// When the file is there and this user may not read it.
pub fn read(
    state: Option<&Path>,
    repository: RepositoryId,
    store: &dyn Store,
) -> Result<Option<Probed>> {
    let Some(folder) = state else { return Ok(None) };
    let path = path(folder, repository, store);
    let mut found = String::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_MAX).read_to_string(&mut found));
    match read {
        Ok(_) => Ok(parse(&found).filter(|probed| text(repository, store, probed) == found)),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(failure("read", &path, e)),
        Err(_) => Ok(None),
    }
}

/// Remembers it in place of what was known before.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(
    state: Option<&Path>,
    repository: RepositoryId,
    store: &dyn Store,
    probed: &Probed,
) -> Result<()> {
    let Some(folder) = state else { return Ok(()) };
    let path = path(folder, repository, store);
    replace(&path, &text(repository, store, probed)).map_err(|e| failure("write", &path, e))
}

/// One file for each place: a copy of the repository elsewhere is tried by itself.
fn path(state: &Path, repository: RepositoryId, store: &dyn Store) -> PathBuf {
    let place = format!("{}\0{}", store.location(), store.nature().endpoint);
    let digits = blake3::hash(place.as_bytes()).to_hex();
    state.join("probe").join(format!("{repository}-{}", &digits[..16]))
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

fn failure(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { action, path: path.display().to_string(), source }
}

fn text(repository: RepositoryId, store: &dyn Store, probed: &Probed) -> String {
    let Probed { time, report } = probed;
    let deletes = match report.deletes {
        None => "unknown",
        Some(true) => "good",
        Some(false) => "refused",
    };
    let clock = report.clock_ahead.map_or("unknown".to_owned(), |ahead| ahead.to_string());
    let mut text = format!(
        "{FIRST}\nrepository {repository}\nlocation {}\nendpoint {}\ntime {time}\nput-if-absent {}\nlisting {}\n\
         ranges {}\ndelete {deletes}\nclock {clock}\n",
        one_line(&store.location()),
        one_line(&store.nature().endpoint),
        of(&report.put_if_absent),
        of(&report.listing),
        of(&report.ranges),
    );
    let sum = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&format!("sum {sum}\n"));
    text
}

fn of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good => "good".to_owned(),
        Verdict::Bad(why) => format!("bad {}", one_line(why)),
        Verdict::Unclear(why) => format!("unclear {}", one_line(why)),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn parse(text: &str) -> Option<Probed> {
    let mut lines = text.lines();
    let mut field = |name: &str| lines.by_ref().find_map(|line| line.strip_prefix(name));
    let time = field("time ")?.parse().ok()?;
    let put_if_absent = verdict(field("put-if-absent ")?)?;
    let listing = verdict(field("listing ")?)?;
    let ranges = verdict(field("ranges ")?)?;
    let deletes = match field("delete ")? {
        "good" => Some(true),
        "refused" => Some(false),
        _ => None,
    };
    let clock_ahead = field("clock ")?.parse().ok();
    Some(Probed { time, report: Report { put_if_absent, listing, ranges, deletes, clock_ahead } })
}

fn verdict(text: &str) -> Option<Verdict> {
    match text.split_once(' ') {
        None if text == "good" => Some(Verdict::Good),
        Some(("bad", why)) => Some(Verdict::Bad(why.to_owned())),
        Some(("unclear", why)) => Some(Verdict::Unclear(why.to_owned())),
        _ => None,
    }
}
