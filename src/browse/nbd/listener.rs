//! Where clients come to: a port, or a socket in the file system.

use super::socket::Socket;
use rustix::net::sockopt;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long nothing is heard from a client until the system asks whether it is still there, and how often then.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Bytes of the path of a socket at most, as Linux has it.
const PATH_MAX: usize = 107;

/// Where clients come to.
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket, which is removed at the end.
    Unix(UnixListener, Name),
}

/// Why nobody can come.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system says no.
    #[error("cannot listen on {at}: {source}")]
    System {
        /// Where.
        at: String,
        /// What it says.
        source: io::Error,
    },
    /// A server is there already.
    #[error("{at} is in use by another server")]
    Busy {
        /// Where.
        at: String,
    },
    /// Something is there that is not ours.
    #[error("{} is there, and no socket", path.display())]
    NoSocket {
        /// Where.
        path: PathBuf,
    },
    /// No client could name it.
    #[error("{} is too long for a socket, which has {PATH_MAX} bytes at most", path.display())]
    TooLong {
        /// Where.
        path: PathBuf,
    },
}

impl Listener {
    /// Listens on a port.
    ///
    /// # Errors
    /// When it is in use, or the system says no.
    pub fn tcp(address: SocketAddr) -> Result<Self, ListenError> {
        let at = address.to_string();
        let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::Busy { at: at.clone() },
            _ => ListenError::System { at: at.clone(), source },
        })?;
        let is_set = listener.set_nonblocking(true);
        is_set.map_err(|source| ListenError::System { at, source })?;
        Ok(Self::Tcp(listener))
    }

    /// Listens on a socket that this user alone can use. What a dead server has left there is replaced.
    ///
    /// # Errors
    /// When a server is there, or anything else, or the system says no.
    pub fn unix(path: &Path) -> Result<Self, ListenError> {
        let system = |source| ListenError::System { at: path.display().to_string(), source };
        if path.as_os_str().len() > PATH_MAX {
            return Err(ListenError::TooLong { path: path.to_owned() });
        }
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(system(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(ListenError::NoSocket { path: path.to_owned() });
            }
            Ok(_) => match UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(system)?;
                }
                Err(error) => return Err(system(error)),
                Ok(_) => return Err(ListenError::Busy { at: path.display().to_string() }),
            },
        }
        let listener = bind(path).map_err(system)?;
        let metadata = std::fs::symlink_metadata(path).map_err(system)?;
        let name = Name { path: path.to_owned(), is: (metadata.dev(), metadata.ino()) };
        listener.set_nonblocking(true).map_err(system)?;
        Ok(Self::Unix(listener, name))
    }

    /// The port that it is, also when any would do; none of a socket.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(..) => Ok(None),
        }
    }

    /// The next connection, when there is one.
    pub(super) fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                // Answers are small, and nothing comes behind them.
                stream.set_nodelay(true)?;
                // A client whose machine has died takes the place of another only for some minutes.
                sockopt::set_socket_keepalive(&stream, true)?;
                sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
                sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
                Ok(Socket::Tcp(stream))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                Ok(Socket::Unix(stream))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

/// Makes a socket that appears under its name when it has its mode: until then it is in a folder that
/// nobody else may enter.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let why = format!("there is no directory {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    let apart = tempfile::Builder::new().prefix(".").rand_bytes(6).tempdir_in(folder)?;
    // Through the descriptor the name is short, wherever the folder is.
    let opened = std::fs::File::open(apart.path())?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
    let listener = UnixListener::bind(format!("/proc/self/fd/{number}/s"))?;
    let made = apart.path().join("s");
    std::fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    // Unlike a rename, it does not take the place of what somebody else put there just now.
    std::fs::hard_link(&made, path)?;
    Ok(listener)
}

/// The name of a socket. It goes with this value, unless somebody else has put another thing there.
pub struct Name {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
}

impl Drop for Name {
    fn drop(&mut self) {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.is) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
