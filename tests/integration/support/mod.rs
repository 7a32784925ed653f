//! What the tests share.

mod draw;
pub mod far;
pub mod loops;
mod oracle;
mod program;
#[cfg(feature = "s3")]
mod proxy;
#[cfg(feature = "s3")]
mod servers;
mod skipped;
mod sshd;
pub mod tree;

pub use draw::Draw;
pub use oracle::differences;
pub use program::{Home, Ran};
#[cfg(feature = "s3")]
pub use proxy::{Asked, Proxy};
#[cfg(feature = "webdav")]
pub use servers::DavServer;
#[cfg(feature = "s3")]
pub use servers::{S3Server, write_private};
pub use skipped::skipped;
pub use sshd::Sshd;

use std::process::{Command, Stdio};

/// Whether a program that a test needs is here. If not, the test is counted as skipped:
///
/// `if !needs("rsync") { return; }`
#[must_use]
pub fn needs(program: &str) -> bool {
    let mut command = Command::new(program);
    let tried = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = tried.is_ok();
    if !found {
        skipped(&format!("needs the program {program}"));
    }
    found
}
