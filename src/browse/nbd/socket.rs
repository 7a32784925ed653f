//! A connection, of one kind or the other.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

/// A connection.
pub enum Socket {
    /// Over the network, also that of this machine alone.
    Tcp(TcpStream),
    /// On this machine.
    Unix(UnixStream),
}

impl Socket {
    /// The same connection once more.
    pub fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// Ends it for all who read or write it.
    pub fn end(&self) {
        // It may be over already.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(out),
            Self::Unix(stream) => stream.read(out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The two directions of a connection, which different threads use.
pub struct Halves {
    /// What the client says.
    pub reader: Box<dyn Read + Send>,
    /// What it is told.
    pub writer: Box<dyn Write + Send>,
}

impl Halves {
    /// Of a connection as it is.
    pub fn of(socket: &Socket) -> io::Result<Self> {
        Ok(Self { reader: Box::new(socket.again()?), writer: Box::new(socket.again()?) })
    }

    /// The next bytes.
    pub fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
