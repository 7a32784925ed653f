//! A real ssh server on this machine, for one test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// OpenSSH's server on a port of 127.0.0.1, with keys of its own. It ends with this value.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    server: Child,
}

impl Sshd {
    /// Begins one; none where there is no `sshd`, which counts the test as skipped.
    pub fn begin() -> Option<Self> {
        Self::begin_with("", "")
    }

    /// Begins one with more lines in its configuration, and words before the key in `authorized_keys`.
    pub fn begin_with(lines: &str, before_key: &str) -> Option<Self> {
        let Some(program) = program("sshd") else {
            super::skipped("needs the program sshd");
            return None;
        };
        if rustix::process::geteuid().is_root() {
            // Where Debian's server puts itself away from everything before somebody has logged in.
            let _ = fs::create_dir_all("/run/sshd");
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["host_key", "user_key"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join(name));
            assert!(command.status().unwrap().success());
        }
        let key = fs::read_to_string(folder.path().join("user_key.pub")).unwrap();
        fs::write(folder.path().join("authorized_keys"), format!("{before_key} {key}")).unwrap();
        // Another test may take the port between our look and the server's.
        (0..20).find_map(|_| Self::try_begin(&program, &folder, lines)).map(|(port, server)| {
            let sshd = Self { folder, port, server };
            sshd.write_configuration();
            sshd
        })
    }

    fn try_begin(program: &Path, folder: &TempDir, lines: &str) -> Option<(u16, Child)> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = folder.path().display();
        let sftp = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server"];
        let sftp = sftp.iter().find(|path| Path::new(path).exists()).unwrap_or(&"internal-sftp");
        // A shell that is not the first reads no files of the user's, which can take longer than a test waits.
        let configuration = format!(
            "{lines}\nSetEnv SHLVL=2\nPort {port}\nListenAddress 127.0.0.1\nHostKey {path}/host_key\nPidFile none\n\
             AuthorizedKeysFile {path}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nMaxStartups 100\nPermitRootLogin yes\nSubsystem sftp {sftp}\n"
        );
        let file = folder.path().join("sshd_config");
        fs::write(&file, configuration).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(&file).stdin(Stdio::null()).stderr(log);
        let mut server = command.spawn().unwrap();
        loop {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some((port, server));
            }
            if server.try_wait().unwrap().is_some() {
                return None;
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// What `ssh -F` reads: who we are, and whom we know.
    fn write_configuration(&self) {
        let host_key = fs::read_to_string(self.folder.path().join("host_key.pub")).unwrap();
        let known = format!("[127.0.0.1]:{} {host_key}", self.port);
        fs::write(self.path("known_hosts"), known).unwrap();
        let path = self.folder.path().display();
        let configuration = format!(
            "Host *\nIdentityFile {path}/user_key\nIdentitiesOnly yes\n\
             UserKnownHostsFile {path}/known_hosts\nStrictHostKeyChecking yes\n"
        );
        fs::write(self.path("ssh_config"), configuration).unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.path("user_key"), private).unwrap();
    }

    /// A place in the folder of the server.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The words that run `ssh` as somebody whom the server knows.
    pub fn command(&self) -> Vec<String> {
        vec!["ssh".to_owned(), "-F".to_owned(), self.path("ssh_config").display().to_string()]
    }

    /// Host and path of a folder on this machine, as they follow `sftp://`.
    pub fn address(&self, folder: &Path) -> String {
        format!("127.0.0.1:{}{}", self.port, folder.display())
    }

    /// The numbers of all processes that the server has begun, and those that they have.
    pub fn processes(&self) -> Vec<i32> {
        let mut found = vec![self.server.id() as i32];
        let mut next = 0;
        while next < found.len() {
            found.extend(children(found[next]));
            next += 1;
        }
        found.split_off(1)
    }

    /// Sends a signal to everything that serves a connection.
    pub fn signal(&self, signal: rustix::process::Signal) {
        for process in self.processes() {
            if let Some(process) = rustix::process::Pid::from_raw(process) {
                let _ = rustix::process::kill_process(process, signal); // it may have ended
            }
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The children of a process, as the kernel lists them.
fn children(of: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |number: &i32| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything.
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        rest.split(' ').nth(1) == Some(&of.to_string())
    };
    numbers.filter(is_child).collect()
}

/// Where an administration program is; they are not on everybody's PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}
