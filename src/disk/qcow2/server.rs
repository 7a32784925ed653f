//! `qemu-nbd` showing one image to us alone. It ends when we do: with the connection, which is closed however we end.

use super::tool::{command, is_lock, missing, words};
use crate::disk::error::{Error, Result};
use crate::disk::nbd::{Client, Stretch};
use crate::source::{Command, Extent};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PROGRAM: &str = "qemu-nbd";

/// How long it may take to open an image.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long its last words may take to arrive.
const GRACE: Duration = Duration::from_secs(1);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// Bytes of which is asked at once where zeros are.
const ASKED: u64 = 1 << 30;

/// Bytes that the path of a folder may have, so that the path of a socket in it fits.
const FOLDER_MAX: usize = 70;

/// What QEMU's programs tell each other of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// We read, and nobody may write meanwhile.
    Taken,
    /// Whoever writes may do so.
    Left,
}

/// One that runs.
pub struct Server {
    client: Client,
    command: Command,
    /// What was told of where zeros are: from where on.
    told: (u64, Vec<Stretch>),
    /// Whether an error was looked into.
    has_erred: bool,
}

impl Server {
    /// Begins to show the qcow2 image at the absolute `path`; none when somebody else has locked it.
    pub fn begin(path: &Path, lock: Lock) -> Result<Option<Self>> {
        let failed = |source| missing(path, PROGRAM, source);
        // Nobody else can enter it, and nothing of it is left once the connection stands.
        let folder = tempfile::Builder::new().prefix("esker-").tempdir_in(place());
        let folder = folder.map_err(|error| of_server(path, &error))?;
        let socket = folder.path().join("socket");
        let mut command = command(arguments(path, &socket, lock));
        command.begin().map_err(failed)?;
        let until = Instant::now() + PATIENCE;
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(&socket) {
                break stream;
            }
            if command.ended().map_err(failed)?.is_some() {
                let why = words(&command);
                return match is_lock(&why) {
                    true => Ok(None),
                    false => Err(Error::Qcow2 { path: path.to_owned(), why }),
                };
            }
            if Instant::now() > until {
                return Err(of_server(path, &io::ErrorKind::TimedOut.into()));
            }
            std::thread::sleep(LOOK);
        };
        let client = Client::begin(stream).map_err(|error| of_server(path, &error))?;
        Ok(Some(Self { client, command, told: (0, Vec::new()), has_erred: false }))
    }

    /// Bytes that it shows.
    pub const fn size(&self) -> u64 {
        self.client.size()
    }

    /// Fills `out` with the bytes from `offset` on.
    pub fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read = self.client.read(offset, out);
        read.map_err(|error| self.explain(error))
    }

    /// The next part of `size` bytes from `from` on.
    pub fn extent(&mut self, from: u64, size: u64) -> io::Result<Extent> {
        if let Some(extent) = self.known(from, size) {
            return Ok(extent);
        }
        let told = self.client.status(from, (size - from).min(ASKED) as u32);
        self.told = (from, told.map_err(|error| self.explain(error))?);
        // Stretches are never empty, so the first is about `from`.
        self.known(from, size).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The part that was told already, up to where it becomes another one.
    fn known(&self, from: u64, size: u64) -> Option<Extent> {
        let (mut at, mut found) = (self.told.0, None);
        if from < at || from >= size {
            return None;
        }
        for stretch in &self.told.1 {
            let end = at.saturating_add(stretch.len).min(size);
            match found {
                None if end > from => found = Some((stretch.is_zero, end)),
                Some((is_zero, _)) if is_zero == stretch.is_zero => found = Some((is_zero, end)),
                Some(_) => break,
                None => {}
            }
            at = end;
        }
        found.map(|(is_zero, end)| match is_zero {
            true => Extent::Hole(from, end - from),
            false => Extent::Data(from, end - from),
        })
    }

    /// Says more of an error: a server that is gone, or an image that makes no sense, are no bad sectors.
    fn explain(&mut self, error: io::Error) -> io::Error {
        let is_over = self.client.is_broken();
        if self.has_erred && !is_over {
            return error;
        }
        self.has_erred = true;
        let until = Instant::now() + if is_over { GRACE } else { GRACE / 5 };
        let why = loop {
            let said = words(&self.command);
            if said.contains("corrupt") {
                return io::Error::other(said);
            }
            let ended = self.command.ended().ok().flatten();
            if ended.is_some() || Instant::now() > until {
                break ended.map_or(error.to_string(), |ended| {
                    format!("it {}", ended.why.unwrap_or_else(|| "ended".to_owned()))
                });
            }
            std::thread::sleep(LOOK);
        };
        match is_over {
            true => io::Error::other(format!("{PROGRAM} gives no more answers: {why}")),
            false => error,
        }
    }
}

/// What became of a server that should have been asked for an image.
fn of_server(path: &Path, error: &io::Error) -> Error {
    let why = format!("{PROGRAM} cannot be asked: {error}");
    Error::Qcow2 { path: path.to_owned(), why }
}

/// Where folders that last for a moment are made.
fn place() -> PathBuf {
    let place = std::env::temp_dir();
    if place.as_os_str().len() > FOLDER_MAX { PathBuf::from("/tmp") } else { place }
}

fn arguments(path: &Path, socket: &Path, lock: Lock) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        [PROGRAM, "--read-only", "--shared=1"].map(OsString::from).into();
    words.push(OsString::from_vec([b"--socket=", socket.as_os_str().as_bytes()].concat()));
    let path = path.as_os_str().as_bytes();
    match lock {
        // Absolute, so that it looks like nothing else.
        Lock::Taken => words.extend(["--format=qcow2".into(), OsString::from_vec(path.to_vec())]),
        Lock::Left => {
            let options: &[u8] =
                b"driver=qcow2,read-only=on,force-share=on,file.driver=file,file.filename=";
            // A comma ends a value, two of them do not.
            let doubled = path.iter().flat_map(|byte| match byte {
                b',' => vec![b','; 2],
                byte => vec![*byte],
            });
            let options = options.iter().copied().chain(doubled).collect::<Vec<u8>>();
            words.extend(["--image-opts".into(), OsString::from_vec(options)]);
        }
    }
    words
}
