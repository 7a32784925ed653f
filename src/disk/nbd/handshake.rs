//! What is agreed on before the first byte is read.

use super::strange;
use std::io::{self, Read, Write};

const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const ANSWER: u64 = 0x0003_e889_0455_65a9;

/// Both sides: options are answered, and no zeros follow.
const FIXED: u16 = 1;
const NO_ZEROS: u16 = 2;

const GO: u32 = 7;
const STRUCTURED: u32 = 8;
const CONTEXT: u32 = 10;

const DONE: u32 = 1;
const INFO: u32 = 3;
const CONTEXT_IS: u32 = 4;
const NO: u32 = 1 << 31;

/// What tells where zeros are.
const ALLOCATION: &[u8] = b"base:allocation";
/// A server can send the bytes of an answer in one piece.
const CAN_SEND_IN_ONE_PIECE: u16 = 1 << 7;

/// Bytes of an answer at most: names are at most 4 KiB.
const ANSWER_MAX: u32 = 16 << 10;
/// Answers to one option at most: there are a handful of kinds.
const ANSWERS_MAX: usize = 64;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// Bytes.
    pub size: u64,
    /// The number by which the server tells where zeros are.
    pub context: u32,
}

/// Agrees with a server on its default export.
pub fn handshake<S: Read + Write>(stream: &mut S) -> io::Result<Export> {
    if u64::from_be_bytes(take(stream)?) != GREETING || u64::from_be_bytes(take(stream)?) != OPTION
    {
        return Err(strange("it does not speak NBD"));
    }
    let flags = u16::from_be_bytes(take(stream)?);
    if flags & FIXED == 0 {
        return Err(strange("it speaks an NBD that is too old"));
    }
    let flags = flags & (FIXED | NO_ZEROS);
    stream.write_all(&u32::from(flags).to_be_bytes())?;
    option(stream, STRUCTURED, &[], |_, _| Ok(()))?;
    let context = context(stream)?;
    let (size, flags) = go(stream)?;
    if flags & CAN_SEND_IN_ONE_PIECE == 0 {
        return Err(strange("it cannot send bytes in one piece"));
    }
    match i64::try_from(size) {
        Ok(_) => Ok(Export { size, context }),
        Err(_) => Err(strange(format!("it shows {size} bytes"))),
    }
}

fn context<S: Read + Write>(stream: &mut S) -> io::Result<u32> {
    let mut data = 0_u32.to_be_bytes().to_vec();
    data.extend(1_u32.to_be_bytes());
    data.extend((ALLOCATION.len() as u32).to_be_bytes());
    data.extend(ALLOCATION);
    let mut found = None;
    option(stream, CONTEXT, &data, |kind, data| {
        if kind == CONTEXT_IS
            && let Some((number, name)) = data.split_first_chunk()
            && name == ALLOCATION
        {
            found = Some(u32::from_be_bytes(*number));
        }
        Ok(())
    })?;
    found.ok_or_else(|| strange("it cannot tell where zeros are"))
}

/// Size and flags.
fn go<S: Read + Write>(stream: &mut S) -> io::Result<(u64, u16)> {
    let mut found = None;
    // The name is empty, and nothing is asked but what is always told.
    option(stream, GO, &[0; 6], |kind, data| {
        if kind == INFO && data.starts_with(&[0, 0]) {
            let told: &[u8; 12] =
                data.try_into().map_err(|_| strange("it tells no size of what it shows"))?;
            let [_, _, size @ .., high, low] = *told;
            found = Some((u64::from_be_bytes(size), u16::from_be_bytes([high, low])));
        }
        Ok(())
    })?;
    found.ok_or_else(|| strange("it tells no size of what it shows"))
}

/// Asks for an option and goes through the answers up to the last one.
fn option<S: Read + Write>(
    stream: &mut S,
    option: u32,
    data: &[u8],
    mut each: impl FnMut(u32, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut request = OPTION.to_be_bytes().to_vec();
    request.extend(option.to_be_bytes());
    request.extend((data.len() as u32).to_be_bytes());
    request.extend(data);
    stream.write_all(&request)?;
    for _ in 0..ANSWERS_MAX {
        if u64::from_be_bytes(take(stream)?) != ANSWER
            || u32::from_be_bytes(take(stream)?) != option
        {
            return Err(strange("it answers something else than what it was asked"));
        }
        let kind = u32::from_be_bytes(take(stream)?);
        let len = u32::from_be_bytes(take(stream)?);
        if len > ANSWER_MAX {
            return Err(strange(format!("it answers with {len} bytes")));
        }
        let mut data = vec![0; len as usize];
        stream.read_exact(&mut data)?;
        match kind {
            DONE => return Ok(()),
            no if no & NO != 0 => {
                let why = String::from_utf8_lossy(&data);
                return Err(strange(format!("it refuses option {option}: {why}")));
            }
            kind => each(kind, &data)?,
        }
    }
    Err(strange("its answers do not end"))
}

/// The next bytes.
pub fn take<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
