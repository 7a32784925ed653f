//! Servers that tests talk to. Each is a process of its own, which ends with the test.

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
    #[allow(dead_code, reason = "each test binary has its own needs")]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one that looks first and puts then.
    #[allow(dead_code, reason = "each test binary has its own needs")]
    pub fn without_lock() -> Self {
        Self::with(&["--without-lock"])
    }

    fn with(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let buckets = folder.path().join("buckets");
        std::fs::create_dir_all(buckets.join("bucket")).unwrap();
        let mut child = Command::new(program())
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
        let endpoint = &self.endpoint;
        format!(
            "[\"s3://bucket\"]\nendpoint = \"{endpoint}\"\naccess_key_id = \"{key}\"\nsecret_access_key = \"{secret}\"\n"
        )
    }

    /// The folder where the objects of the bucket lie.
    #[allow(dead_code, reason = "each test binary has its own needs")]
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

/// The server's program, which is built together with the tests of the whole workspace; where only some of
/// them were built, it is built now.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    let path = folder.join("esker-test-s3");
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
