//! The files that an image is made of: it holds what was written since, over a file that holds the rest.

use super::tool::{Told, is_lock, qemu_img};
use crate::disk::error::{Error, Result};
use esker_format::image::LAYERS_MAX;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the exit codes of `qemu-img check` say: all is well, it makes no sense, some room is lost.
const SOUND: i32 = 0;
const BROKEN: i32 = 2;
const LEAKY: i32 = 3;

/// One of the files.
#[derive(Debug, Clone)]
pub struct Layer {
    path: PathBuf,
    format: String,
    seen: Seen,
}

/// What the file system says of a file, which differs when its bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    is_file: bool,
    identity: (u64, u64),
    size: u64,
    times: [i64; 4],
}

/// What `qemu-img info` tells, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    format: String,
    full_backing_filename: Option<String>,
    backing_filename_format: Option<String>,
    #[serde(default)]
    format_specific: Specific,
}

#[derive(Deserialize, Default)]
struct Specific {
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Data {
    #[serde(default)]
    corrupt: bool,
    data_file: Option<String>,
}

impl Layer {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its form, as QEMU calls it.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Whether it is not what it was when it was found.
    pub fn has_changed(&self) -> bool {
        self.seen.is_file && Seen::at(&self.path).ok() != Some(self.seen)
    }
}

impl Seen {
    fn at(path: &Path) -> std::io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            is_file: found.is_file(),
            identity: (found.dev(), found.ino()),
            size: found.len(),
            times: [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()],
        })
    }
}

/// All files of the qcow2 image at the absolute `path`, the topmost first. One after the other, so that
/// nothing is opened but files of this machine, whatever the images say.
pub fn find(path: &Path) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    let mut next = Some((path.to_owned(), Some("qcow2".to_owned())));
    while let Some((at, format)) = next.take() {
        let seen = look(path, &at)?;
        let failed = |why| Err(Error::Qcow2 { path: path.to_owned(), why });
        if layers.iter().any(|above: &Layer| above.seen.identity == seen.identity) {
            return failed(format!("it lies on itself, through {}", at.display()));
        }
        if layers.len() >= LAYERS_MAX {
            return failed(format!("it lies on more than {LAYERS_MAX} files"));
        }
        let info = info(path, &at, format)?;
        if info.format_specific.data.corrupt {
            let it = if at == path { "it".into() } else { at.display().to_string() };
            return failed(format!("{it} is marked as corrupt"));
        }
        let folder = at.parent().unwrap_or(Path::new("/")).to_owned();
        layers.push(Layer { path: at, format: info.format, seen });
        if let Some(data) = info.format_specific.data.data_file {
            let data = local(path, &folder, &data)?;
            let (seen, format) = (look(path, &data)?, "raw".to_owned());
            layers.push(Layer { path: data, format, seen });
        }
        if let Some(backing) = info.full_backing_filename {
            next = Some((local(path, &folder, &backing)?, info.backing_filename_format));
        }
    }
    Ok(layers)
}

/// Fails when the content of an image of the kind qcow2 does not agree with itself, as that of one that was cut off:
/// reading it gives zeros for what is missing, and no error. False when somebody else has locked it.
pub fn check(path: &Path, layers: &[Layer]) -> Result<bool> {
    for layer in layers.iter().filter(|layer| layer.format == "qcow2") {
        let told = qemu_img(path, words(&["check", "-q", "-f", "qcow2"], &layer.path))?;
        if matches!(told.code, SOUND | LEAKY) {
            continue;
        }
        if is_lock(&told.said) {
            return Ok(false);
        }
        let first = told.said.split("; ").next().unwrap_or_default();
        let failed = |why| Err(Error::Qcow2 { path: path.to_owned(), why });
        if told.code != BROKEN {
            return failed(first.to_owned());
        }
        let it = if layer.path == path { "it".into() } else { layer.path.display().to_string() };
        let why = format!("`qemu-img check` finds {it} broken: {first}");
        return failed(why);
    }
    Ok(true)
}

fn info(path: &Path, at: &Path, format: Option<String>) -> Result<Info> {
    let mut arguments = vec!["info", "--force-share", "--output=json"];
    arguments.extend(format.iter().flat_map(|format| ["-f", format.as_str()]));
    let Told { code, output, said } = qemu_img(path, words(&arguments, at))?;
    let failed = |why| Error::Qcow2 { path: path.to_owned(), why };
    if code != 0 {
        return Err(failed(said));
    }
    // Names of files may be no text. Such a one is not found then.
    serde_json::from_str(&String::from_utf8_lossy(&output))
        .map_err(|error| failed(format!("`qemu-img info` tells nothing that makes sense: {error}")))
}

fn look(path: &Path, at: &Path) -> Result<Seen> {
    Seen::at(at).map_err(|source| match at == path {
        true => Error::Open { path: path.to_owned(), source },
        false => Error::Backing {
            path: path.to_owned(),
            on: at.display().to_string(),
            why: source.to_string(),
        },
    })
}

/// The path of a file that an image names, as seen from its folder.
fn local(path: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = name.strip_prefix("file:").unwrap_or(name);
    // As QEMU tells names with a protocol from paths.
    let first = plain.find([':', '/']).map(|at| plain.as_bytes()[at]);
    if first == Some(b':') {
        let (on, why) = (name.to_owned(), "that is no file of this machine".to_owned());
        return Err(Error::Backing { path: path.to_owned(), on, why });
    }
    Ok(folder.join(plain))
}

fn words(arguments: &[&str], path: &Path) -> Vec<OsString> {
    let words = arguments.iter().map(|word| OsString::from(*word));
    words.chain([path.as_os_str().to_owned()]).collect()
}
