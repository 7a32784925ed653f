//! A request, read whole.

use std::io::{BufRead, Result, Write};

use super::message::{body, headers, invalid, value, write_headers};

/// A request with its body.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// GET, PUT and so on.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Names in small letters, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads the next one; none when the client has gone.
    pub fn read(from: &mut impl BufRead, answer: &mut impl Write) -> Result<Option<Self>> {
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut words = first.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(invalid("no request"));
        };
        let headers = headers(from)?;
        if value(&headers, "expect").is_some() {
            answer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = body(from, &headers, false)?;
        // As proxies get it: the host is in the headers too.
        let path = target
            .strip_prefix("http://")
            .map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
        Ok(Some(Self { method: method.to_owned(), target: path.to_owned(), headers, body }))
    }

    /// Sends it to a server, on a connection that has no other request.
    pub fn write(&self, to: &mut impl Write) -> Result<()> {
        write!(to, "{} {} HTTP/1.1\r\n", self.method, self.target)?;
        write_headers(to, &self.headers)?;
        write!(to, "content-length: {}\r\nconnection: close\r\n\r\n", self.body.len())?;
        to.write_all(&self.body)?;
        to.flush()
    }

    /// Whether it asks for the names in a bucket.
    pub fn is_list(&self) -> bool {
        self.method == "GET" && self.target.contains("list-type=2")
    }

    /// Whether it is to be done only where there is no such object.
    pub fn is_only_if_absent(&self) -> bool {
        value(&self.headers, "if-none-match") == Some("*")
    }
}
