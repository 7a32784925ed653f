//! The program, run in a home of its own.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A home that nobody else uses: folders for data, configuration, caches and state, and room for
/// the files of the test. It goes with this value.
pub struct Home {
    folder: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; 128+n when signal n ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A home on the file system of this folder.
    pub fn within(folder: &Path) -> std::io::Result<Self> {
        Ok(Self { folder: tempfile::tempdir_in(folder)? })
    }

    /// A place in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The repository that a run without `--repo` uses.
    pub fn repository(&self) -> PathBuf {
        self.path("data/esker/repository")
    }

    /// Writes a file in it, with its folders.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, with nothing of the real home and no `ESKER_*` of whoever runs the tests.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_esker"));
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"ESKER_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.folder.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// The program as somebody who is not root, whom everything in this home belongs to from now
    /// on. Who is not root already stays who he is.
    pub fn command_without_root(&self) -> Command {
        if !rustix::process::geteuid().is_root() {
            return self.command();
        }
        // Others may not get to where cargo puts it. A process of its own writes the copy: what is
        // open for writing here goes to whatever other tests start, and cannot be run until then.
        let program = self.path("esker");
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_esker")).arg(&program);
        let mut give = Command::new("chown");
        give.args(["-R", "65534:65534"]).arg(self.folder.path());
        let steps = if program.exists() { vec![&mut give] } else { vec![&mut copy, &mut give] };
        for step in steps {
            assert!(step.status().unwrap().success(), "{step:?}");
        }
        let mut command = Command::new(program);
        for (name, value) in self.command().get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.uid(65_534).gid(65_534).stdin(Stdio::null());
        command
    }

    /// Saves `path`.
    #[track_caller]
    pub fn snapshot(&self, path: impl AsRef<Path>) -> Ran {
        self.run(["snapshot".as_ref(), path.as_ref().as_os_str()])
    }

    /// Restores what `snapshot` names into `target`.
    #[track_caller]
    pub fn restore(&self, snapshot: &str, target: impl AsRef<Path>) -> Ran {
        self.run(["restore".as_ref(), snapshot.as_ref(), target.as_ref().as_os_str()])
    }

    /// Runs the program to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command().args(arguments))
    }
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::from_output(command.output().unwrap())
    }

    /// What is known of a run that has ended.
    pub fn from_output(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code();
        let code = code.unwrap_or_else(|| 128 + output.status.signal().unwrap());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same run, which must have ended with exit code 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exit(0)
    }

    /// The same run, which must have ended with this exit code.
    #[track_caller]
    pub fn exit(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// The same run, which must have had nothing to say on standard error.
    #[track_caller]
    pub fn says_nothing(self) -> Self {
        assert_eq!(self.err, "");
        self
    }

    /// The same run, which must have said each of these on standard error.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        self
    }

    /// Its output as JSON, one value a line.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
