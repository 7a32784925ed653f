//! What stands between the program and a server, and breaks what a test tells it to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use super::servers::{S3Server, program};

/// A proxy before a server; it ends with this value.
pub struct Proxy {
    /// Where it is: "http://127.0.0.1:1234".
    pub endpoint: String,
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Asked {
    /// GET, LIST, HEAD, PUT or DELETE.
    pub kind: String,
    /// The path with its query.
    pub target: String,
    /// Whether it was to be done only where there is no such object.
    pub if_absent: bool,
    /// What was done with it.
    pub deed: String,
    /// The status of the server's answer; 0 where none came.
    pub status: u16,
    /// Bytes that were sent to be stored.
    pub bytes: u64,
}

impl Proxy {
    /// One that hands on everything, until it is told otherwise.
    pub fn before(server: &S3Server) -> Self {
        let mut child = Command::new(program("esker-test-proxy"))
            .arg(&server.endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut endpoint = String::new();
        out.read_line(&mut endpoint).unwrap();
        let talk = Mutex::new((child.stdin.take().unwrap(), out));
        Self { endpoint: endpoint.trim().to_owned(), child, talk }
    }

    /// Adds a rule behind those that are there: of all that fit a request the first is obeyed. For the words see
    /// `tests/servers/src/proxy/rule.rs`.
    #[track_caller]
    pub fn rule(&self, rule: &str) {
        assert_eq!(self.order(rule, false), ["ok"], "{rule}");
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.order("clear", false);
    }

    /// The requests since the last report.
    pub fn report(&self) -> Vec<Asked> {
        let asked = self.order("report", true);
        asked.iter().map(|line| Asked::parse(line)).collect()
    }

    fn order(&self, line: &str, to_end: bool) -> Vec<String> {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{line}").unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(talk.1.read_line(&mut line).unwrap() > 0, "the proxy has ended");
            match line.trim() {
                "end" => return lines,
                line => lines.push(line.to_owned()),
            }
            if !to_end {
                return lines;
            }
        }
    }
}

impl Asked {
    fn parse(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [kind, target, only, deed, status, bytes] = words[..] else { panic!("{line}") };
        Self {
            kind: kind.to_owned(),
            target: target.to_owned(),
            if_absent: only == "if-absent",
            deed: deed.to_owned(),
            status: status.parse().unwrap(),
            bytes: bytes.parse().unwrap(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
