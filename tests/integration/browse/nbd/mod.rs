//! Files of snapshots as block devices.

mod client;
mod limits;
mod overlay;
mod power;
mod refused;
mod shown;
mod strangers;
mod tls;

use crate::support::{Draw, Home};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server, until this goes.
struct Server {
    child: Child,
    /// What clients name.
    uri: String,
    /// What it told when it was ready.
    told: serde_json::Value,
}

impl Server {
    /// Shows something on a socket in this home.
    fn of(home: &Home, arguments: &[&str]) -> Self {
        let socket = home.path("socket");
        let mut command = home.command();
        command.args(["nbd", "--json", "--socket"]).arg(socket).args(arguments);
        Self::start(&mut command)
    }

    fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("{said}");
        }
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, uri: told["uri"].as_str().unwrap().to_owned(), told }
    }

    /// Asks it to end; what it said, and its exit code.
    fn end(mut self) -> (String, i32) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code().unwrap())
    }

    /// Ends it at once, as a power button does.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of the test image; no whole number of blocks.
const LEN: u64 = (9 << 20) + 512;

/// An image with data, zeros that were written, holes, and noise, which was saved.
fn image(home: &Home) -> (PathBuf, Vec<u8>) {
    let path = home.path("disk.img");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(LEN).unwrap();
    file.write_all_at(&Draw::new(1).noise(1_500_000), 0).unwrap();
    file.write_all_at(&vec![0; 1 << 20], 3 << 20).unwrap();
    file.write_all_at(&Draw::new(2).noise(700_000), 5 << 20).unwrap();
    file.write_all_at(b"the end", LEN - 7).unwrap();
    save(home, &path);
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

fn save(home: &Home, image: &Path) {
    home.run(["snapshot".as_ref(), "--image".as_ref(), image.as_os_str()]).ok();
}
