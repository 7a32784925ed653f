//! What requests and answers have in common.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Write};

/// Headers that are about one connection, or that whoever writes the message writes anew.
const OF_A_CONNECTION: [&str; 5] =
    ["connection", "content-length", "transfer-encoding", "expect", "proxy-connection"];

/// Reads headers up to the empty line.
pub fn headers(from: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(invalid("the headers break off"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("no header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// The value of a header.
pub fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// Reads a body; one without a length goes on to the end, where that is allowed.
pub fn body(
    from: &mut impl BufRead,
    headers: &[(String, String)],
    to_end: bool,
) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if value(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        while chunk(from, &mut body)? {}
    } else if let Some(length) = value(headers, "content-length") {
        let length: u64 = length.parse().map_err(|_| invalid("no length"))?;
        from.take(length).read_to_end(&mut body)?;
        if body.len() as u64 != length {
            return Err(invalid("the body breaks off"));
        }
    } else if to_end {
        from.read_to_end(&mut body)?;
    }
    Ok(body)
}

/// Reads one chunk; false when it was the last one.
fn chunk(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<bool> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let length = line.split(';').next().unwrap_or_default().trim();
    let length = u64::from_str_radix(length, 16).map_err(|_| invalid("no chunk"))?;
    if from.take(length).read_to_end(body)? as u64 != length {
        return Err(invalid("the chunk breaks off"));
    }
    if length == 0 {
        headers(from)?;
        return Ok(false);
    }
    from.read_line(&mut String::new())?;
    Ok(true)
}

/// Writes headers, without those that the writer knows better.
pub fn write_headers(to: &mut impl Write, headers: &[(String, String)]) -> Result<()> {
    headers
        .iter()
        .filter(|(name, _)| !OF_A_CONNECTION.contains(&name.as_str()))
        .try_for_each(|(name, value)| write!(to, "{name}: {value}\r\n"))
}

/// That this is not HTTP.
pub fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
