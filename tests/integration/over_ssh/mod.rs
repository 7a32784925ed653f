//! Repositories at the far end of ssh: a real server of OpenSSH, and the program itself over there.

mod day;
mod served;

use crate::support::{Home, Ran, Sshd};
use std::path::Path;

/// A home whose runs reach this server.
struct Away {
    sshd: Sshd,
    home: Home,
    /// The address of the repository.
    repository: String,
}

impl Away {
    /// A repository at `scheme://…/folder`, not made yet.
    fn new(sshd: Sshd, scheme: &str, folder: &Path) -> Self {
        let mut repository = format!("{scheme}://{}", sshd.address(folder));
        if scheme == "ssh" {
            repository += concat!("?program=", env!("CARGO_BIN_EXE_esker"));
        }
        Self { sshd, home: Home::new(), repository }
    }

    /// Runs the program with this repository and the key in the home.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.home.command();
        command.env("ESKER_SSH_COMMAND", self.sshd.command().join(" "));
        command.arg("--repo").arg(&self.repository).arg("--key-file").arg(self.home.path("key"));
        Ran::of(command.args(arguments))
    }
}
