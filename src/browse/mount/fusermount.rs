//! Mounting through `fusermount3`, which may do so for every user, and unmounts when this program ends,
//! however it does.
//!
//! It gets one end of a socket, sends the open device through it, and waits until the other end is closed.

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::ffi::OsStr;
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The present name of the program, and that of its older version.
const PROGRAMS: [&str; 2] = ["fusermount3", "fusermount"];

/// The variable that tells it which descriptor the socket is.
const SOCKET: &str = "_FUSE_COMMFD";

/// Somebody who unmounts when this is dropped, or this program ends.
#[derive(Debug)]
pub struct Keeper {
    socket: Option<UnixStream>,
    program: Child,
}

/// Why nothing was mounted.
#[derive(Debug)]
pub enum Failure {
    /// There is no such program.
    Absent,
    /// It said why not.
    Refused(String),
    /// It could not be run or talked to.
    Io(io::Error),
}

/// Mounts, with options as `mount -o` takes them; returns the device that requests come from.
///
/// # Errors
/// When the program is not there, or does not mount.
pub fn mount(mountpoint: &Path, options: &str) -> Result<(OwnedFd, Keeper), Failure> {
    let (here, there) = UnixStream::pair().map_err(Failure::Io)?;
    let mut program = start(mountpoint, options, there)?;
    match receive(&here) {
        Ok(Some(device)) => Ok((device, Keeper { socket: Some(here), program })),
        Ok(None) => {
            let mut said = String::new();
            if let Some(errors) = program.stderr.as_mut() {
                // What cannot be read is not said.
                let _ = errors.read_to_string(&mut said);
            }
            let _ = program.wait();
            Err(Failure::Refused(said.trim().to_owned()))
        }
        Err(error) => {
            let _ = program.kill();
            let _ = program.wait();
            Err(Failure::Io(error))
        }
    }
}

fn start(mountpoint: &Path, options: &str, socket: UnixStream) -> Result<Child, Failure> {
    // Standard input is a descriptor that a program gets without further ado.
    let socket = OwnedFd::from(socket);
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.args([OsStr::new("-o"), OsStr::new(options), OsStr::new("--")]).arg(mountpoint);
        command.env(SOCKET, "0").env("LC_ALL", "C");
        command.stdin(Stdio::from(socket.try_clone().map_err(Failure::Io)?));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::Io(error)),
        }
    }
    Err(Failure::Absent)
}

/// Unmounts, at once or, while somebody uses it, as soon as nobody does; whether that could be done.
pub fn unmount(mountpoint: &Path) -> bool {
    use rustix::mount::UnmountFlags;
    for flags in [UnmountFlags::NOFOLLOW, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH] {
        match rustix::mount::unmount(mountpoint, flags) {
            Ok(()) => return true,
            // Only root may.
            Err(rustix::io::Errno::PERM) => break,
            Err(_) => {}
        }
    }
    for lazily in [&[][..], &["-z"]] {
        for program in PROGRAMS {
            let mut command = Command::new(program);
            command.args(["-u", "-q"]).args(lazily).arg("--").arg(mountpoint);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            match command.status() {
                Ok(status) if status.success() => return true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
    }
    false
}

/// The descriptor that comes through a socket; none when that is closed without.
fn receive(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    loop {
        match recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            return Ok(descriptors.next());
        }
    }
    Ok(None)
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.socket.take());
        let _ = self.program.wait();
    }
}
