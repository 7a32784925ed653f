//! One client, its requests one after the other.

use std::io::{BufReader, Read, Result, Write};
use std::net::TcpStream;

use super::message::{body, headers, invalid, write_headers};
use super::request::Request;
use super::rule::Deed;
use super::state::State;

/// Answers the requests of a connection until it is closed, by either side.
pub fn serve(client: TcpStream, state: &State) {
    let _ = client.set_nodelay(true);
    // A client that goes away is no concern of ours.
    let _ = requests(&client, state);
}

fn requests(mut client: &TcpStream, state: &State) -> Result<()> {
    let mut reader = BufReader::new(client);
    while let Some(request) = Request::read(&mut reader, &mut client)? {
        let deed = state.deed(&request);
        let answer = match &deed {
            Deed::Answer(status, code) => Ok(Answer::error(*status, code)),
            Deed::Say(text) => Ok(Answer::new(200, text.clone().into_bytes())),
            Deed::Drop | Deed::Hang => Err(invalid("nobody was asked")),
            Deed::Strip => {
                let mut request = request.clone();
                request.headers.retain(|(name, _)| name != "if-none-match");
                Answer::of(&request, state)
            }
            Deed::Twice => Answer::of(&request, state).and_then(|_| Answer::of(&request, state)),
            Deed::Late(status, code) => {
                Answer::of(&request, state).map(|_| Answer::error(*status, code))
            }
            Deed::Lose | Deed::Cut | Deed::Stall | Deed::Short | Deed::Flip | Deed::Pass => {
                Answer::of(&request, state)
            }
        };
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        state.note(&request, &deed, status)?;
        match deed {
            Deed::Hang => return wait(&mut reader),
            Deed::Drop | Deed::Lose => return Ok(()),
            _ => {}
        }
        // A server that is gone looks like a connection that is closed.
        let mut answer = answer?;
        let half = answer.body.len() / 2;
        let promised = answer.length();
        match deed {
            Deed::Short => answer.cut(half),
            Deed::Flip if !answer.body.is_empty() => answer.body[half] ^= 1,
            _ => {}
        }
        let is_cut = matches!(deed, Deed::Cut | Deed::Stall);
        let length = if is_cut { promised } else { answer.length() };
        let sent = if is_cut { half } else { answer.body.len() };
        answer.write(&mut client, &length, sent)?;
        match deed {
            Deed::Cut => return Ok(()),
            Deed::Stall => return wait(&mut reader),
            _ => {}
        }
    }
    Ok(())
}

/// Does nothing until the client goes away.
fn wait(client: &mut impl Read) -> Result<()> {
    while client.read(&mut [0; 64])? > 0 {}
    Ok(())
}

/// An answer with its body.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// What HEAD tells of a body that does not come.
    told: Option<String>,
}

impl Answer {
    fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body, told: None }
    }

    /// An error in the words of S3.
    fn error(status: u16, code: &str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>the proxy says so</Message></Error>"
        );
        Self::new(status, text.into_bytes())
    }

    /// What the server says.
    fn of(request: &Request, state: &State) -> Result<Self> {
        let mut server = TcpStream::connect(&state.server)?;
        server.set_nodelay(true)?;
        // A server that answers before it has read all may hang up on the rest.
        let sent = request.write(&mut server);
        let mut reader = BufReader::new(server);
        let mut first = String::new();
        std::io::BufRead::read_line(&mut reader, &mut first)
            .map_err(|e| sent.err().unwrap_or(e))?;
        let status = first.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| invalid("no answer"))?;
        let headers = headers(&mut reader)?;
        if request.method == "HEAD" || matches!(status, 204 | 304) {
            let told = super::message::value(&headers, "content-length").map(str::to_owned);
            return Ok(Self { status, headers, body: Vec::new(), told });
        }
        let body = body(&mut reader, &headers, true)?;
        Ok(Self { status, headers, body, told: None })
    }

    /// The value of its header with the length; none for an answer that never has a body.
    fn length(&self) -> Option<String> {
        match self.status {
            204 | 304 => self.told.clone(),
            _ => Some(self.told.clone().unwrap_or_else(|| self.body.len().to_string())),
        }
    }

    fn cut(&mut self, len: usize) {
        self.body.truncate(len);
    }

    fn write(&self, to: &mut impl Write, length: &Option<String>, sent: usize) -> Result<()> {
        let mut bytes = Vec::with_capacity(sent + 1024);
        write!(bytes, "HTTP/1.1 {} x\r\n", self.status)?;
        write_headers(&mut bytes, &self.headers)?;
        if let Some(length) = length {
            write!(bytes, "content-length: {length}\r\n")?;
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body[..sent]);
        to.write_all(&bytes)?;
        to.flush()
    }
}
