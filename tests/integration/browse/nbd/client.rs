//! A client as simple as can be: the oldest way to begin, answers without chunks.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub const READ: u16 = 0;
pub const WRITE: u16 = 1;
pub const FLUSH: u16 = 3;
pub const TRIM: u16 = 4;
pub const ZERO: u16 = 6;

pub struct Client {
    pub stream: UnixStream,
    pub size: u64,
    pub flags: u16,
    cookie: u64,
}

/// A connection that has heard the greeting and said nothing but that it knows how options are answered.
pub fn greeted(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut greeting = [0; 18];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
    stream.write_all(&[0, 0, 0, 3]).unwrap();
    stream
}

/// An option as it goes over the wire.
pub fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let numbers = [number, data.len() as u32].map(u32::to_be_bytes).concat();
    [b"IHAVEOPT", &numbers[..], data].concat()
}

/// A request as it goes over the wire.
pub fn request(command: u16, flags: u16, cookie: u64, offset: u64, len: u32) -> Vec<u8> {
    let mut out = 0x2560_9513_u32.to_be_bytes().to_vec();
    out.extend([flags, command].map(u16::to_be_bytes).concat());
    out.extend([cookie, offset].map(u64::to_be_bytes).concat());
    out.extend(len.to_be_bytes());
    out
}

impl Client {
    pub fn new(socket: &Path) -> Self {
        let mut stream = greeted(socket);
        stream.write_all(&option(1, b"")).unwrap();
        let mut told = [0; 10];
        stream.read_exact(&mut told).unwrap();
        let [size @ .., high, low] = told;
        let flags = u16::from_be_bytes([high, low]);
        Self { stream, size: u64::from_be_bytes(size), flags, cookie: 0 }
    }

    /// Asks, and reads the number of the answer.
    fn ask(&mut self, what: (u16, u16), offset: u64, len: u32, data: &[u8]) -> io::Result<()> {
        self.cookie += 1;
        let request = request(what.0, what.1, self.cookie, offset, len);
        self.stream.write_all(&[&request, data].concat())?;
        let mut answer = [0; 16];
        self.stream.read_exact(&mut answer)?;
        assert_eq!(answer[..4], 0x6744_6698_u32.to_be_bytes());
        assert_eq!(answer[8..], self.cookie.to_be_bytes());
        match i32::from_be_bytes(answer[4..8].try_into().unwrap()) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        }
    }

    pub fn read(&mut self, offset: u64, len: u32) -> io::Result<Vec<u8>> {
        self.ask((READ, 0), offset, len, &[])?;
        let mut out = vec![0; len as usize];
        self.stream.read_exact(&mut out)?;
        Ok(out)
    }

    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.ask((WRITE, 0), offset, bytes.len() as u32, bytes)
    }

    /// Any request that sends and gets no bytes.
    pub fn other(&mut self, command: u16, flags: u16, offset: u64, len: u32) -> io::Result<()> {
        self.ask((command, flags), offset, len, &[])
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.other(FLUSH, 0, 0, 0)
    }
}
