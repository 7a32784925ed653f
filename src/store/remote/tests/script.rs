//! A server that says what a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::store::RemoteStore;
use crate::store::address::Address;
use crate::store::settings::Settings;
use crate::store::stores_file::StoresFile;

/// What to do with one request.
#[derive(Clone)]
pub enum Deed {
    /// Answer with a status, headers and a body.
    Answer(u16, &'static str, &'static str),
    /// Close the connection when the request is read, as if the answer got lost.
    Close,
    /// Say nothing until the client goes away.
    Hang,
}

/// Answers the requests in turn with the deeds; the last one goes on for ever.
pub struct Script {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub fn new(deeds: Vec<Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (noted, deeds) = (Arc::clone(&noted), deeds.clone());
                thread::spawn(move || connection(&stream.unwrap(), &noted, &deeds));
            }
        });
        Self { address: format!("s3://bucket/x?endpoint={endpoint}"), requests }
    }

    pub fn open(&self, more: &str) -> RemoteStore {
        let text = format!("{}&{more}", self.address);
        let Address::Remote(remote) = Address::parse(text.as_ref()).unwrap() else { panic!() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stores.toml");
        let keys = "[\"s3://bucket\"]\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\n";
        crate::servers::write_private(&path, keys);
        let settings =
            Settings::new(&remote, &StoresFile::read(&path).unwrap(), &|_| None).unwrap();
        RemoteStore::open(&remote.to_string(), &settings).unwrap()
    }

    /// First lines of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads requests one after the other; a client that is gone ends it.
fn connection(stream: &TcpStream, noted: &Mutex<Vec<String>>, deeds: &[Deed]) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
            if line == "if-none-match: *\r\n" {
                first = format!("{} if-none-match", first.trim());
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).unwrap();
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(first.trim().to_owned());
            noted.len() - 1
        };
        match &deeds[number.min(deeds.len() - 1)] {
            Deed::Answer(status, headers, body) => {
                let length = match headers.contains("Content-Length") {
                    true => String::new(),
                    false => format!("Content-Length: {}\r\n", body.len()),
                };
                let head = format!("HTTP/1.1 {status} x\r\n{length}{headers}\r\n{body}");
                let mut stream = stream;
                if stream.write_all(head.as_bytes()).is_err() || headers.contains("Content-Length")
                {
                    // The length was a lie: the rest never comes.
                    return;
                }
            }
            Deed::Close => return,
            Deed::Hang => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}
