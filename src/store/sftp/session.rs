//! One connection to an SFTP server: the greeting, and one function for each request.

use std::time::Duration;

use super::fields::{Attributes, Fields};
use super::packet::{FRAMING, Packet, VERSION, flags, kind, status};
use crate::store::StoreErrorKind;
use crate::store::tunnel::{Child, Far, Link, Pending, SshOptions, SshTarget, Trouble};

/// Bytes of one read or write that every server takes.
const PIECE_SURE: u64 = 32 << 10;
/// Bytes of one read or write at most: more brings nothing, and other requests wait behind it.
const PIECE_MAX: u64 = 128 << 10;
/// Room in a packet for what is not data.
const PACKET_ROOM: u64 = 1024;
/// Who may read a new file, and enter a new folder: its owner.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// A handle is at most this long.
const HANDLE_MAX: usize = 256;

/// A connection.
#[derive(Debug)]
pub struct Session {
    link: Link,
    /// What the server offers beyond the protocol.
    pub offers: Offers,
    /// Bytes of one read and of one write.
    pub piece: usize,
}

/// What servers may offer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offers {
    /// Hard links.
    pub hardlink: bool,
    /// Making the bytes of a file durable.
    pub fsync: bool,
    /// Saying how much room is left.
    pub statvfs: bool,
    limits: bool,
}

/// An open file or folder.
#[derive(Clone, Debug)]
pub struct Handle(Vec<u8>);

/// One name in a folder.
#[derive(Debug)]
pub struct Entry {
    /// The name, whatever bytes it has.
    pub name: Vec<u8>,
    /// What the server says of it.
    pub attributes: Attributes,
}

/// An answer to come, to be read as what it must be.
pub struct Reply<'a>(Pending<'a>);

impl Session {
    /// Connects by `ssh`.
    pub fn connect(options: &SshOptions, target: &SshTarget) -> Result<Self, Trouble> {
        let (child, input, output) = Child::begin(options, target, Far::Subsystem("sftp"))?;
        let timeout = if options.ask { options.timeout.max(ASKING) } else { options.timeout };
        Self::greet(Link::new(Some(child), input, output, FRAMING, timeout))
    }

    /// The greeting over a new link.
    pub fn greet(link: Link) -> Result<Self, Trouble> {
        let asked = link.open()?;
        // The first request has the id 1, which its packet has no room for: it has the version there.
        link.send(Packet::new(kind::INIT, VERSION).done())?;
        let answer = asked.answer()?;
        drop(asked);
        let (version, offers) = match answer.first() {
            Some(&kind::VERSION) => read_offers(&answer)?,
            _ => return Err(link.nonsense("no greeting")),
        };
        if version != VERSION {
            let text = format!("the server speaks version {version} of SFTP, not {VERSION}");
            return Err(Trouble::Fault(StoreErrorKind::Other, text));
        }
        let mut session = Self { link, offers, piece: PIECE_SURE as usize };
        if offers.limits {
            session.piece = session.ask_piece()? as usize;
        }
        Ok(session)
    }

    /// Opens a file for reading; a folder too, where the server allows it.
    pub fn open(&self, path: &str) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::OPEN, |packet| packet.string(path).number(flags::READ).number(0))
    }

    /// Makes a new file and opens it for writing.
    pub fn create(&self, path: &str) -> Result<Reply<'_>, Trouble> {
        let how = flags::WRITE | flags::CREATE | flags::EXCLUSIVE;
        self.ask(kind::OPEN, |packet| packet.string(path).number(how).mode(FILE_MODE))
    }

    /// Closes a file or folder.
    pub fn close(&self, handle: &Handle) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::CLOSE, |packet| packet.string(&handle.0))
    }

    /// Reads up to `len` bytes from `offset` on.
    pub fn read(&self, handle: &Handle, offset: u64, len: u32) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::READ, |packet| packet.string(&handle.0).long(offset).number(len))
    }

    /// Writes bytes at `offset`.
    pub fn write(&self, handle: &Handle, offset: u64, bytes: &[u8]) -> Result<Reply<'_>, Trouble> {
        let encode = |id| {
            let packet = Packet::with_room(kind::WRITE, id, bytes.len() + 300);
            packet.string(&handle.0).long(offset).string(bytes).done()
        };
        self.link.ask(encode).map(Reply)
    }

    /// What a path is, without following a link at its end.
    pub fn look(&self, path: &str) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::LSTAT, |packet| packet.string(path))
    }

    /// What an open file is.
    pub fn look_at(&self, handle: &Handle) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::FSTAT, |packet| packet.string(&handle.0))
    }

    /// Opens a folder for listing.
    pub fn open_folder(&self, path: &str) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::OPENDIR, |packet| packet.string(path))
    }

    /// Reads some more names of a folder.
    pub fn read_folder(&self, handle: &Handle) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::READDIR, |packet| packet.string(&handle.0))
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::REMOVE, |packet| packet.string(path))
    }

    /// Makes a folder.
    pub fn make_folder(&self, path: &str) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::MKDIR, |packet| packet.string(path).mode(FOLDER_MODE))
    }

    /// Gives a file a second name, which must be free.
    pub fn link(&self, path: &str, new: &str) -> Result<Reply<'_>, Trouble> {
        let encode =
            |packet: Packet| packet.string("hardlink@openssh.com").string(path).string(new);
        self.ask(kind::EXTENDED, encode)
    }

    /// Makes durable what was written.
    pub fn sync(&self, handle: &Handle) -> Result<Reply<'_>, Trouble> {
        self.ask(kind::EXTENDED, |packet| packet.string("fsync@openssh.com").string(&handle.0))
    }

    /// Bytes that are free where a path is; none when the server does not tell.
    pub fn room(&self, path: &str) -> Result<Option<u64>, Trouble> {
        if !self.offers.statvfs {
            return Ok(None);
        }
        let encode = |packet: Packet| packet.string("statvfs@openssh.com").string(path);
        let answer = self.ask(kind::EXTENDED, encode)?.packet(kind::EXTENDED_REPLY)?;
        let mut fields = Fields::of(&answer);
        let mut next = || fields.long();
        let (_, unit, _, _, free) = (next()?, next()?, next()?, next()?, next()?);
        Ok(Some(unit.saturating_mul(free)))
    }

    /// Bytes of one read and write that this server takes.
    fn ask_piece(&self) -> Result<u64, Trouble> {
        let encode = |packet: Packet| packet.string("limits@openssh.com");
        let answer = self.ask(kind::EXTENDED, encode)?.packet(kind::EXTENDED_REPLY)?;
        let mut fields = Fields::of(&answer);
        let (packet, read, write) = (fields.long()?, fields.long()?, fields.long()?);
        // Zero means that there is no limit.
        let or = |limit: u64, other: u64| if limit == 0 { other } else { limit };
        let packet = or(packet, u64::MAX).saturating_sub(PACKET_ROOM);
        let least = or(read, PIECE_MAX).min(or(write, PIECE_MAX)).min(packet);
        Ok(least.clamp(1024, PIECE_MAX))
    }

    fn ask(&self, kind: u8, encode: impl FnOnce(Packet) -> Packet) -> Result<Reply<'_>, Trouble> {
        self.link.ask(|id| encode(Packet::new(kind, id)).done()).map(Reply)
    }

    /// The child's number, for tests that end it.
    #[cfg(test)]
    pub fn child_id(&self) -> u32 {
        self.link.child_id()
    }
}

/// A person may need this long to find a password.
const ASKING: Duration = Duration::from_secs(300);

impl Reply<'_> {
    /// Waits for a packet of this kind; any status is an error.
    fn packet(&self, kind: u8) -> Result<Vec<u8>, Trouble> {
        let answer = self.0.answer()?;
        match answer.first() {
            Some(own) if *own == kind => Ok(answer),
            Some(&kind::STATUS) => {
                let mut fields = Fields::of(&answer);
                let code = fields.number()?;
                // Old servers leave the words out.
                let words = fields.string().unwrap_or_default();
                let words: String = String::from_utf8_lossy(words).chars().take(300).collect();
                let words = words.replace(char::is_control, "?");
                Err(Trouble::Status(code, words))
            }
            _ => Err(unexpected()),
        }
    }

    /// Waits for "done".
    pub fn done(&self) -> Result<(), Trouble> {
        const NONE: u8 = 0;
        match self.packet(NONE) {
            Err(Trouble::Status(status::OK, _)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Waits for an open file or folder.
    pub fn handle(&self) -> Result<Handle, Trouble> {
        let answer = self.packet(kind::HANDLE)?;
        match Fields::of(&answer).string()? {
            handle if handle.len() <= HANDLE_MAX => Ok(Handle(handle.to_vec())),
            _ => Err(unexpected()),
        }
    }

    /// Waits for bytes, `most` at most, and adds them to `out`; returns how many there were, 0 at the end.
    pub fn data(&self, most: usize, out: &mut Vec<u8>) -> Result<usize, Trouble> {
        let answer = match self.packet(kind::DATA) {
            Err(Trouble::Status(status::EOF, _)) => return Ok(0),
            answer => answer?,
        };
        match Fields::of(&answer).string()? {
            bytes if bytes.len() <= most => {
                out.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            _ => Err(unexpected()),
        }
    }

    /// Waits for attributes.
    pub fn attributes(&self) -> Result<Attributes, Trouble> {
        Ok(Fields::of(&self.packet(kind::ATTRS)?).attributes()?)
    }

    /// Waits for names; none at the end.
    pub fn names(&self) -> Result<Option<Vec<Entry>>, Trouble> {
        let answer = match self.packet(kind::NAME) {
            Err(Trouble::Status(status::EOF, _)) => return Ok(None),
            answer => answer?,
        };
        let mut fields = Fields::of(&answer);
        let mut entries = Vec::new(); // as many as there are, not as many as are announced
        for _ in 0..fields.number()? {
            let name = fields.string()?.to_vec();
            fields.string()?; // the same for people
            entries.push(Entry { name, attributes: fields.attributes()? });
        }
        Ok(Some(entries))
    }
}

fn unexpected() -> Trouble {
    let text = "the far end does not keep to the protocol: the answer is none to what was asked";
    Trouble::Fault(StoreErrorKind::Other, text.to_owned())
}

/// The version of a server, and what it offers.
fn read_offers(greeting: &[u8]) -> Result<(u32, Offers), Trouble> {
    // The version stands where others have their id.
    let mut fields = Fields::of(greeting);
    let version = greeting.get(1..5).and_then(|bytes| bytes.try_into().ok());
    let version = version.map_or(0, u32::from_be_bytes);
    let mut offers = Offers::default();
    while !fields.is_empty() {
        match (fields.string()?, fields.string()?) {
            (b"hardlink@openssh.com", b"1") => offers.hardlink = true,
            (b"fsync@openssh.com", b"1") => offers.fsync = true,
            (b"statvfs@openssh.com", b"2") => offers.statvfs = true,
            (b"limits@openssh.com", b"1") => offers.limits = true,
            _ => {}
        }
    }
    Ok((version, offers))
}
