//! Servers that tests talk to. Each is a process of its own, which ends with the test.

#![allow(dead_code, reason = "each test binary has its own needs")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An S3 server with one bucket, `bucket`.
pub struct S3Server {
    /// Where it is: "http://127.0.0.1:1234".
    pub endpoint: String,
    child: Child,
    folder: tempfile::TempDir,
}

impl S3Server {
    /// Starts one that puts an object only where there is none.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one that looks first and puts then.
    pub fn without_lock() -> Self {
        Self::with(&["--without-lock"])
    }

    /// Starts one that replaces what is there, whatever it is told.
    pub fn that_replaces() -> Self {
        Self::with(&["--replaces"])
    }

    fn with(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let buckets = folder.path().join("buckets");
        std::fs::create_dir_all(buckets.join("bucket")).unwrap();
        let mut child = Command::new(program("esker-test-s3"))
            .arg(&buckets)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
        let server = Self { endpoint: told.trim().to_owned(), child, folder };
        let text = server.stores("esker", "esker-secret");
        write_private(&server.stores_file(), &text);
        server
    }

    /// A file of stores with everything that the bucket needs.
    pub fn stores_file(&self) -> PathBuf {
        self.folder.path().join("stores.toml")
    }

    /// The text of such a file, with other keys.
    pub fn stores(&self, key: &str, secret: &str) -> String {
        Self::stores_at(&self.endpoint, key, secret)
    }

    /// The text of such a file for another way to the server.
    pub fn stores_at(endpoint: &str, key: &str, secret: &str) -> String {
        format!(
            "[\"s3://bucket\"]\nendpoint = \"{endpoint}\"\naccess_key_id = \"{key}\"\nsecret_access_key = \"{secret}\"\n"
        )
    }

    /// The folder where the objects of the bucket lie.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join("buckets/bucket")
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// One of our servers' programs, which are built together with the tests of the whole workspace; where only
/// some of them were built, it is built now.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    let path = folder.join(name);
    if !path.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "esker-test-servers", "--target-dir"])
            .arg(folder.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success() && path.exists(), "the test server was not built");
    }
    path
}

/// Azurite, with one container, `container`.
pub struct AzureServer {
    child: Child,
    folder: tempfile::TempDir,
}

impl AzureServer {
    /// Starts it; `None` where it is not installed.
    pub fn start() -> Option<Self> {
        let Some(program) = azurite() else {
            super::skipped::skipped("needs Azurite, which tests/needs installs with npm");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args(["--silent", "--inMemoryPersistence", "--disableTelemetry"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listens = lines.map_while(Result::ok).find(|line| line.contains("listens on"));
        let endpoint = listens.unwrap().split("listens on ").last().unwrap().trim().to_owned();
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/azurite-container.js");
        let made =
            Command::new("node").arg(script).args([&endpoint, "container"]).status().unwrap();
        assert!(made.success());
        let server = Self { child, folder };
        let text = format!(
            "[\"azblob://container\"]\nendpoint = \"{endpoint}/devstoreaccount1\"\naccount = \"devstoreaccount1\"\n\
             key = \"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==\"\n"
        );
        write_private(&server.stores_file(), &text);
        Some(server)
    }

    /// A file of stores with everything that the container needs.
    pub fn stores_file(&self) -> PathBuf {
        self.folder.path().join("stores.toml")
    }
}

impl Drop for AzureServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Azurite's program: on the PATH, or where tests/needs installs it.
fn azurite() -> Option<PathBuf> {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    let beside = target.join("azurite/node_modules/.bin/azurite-blob");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("azurite-blob"));
    on_path.chain([beside]).find(|program| program.exists())
}

/// Apache with mod_dav, for the user `esker` with the password `secret`.
pub struct DavServer {
    /// Where it is: "webdav://127.0.0.1:1234".
    pub address: String,
    child: Child,
    folder: tempfile::TempDir,
}

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

impl DavServer {
    /// Starts it; `None` where it is not installed.
    pub fn start() -> Option<Self> {
        if !Path::new(APACHE).exists() || !Path::new(MODULES).join("mod_dav_fs.so").exists() {
            super::skipped::skipped("needs apache2-bin");
            return None;
        }
        // A port that was free a moment ago may be taken: then another one.
        (0..10).find_map(|_| Self::try_start()).or_else(|| panic!("apache2 does not start"))
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let top = folder.path();
        std::fs::create_dir(top.join("files")).unwrap();
        // The password of `htpasswd -s`: SHA-1 in base64, of "secret".
        std::fs::write(top.join("users"), "esker:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
        std::fs::write(top.join("apache.conf"), dav_configuration(top, &at.to_string())).unwrap();
        if rustix::process::geteuid().is_root() {
            // Apache gives up root for its workers; this is what Debian calls www-data.
            let given = Command::new("chown").args(["-R", "33:33"]).arg(top).status().unwrap();
            assert!(given.success());
        }
        let mut child = Command::new(APACHE)
            .arg("-f")
            .arg(top.join("apache.conf"))
            .arg("-DFOREGROUND")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(at).is_err() {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let server = Self { address: format!("webdav://{at}"), child, folder };
        let text = format!(
            "[\"{}\"]\ntls = false\nuser = \"esker\"\npassword = \"secret\"\n",
            server.address
        );
        write_private(&server.stores_file(), &text);
        Some(server)
    }

    /// A file of stores with everything that the server needs.
    pub fn stores_file(&self) -> PathBuf {
        self.folder.path().join("stores.toml")
    }
}

impl DavServer {
    /// Where its files lie.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }
}

impl Drop for DavServer {
    fn drop(&mut self) {
        // Its workers end with it when it is asked, and go on when it is killed.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn dav_configuration(top: &Path, at: &str) -> String {
    let modules = [
        "mpm_event",
        "authz_core",
        "authn_core",
        "authn_file",
        "auth_basic",
        "authz_user",
        "dav",
        "dav_fs",
    ];
    let load = |name: &&str| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n");
    let user = match rustix::process::geteuid().is_root() {
        true => "User #33\nGroup #33\n",
        false => "",
    };
    let (top, modules) = (top.display(), modules.iter().map(load).collect::<String>());
    format!(
        "ServerRoot {top}\nServerName localhost\nListen {at}\nPidFile {top}/pid\nErrorLog {top}/error.log\n\
         {user}{modules}DocumentRoot {top}/files\nDavLockDB {top}/locks\n\
         <Directory {top}/files>\nDav On\nAuthType Basic\nAuthName esker\nAuthUserFile {top}/users\n\
         Require valid-user\n</Directory>\n"
    )
}
