//! Names as they should never be, and are.

use crate::support::Draw;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Names that order, quoting or printing could get wrong. Those that begin with `a` sort around
/// what is below a directory `a`.
const ODD: &[&[u8]] = &[
    b"a",
    b"a ",
    b"a!",
    b"a-",
    b"a.",
    b"a\x01",
    b"aa",
    b"a\xff",
    b"-",
    b"--",
    b"-rf",
    b"--help",
    b"...",
    b"..a",
    b".hidden",
    b" ",
    b"  x",
    b"x ",
    b"line\nbreak",
    b"\n",
    b"tab\t",
    b"\r",
    b"\\",
    b"\\n",
    b"\\xff",
    b"back\\slash",
    b"*",
    b"?",
    b"[a]",
    b"$HOME",
    b"`id`",
    b"'",
    b"\"",
    b"|",
    b";",
    b"&",
    b"#",
    b"~",
    b"%s",
    b":",
    b"a:b",
    b"\x01",
    b"\x1b[31m",
    b"\x7f",
    b"\xff",
    b"\xfe\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xc3\xa9",
    b"e\xcc\x81",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"CON",
    b"lost+found",
    b".git",
    b"config",
    b"latest",
    b"@",
    b"=",
    b",",
];

/// A name that no other entry of the directory has.
pub fn name(draw: &mut Draw, taken: &[OsString]) -> OsString {
    loop {
        let bytes = match draw.below(8) {
            0..4 => draw.one_of(ODD).to_vec(),
            4 => long(draw),
            5 => raw(draw),
            _ => format!("n{}", draw.below(1000)).into_bytes(),
        };
        let name = OsString::from_vec(bytes);
        if !taken.contains(&name) {
            return name;
        }
    }
}

/// The longest names that file systems take, and one byte less.
fn long(draw: &mut Draw) -> Vec<u8> {
    let len = draw.one_of(&[255, 254]);
    if draw.once_in(2) { vec![b'l'; len] } else { random(draw, len) }
}

fn raw(draw: &mut Draw) -> Vec<u8> {
    let len = draw.below(12) as usize + 1;
    random(draw, len)
}

fn random(draw: &mut Draw, len: usize) -> Vec<u8> {
    let mut bytes = draw.noise(len);
    for byte in &mut bytes {
        if matches!(*byte, 0 | b'/') {
            *byte = b'_';
        }
    }
    if matches!(&bytes[..], b"." | b"..") { b"dot".to_vec() } else { bytes }
}
