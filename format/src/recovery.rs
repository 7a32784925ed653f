//! The recovery key: the owner secret as text that a person can write down and type back.
//!
//! 260 bits in 13 groups of four characters (base 32 without I, L, O, U), then one group that is
//! a checksum of them. The last four of the 260 bits are zero.

use crate::error::{FormatError, Result, malformed};
use crate::key::OwnerSecret;
use crate::secret::Secret;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DATA: usize = 52;
const CHECK: usize = 4;

/// The text: 14 groups of four characters with `-` between them.
pub fn encode(secret: &OwnerSecret) -> Zeroizing<String> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(DATA + CHECK));
    let (mut bits, mut held) = (0u32, 0);
    for byte in secret.0.expose() {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            symbols.push((bits >> held & 31) as u8);
        }
    }
    symbols.push((bits << (5 - held) & 31) as u8);
    let check = checksum(secret);
    symbols.extend_from_slice(&check);
    let mut text = Zeroizing::new(String::with_capacity(70));
    for (i, symbol) in symbols.iter().enumerate() {
        if i > 0 && i % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(*symbol)]));
    }
    text
}

/// Reads what a person typed: case, spaces and dashes do not matter, and O, I, L are read as
/// 0, 1, 1.
///
/// # Errors
/// [`FormatError::Checksum`] when something was mistyped.
pub fn decode(text: &str) -> Result<OwnerSecret> {
    let what = "recovery key";
    let mut symbols = Zeroizing::new(Vec::with_capacity(DATA + CHECK));
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        };
        let at = ALPHABET.iter().position(|a| char::from(*a) == c);
        symbols.push(at.ok_or(malformed(what, "a character that no recovery key has"))? as u8);
        if symbols.len() > DATA + CHECK {
            break;
        }
    }
    if symbols.len() != DATA + CHECK {
        return Err(FormatError::Length { what });
    }
    let mut bytes = Zeroizing::new([0u8; 33]);
    for (i, symbol) in symbols[..DATA].iter().enumerate() {
        for bit in 0..5 {
            if symbol >> (4 - bit) & 1 == 1 {
                bytes[(i * 5 + bit) / 8] |= 0x80 >> ((i * 5 + bit) % 8);
            }
        }
    }
    let mut secret = [0; 32];
    secret.copy_from_slice(&bytes[..32]);
    let secret = OwnerSecret(Secret::new(secret));
    if bytes[32] != 0 || symbols[DATA..] != checksum(&secret) {
        return Err(FormatError::Checksum { what });
    }
    Ok(secret)
}

/// Twenty bits: a typing error passes once in a million times.
fn checksum(secret: &OwnerSecret) -> [u8; CHECK] {
    let hash = secret.0.derive("esker 0 recovery key checksum", &[]);
    let mut out = [0; CHECK];
    out.iter_mut().zip(hash.expose()).for_each(|(o, h)| *o = h & 31);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_is_read_however_it_was_typed_but_not_with_an_error_in_it() {
        for fill in [0, 0x5a, 0xff] {
            let secret = OwnerSecret(Secret::new([fill; 32]));
            let text = encode(&secret);
            assert_eq!(text.len(), 69);
            assert_eq!(decode(&text).unwrap(), secret);
            assert_eq!(
                decode(&text.to_lowercase().replace('-', " ").replace('0', "o")).unwrap(),
                secret
            );
            for at in (0..text.len()).filter(|i| i % 5 != 4) {
                let mut wrong = text.as_bytes().to_vec();
                wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
                assert!(decode(std::str::from_utf8(&wrong).unwrap()).is_err(), "{at}");
            }
        }
    }
}
