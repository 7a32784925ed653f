//! A tar archive whose entries are saved: read once, on a thread of its own that unpacks it.

use crate::source::feed::{Fed, Feed, FeedError, Halt, Part};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use esker_format::limits::{OWNER_NAME_MAX, XATTRS_MAX};
use esker_format::node::{Node, NodeKind, Time, Xattr, xattrs_size};
use esker_format::path::MapKey;
use flate2::read::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;
use tar::{EntryType, Header};

/// Bytes that are handed on at a time.
const PIECE: usize = 1 << 20;
/// Pieces on their way.
const AHEAD: usize = 4;
/// How long to wait before somebody is asked whether to go on.
const WAIT: Duration = Duration::from_millis(50);
/// An archive consists of blocks of this size.
const BLOCK: usize = 512;
/// Bytes of a header that goes before another one: the attributes of a file, with room.
const BODY_MAX: u64 = 16 << 20;

/// An archive that is read.
pub struct Archive {
    path: Vec<u8>,
    /// Begun with the first entry.
    input: Option<Box<dyn Read + Send>>,
    messages: Option<Receiver<Message>>,
    entry: Option<Head>,
    /// Bytes that came and were not taken.
    piece: Vec<u8>,
    taken: usize,
    /// A head that came behind the content before.
    next: Option<Message>,
}

enum Message {
    Entry(Box<Head>),
    Data(Vec<u8>),
    End,
    Wrong(String),
}

/// What an archive says of an entry.
struct Head {
    path: Vec<u8>,
    node: Node,
    xattrs: Vec<Xattr>,
    link: Option<MapKey>,
}

impl Archive {
    /// An archive, compressed with gzip, zstd or not at all, which is called `path`.
    pub fn new(path: Vec<u8>, input: Box<dyn Read + Send>) -> Self {
        let (messages, entry, piece, taken, next) = Default::default();
        Self { path, input: Some(input), messages, entry, piece, taken, next }
    }

    fn fail<T>(&self, why: impl Into<String>) -> Result<T, FeedError> {
        let name = String::from_utf8_lossy(&self.path).into_owned();
        Err(FeedError::NotWhole { name, why: why.into() })
    }

    fn message(&mut self, halt: Halt<'_>) -> Result<Message, FeedError> {
        if let Some(message) = self.next.take() {
            return Ok(message);
        }
        if let Some(input) = self.input.take() {
            let (sender, receiver) = bounded(AHEAD);
            self.messages = Some(receiver);
            std::thread::spawn(move || {
                let last = match parse(input, &sender) {
                    Ok(()) => Message::End,
                    Err(why) => Message::Wrong(why),
                };
                // Nobody may be there any more.
                let _ = sender.send(last);
            });
        }
        let Some(messages) = &self.messages else { return Err(FeedError::Stopped) };
        loop {
            if halt() {
                return Err(FeedError::Stopped);
            }
            match messages.recv_timeout(WAIT) {
                Ok(Message::Wrong(why)) => return self.fail(why),
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.fail("its reader has failed"),
            }
        }
    }
}

impl Feed for Archive {
    fn path(&self) -> &[u8] {
        self.entry.as_ref().map_or(&self.path, |entry| &entry.path)
    }

    fn kind(&self) -> NodeKind {
        NodeKind::File
    }

    fn is_many(&self) -> bool {
        true
    }

    fn advance(&mut self, halt: Halt<'_>) -> Result<bool, FeedError> {
        loop {
            match self.message(halt)? {
                Message::Entry(head) => {
                    self.entry = Some(*head);
                    return Ok(true);
                }
                Message::Data(_) => {}
                Message::End | Message::Wrong(_) => return Ok(false),
            }
        }
    }

    fn next(&mut self, space: &mut [u8], halt: Halt<'_>) -> Result<Part, FeedError> {
        if self.taken == self.piece.len() {
            match self.message(halt)? {
                Message::Data(piece) => (self.piece, self.taken) = (piece, 0),
                other => {
                    self.next = Some(other);
                    return Ok(Part::End);
                }
            }
        }
        let len = space.len().min(self.piece.len() - self.taken);
        space[..len].copy_from_slice(&self.piece[self.taken..self.taken + len]);
        self.taken += len;
        Ok(Part::Data(len))
    }

    fn finish(&mut self, _: Halt<'_>) -> Result<Fed, FeedError> {
        let Some(Head { node, xattrs, link, .. }) = self.entry.take() else {
            return Err(FeedError::Stopped);
        };
        Ok(Fed { node, xattrs, problem: None, stat: None, link })
    }
}

/// Reads all entries and sends what is in them.
fn parse(input: Box<dyn Read + Send>, out: &Sender<Message>) -> Result<(), String> {
    let mut blocks = Blocks { inner: unpack(input)?, total: 0 };
    let mut more = More::default();
    while let Some(block) = blocks.block()? {
        let header = Header::from_byte_slice(&block);
        check_sum(&block, header)?;
        let size = more.number("size").or_else(|| header.entry_size().ok());
        let size = size.ok_or("it has an entry whose size cannot be read")?;
        match header.entry_type() {
            EntryType::XHeader => more.add_records(&blocks.body(size)?)?,
            EntryType::GNULongName => more.name = Some(text(blocks.body(size)?)),
            EntryType::GNULongLink => more.link = Some(text(blocks.body(size)?)),
            EntryType::XGlobalHeader => blocks.pass(size)?,
            // A label of the volume.
            other if other.as_byte() == b'V' => blocks.pass(size)?,
            _ => {
                let head = head(header, &std::mem::take(&mut more))?;
                let has_content = head.node.kind == NodeKind::File && head.link.is_none();
                if out.send(Message::Entry(Box::new(head))).is_err() {
                    return Ok(());
                }
                let mut left = size;
                while has_content && left > 0 {
                    let piece = blocks.bytes(left.min(PIECE as u64))?;
                    left -= piece.len() as u64;
                    if out.send(Message::Data(piece)).is_err() {
                        return Ok(());
                    }
                }
                blocks.pass_rest(left, size)?;
            }
        }
    }
    // Sums of what it was packed with are at its very end.
    io::copy(&mut blocks.inner, &mut io::sink()).map_err(broken)?;
    Ok(())
}

fn broken(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it has no end: it was cut off".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

/// An archive as what it consists of.
struct Blocks {
    inner: Box<dyn Read + Send>,
    total: u64,
}

impl Blocks {
    /// The next block; none for that of zeros behind the last entry.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, String> {
        let mut block = [0; BLOCK];
        let mut have = 0;
        while have < BLOCK {
            match self.inner.read(&mut block[have..]) {
                Ok(0) if self.total + have as u64 == 0 => return Err("it is empty".to_owned()),
                Ok(0) if self.total == 0 => return Err("it is no tar archive".to_owned()),
                Ok(0) => return Err(broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(len) => have += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
        self.total += BLOCK as u64;
        Ok(block.iter().any(|byte| *byte != 0).then_some(block))
    }

    fn bytes(&mut self, len: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = self.inner.by_ref().take(len).read_to_end(&mut bytes).map_err(broken)?;
        if (read as u64) < len {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }

    /// The content of a header that goes before another one.
    fn body(&mut self, size: u64) -> Result<Vec<u8>, String> {
        if size > BODY_MAX {
            return Err(format!("it has a header of {size} bytes"));
        }
        let body = self.bytes(size)?;
        self.pass_rest(0, size)?;
        Ok(body)
    }

    fn pass(&mut self, size: u64) -> Result<(), String> {
        self.pass_rest(size, size)
    }

    /// Passes what is left of `size` bytes, and what fills their last block.
    fn pass_rest(&mut self, left: u64, size: u64) -> Result<(), String> {
        let fill = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let len = left.checked_add(fill).ok_or("it has an entry of an impossible size")?;
        let passed = io::copy(&mut self.inner.by_ref().take(len), &mut io::sink());
        if passed.map_err(broken)? < len {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }
}

/// Fails unless the sum in a header is that of its bytes; the sum itself counts as spaces.
fn check_sum(block: &[u8; BLOCK], header: &Header) -> Result<(), String> {
    let byte =
        |(at, byte): (usize, &u8)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte });
    let sum: u32 = block.iter().enumerate().map(byte).sum();
    match header.cksum() {
        Ok(told) if told == sum => Ok(()),
        _ => Err("it is no tar archive, or a damaged one: the sum of a header is wrong".to_owned()),
    }
}

/// What headers before that of an entry say of it.
#[derive(Default)]
struct More {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Vec<(String, Vec<u8>)>,
}

impl More {
    fn get(&self, key: &str) -> Option<&[u8]> {
        self.pax.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.as_slice())
    }

    fn number(&self, key: &str) -> Option<u64> {
        std::str::from_utf8(self.get(key)?).ok()?.parse().ok()
    }

    /// Takes records apart: their length, a space, key, `=`, value and the end of the line. Values may have
    /// line ends in them, so that only the length tells where the next one begins.
    fn add_records(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        let wrong = || "it has a pax header that cannot be read".to_owned();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let len = std::str::from_utf8(&bytes[..space]).ok().and_then(|text| text.parse().ok());
            let len: usize = len.filter(|len| *len > space + 1).ok_or_else(wrong)?;
            let record = bytes.get(space + 1..len).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            // Keys that are no text are nothing that anybody knows.
            if let Ok(key) = std::str::from_utf8(&record[..equals]) {
                self.pax.push((key.to_owned(), record[equals + 1..].to_vec()));
            }
            bytes = &bytes[len..];
        }
        Ok(())
    }
}

/// A long name, which ends with NUL.
fn text(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// Takes the compression off.
fn unpack(input: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>, String> {
    let mut input = BufReader::with_capacity(1 << 20, input);
    let begin = input.fill_buf().map_err(broken)?;
    let other = |name: &str| {
        Err(format!(
            "it is compressed with {name}: unpack it, as in `{name} -dc FILE | esker import -`"
        ))
    };
    match begin {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(input))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Ok(Box::new(zstd::Decoder::with_buffer(input).map_err(broken)?))
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => other("xz"),
        [b'B', b'Z', b'h', ..] => other("bzip2"),
        _ => Ok(Box::new(input)),
    }
}

/// What an entry is.
fn head(header: &Header, more: &More) -> Result<Head, String> {
    let pax_or = |key: &str, long: &Option<Vec<u8>>| {
        more.get(key).map(<[u8]>::to_vec).or_else(|| long.clone())
    };
    let name = pax_or("path", &more.name).unwrap_or_else(|| header.path_bytes().into_owned());
    let shown = String::from_utf8_lossy(&name).escape_debug().to_string();
    let wrong = |why: &str| format!("its entry {shown} {why}");
    let of_error = |error: io::Error| wrong(&format!("cannot be read: {error}"));
    let is_sparse = more.pax.iter().any(|(key, _)| key.starts_with("GNU.sparse."));
    let kind = match header.entry_type() {
        EntryType::GNUSparse => NodeKind::Socket,
        _ if is_sparse => NodeKind::Socket,
        EntryType::Regular | EntryType::Continuous | EntryType::Link => {
            // Before there was a type for them, directories were files with a slash.
            if name.ends_with(b"/") { NodeKind::Directory } else { NodeKind::File }
        }
        EntryType::Directory => NodeKind::Directory,
        EntryType::Symlink => NodeKind::Symlink,
        EntryType::Fifo => NodeKind::Fifo,
        EntryType::Block => NodeKind::BlockDevice,
        EntryType::Char => NodeKind::CharDevice,
        other => {
            let letter = char::from(other.as_byte()).escape_debug().to_string();
            return Err(wrong(&format!("is of type {letter}, which is not known")));
        }
    };
    if kind == NodeKind::Socket {
        return Err(wrong(
            "is a sparse file in a form that is not known: pack it without --sparse",
        ));
    }
    let key = key_of(&name).map_err(|why| wrong(&why))?;
    let is_directory = kind == NodeKind::Directory && header.entry_type() != EntryType::Link;
    if key == MapKey::root() && !is_directory {
        return Err(wrong("is the root of it, and no directory"));
    }
    let text = |key: &str| more.get(key);
    let number = |key: &str, of_header: io::Result<u64>| -> Result<u32, String> {
        let given = text(key).map(|t| std::str::from_utf8(t).ok().and_then(|t| t.parse().ok()));
        let found = match given {
            Some(found) => found,
            None => Some(of_header.map_err(of_error)?),
        };
        let fits = found.and_then(|n: u64| u32::try_from(n).ok());
        fits.ok_or_else(|| wrong("has an owner that no file can have"))
    };
    let mode = header.mode().map_err(of_error)? & 0o7777;
    let mtime = match text("mtime").map(time) {
        Some(Some(time)) => time,
        Some(None) => return Err(wrong("has a time that cannot be read")),
        None => {
            let seconds = header.mtime().map_err(of_error)?;
            Time { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 }
        }
    };
    let mut node = Node::bare(kind, mode, mtime);
    node.uid = number("uid", header.uid())?;
    node.gid = number("gid", header.gid())?;
    let owner = |name: Option<&[u8]>| {
        name.filter(|n| !n.is_empty() && n.len() <= OWNER_NAME_MAX).map(<[u8]>::to_vec)
    };
    node.user = owner(text("uname").or_else(|| header.username_bytes()));
    node.group = owner(text("gname").or_else(|| header.groupname_bytes()));
    if matches!(kind, NodeKind::BlockDevice | NodeKind::CharDevice) {
        let major = header.device_major().map_err(of_error)?;
        let minor = header.device_minor().map_err(of_error)?;
        node.device = Some((major.unwrap_or(0), minor.unwrap_or(0)));
    }
    let target = pax_or("linkpath", &more.link)
        .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let mut link = None;
    if header.entry_type() == EntryType::Link {
        let target = target.unwrap_or_default();
        link = Some(key_of(&target).map_err(|why| wrong(&format!("is a link: {why}")))?);
    } else if kind == NodeKind::Symlink {
        node.target = target;
    }
    node.size = (kind == NodeKind::File).then_some(0);
    node.check().map_err(|error| wrong(&format!("cannot be stored: {error}")))?;
    let mut xattrs: Vec<Xattr> = more
        .pax
        .iter()
        .filter_map(|(key, value)| {
            Some((key.strip_prefix("SCHILY.xattr.")?.as_bytes().to_vec(), value.clone()))
        })
        .filter(|(name, _)| !name.is_empty() && name.len() <= 255 && !name.contains(&0))
        .collect();
    xattrs.sort();
    xattrs.dedup_by(|a, b| a.0 == b.0);
    if xattrs_size(&xattrs) > XATTRS_MAX {
        return Err(wrong("has more extended attributes than can be stored"));
    }
    Ok(Head { path: key.path(), node, xattrs, link })
}

/// Where a name stands, below the root of the snapshot whatever it begins with.
fn key_of(name: &[u8]) -> Result<MapKey, String> {
    let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && part != b".");
    let mut path = Vec::new();
    for part in parts {
        if part == b".." {
            return Err("leads out of the archive".to_owned());
        }
        path.push(b'/');
        path.extend_from_slice(part);
    }
    if path.is_empty() {
        return Ok(MapKey::root());
    }
    MapKey::from_path(&path).map_err(|error| format!("has a name that no file can have: {error}"))
}

/// A time as pax has it: `-12.5`.
fn time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    if whole.starts_with('-') && nanos > 0 {
        return Some(Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos });
    }
    Some(Time { seconds, nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_have_their_fraction_taken_away() {
        for (text, seconds, nanos) in
            [("12", 12, 0), ("12.5", 12, 500_000_000), ("-1.25", -2, 750_000_000), ("-3", -3, 0)]
        {
            assert_eq!(time(text.as_bytes()), Some(Time { seconds, nanos }), "{text}");
        }
        assert_eq!(time(b"1.x"), None);
        assert_eq!(time(b"99999999999999999999"), None);
    }

    #[test]
    fn names_stay_below_the_root() {
        let path = |name: &str| key_of(name.as_bytes()).map(|key| key.path());
        assert_eq!(path("./a//b/"), Ok(b"/a/b".to_vec()));
        assert_eq!(path("/etc/passwd"), Ok(b"/etc/passwd".to_vec()));
        assert_eq!(path("./"), Ok(b"/".to_vec()));
        for hostile in ["..", "../a", "a/../b", "a/.."] {
            assert!(path(hostile).is_err(), "{hostile}");
        }
        assert!(key_of(&[b'x'; 256]).is_err() && key_of(b"a\0b").is_err());
    }
}
