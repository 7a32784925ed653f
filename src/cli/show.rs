//! How things look: names, sizes, times, errors.

mod duration;
mod node;
mod size;
mod time;

pub use duration::{duration, parse_duration};
pub use node::{Looks, bits, fidelity_word, hex, kind_word};
pub use size::parse_size;
pub use time::{after, parse_time};

use esker_format::node::Time;
use std::ffi::OsStr;
use std::io::{self, Write};

/// A name from disk, made safe for a terminal: control characters and bytes that are not UTF-8
/// become `\xNN`, a backslash becomes two.
pub fn name(bytes: &[u8]) -> String {
    escape(bytes, |c| c.is_control())
}

/// The same for JSON, which has its own way with control characters; reversible.
pub fn json_name(bytes: &[u8]) -> String {
    escape(bytes, |_| false)
}

/// The bytes of a name in hexadecimal, when they are not UTF-8: for those who would rather not
/// take the escapes of [`json_name`] apart.
pub fn json_hex(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| hex(bytes))
}

fn escape(bytes: &[u8], hide: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            if c == '\\' {
                out.push_str("\\\\");
            } else if hide(c) {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer)
                    .bytes()
                    .for_each(|b| out.push_str(&format!("\\x{b:02x}")));
            } else {
                out.push(c);
            }
        }
        part.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

/// A word for a shell, in quotes where it needs some.
pub fn word(text: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(byte);
    let bytes = text.as_encoded_bytes();
    match !bytes.is_empty() && bytes.iter().all(is_plain) {
        true => name(bytes),
        false => format!("'{}'", text.to_string_lossy().replace('\'', "'\\''")),
    }
}

/// Bytes for people, in powers of 1024.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A count with its noun.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A time in RFC 3339, UTC, nine digits; outside the years 0 to 9999 `@SECONDS.NANOSECONDS`.
pub fn utc(time: Time) -> String {
    let fallback = || format!("@{}.{:09}", time.seconds, time.nanos);
    let Ok(stamp) = jiff::Timestamp::new(time.seconds, 0) else { return fallback() };
    let date = stamp.to_zoned(jiff::tz::TimeZone::UTC);
    if !(0..=9999).contains(&date.year()) {
        return fallback();
    }
    format!("{}.{:09}Z", date.strftime("%Y-%m-%dT%H:%M:%S"), time.nanos)
}

/// A time as the clock on the wall shows it.
pub fn local(time: Time) -> String {
    match jiff::Timestamp::new(time.seconds, 0) {
        Ok(stamp) => {
            stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        Err(_) => utc(time),
    }
}

/// The time now.
pub fn now() -> Time {
    let stamp = jiff::Timestamp::now();
    let nanos = stamp.as_nanosecond().rem_euclid(1_000_000_000);
    Time { seconds: stamp.as_nanosecond().div_euclid(1_000_000_000) as i64, nanos: nanos as u32 }
}

/// A line on standard error; a closed one is nobody's concern.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What went wrong.
pub fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// Why it went wrong.
pub fn cause(text: &str) {
    note(&format!("caused by: {text}"));
}

/// What to do about it.
pub fn hint(text: &str) {
    note(&format!("hint: {text}"));
}

/// What is not as it should be, and does not stop the command.
pub fn warning(text: &str) {
    note(&format!("warning: {text}"));
}

/// A JSON value and the end of its line on standard output.
///
/// # Errors
/// When standard output is closed.
pub fn json(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}
