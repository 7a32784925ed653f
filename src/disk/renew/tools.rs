//! The programs that give file systems new ids.

use crate::disk::error::{Error, Result};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where programs of the administration are, whoever's PATH that is.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// The programs that a kind of file system needs, and the packages that they are in.
fn needs(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "xfs" => &[("losetup", "util-linux"), ("xfs_admin", "xfsprogs"), ("xfs_db", "xfsprogs")],
        _ => &[("losetup", "util-linux"), ("e2fsck", "e2fsprogs"), ("tune2fs", "e2fsprogs")],
    }
}

/// Fails when a program is missing.
pub fn check(kind: &str) -> Result<()> {
    let missing = needs(kind).iter().find(|(program, _)| find(program).is_none());
    missing.map_or(Ok(()), |(program, package)| {
        Err(Error::NoProgram { program, package, kind: kind.to_owned() })
    })
}

fn find(program: &str) -> Option<PathBuf> {
    folders().map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own: Vec<PathBuf> = std::env::split_paths(&path).filter(|f| f.is_absolute()).collect();
    own.into_iter().chain(FOLDERS.map(PathBuf::from))
}

/// Runs a program to its end; what it printed, or why it did not do its work, in its own words.
pub fn run(program: &str, words: &[&OsStr], good: &[i32]) -> std::result::Result<String, String> {
    let path = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let mut command = Command::new(path);
    command.args(words).stdin(Stdio::null()).env("LC_ALL", "C").env_remove("TUNE2FS_FORCE_PROMPT");
    if let Ok(folders) = std::env::join_paths(folders()) {
        // Some of them are scripts.
        command.env("PATH", folders);
    }
    // An interrupt at the terminal is not for it: half a change is worse than a whole one.
    let output = command.process_group(0).output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code().is_some_and(|code| good.contains(&code)) {
        return Ok(printed);
    }
    let said = format!("{}\n{printed}", String::from_utf8_lossy(&output.stderr));
    Err(format!("{program}: {}", reason(&said, &output.status.to_string())))
}

/// What a program said, in one line and without its name and version.
pub fn reason(said: &str, otherwise: &str) -> String {
    let is_version = |line: &str| {
        line.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let lines = said.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !is_version(line)).collect();
    let all: String = lines.join(" ").chars().filter(|c| !c.is_control()).take(400).collect();
    if all.is_empty() { otherwise.to_owned() } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_said_is_one_line_without_its_version() {
        let said =
            "tune2fs 1.47.0 (5-Feb-2023)\n\nThis operation requires a check.\n\nRun e2fsck.\n";
        assert_eq!(reason(said, "exit 1"), "This operation requires a check. Run e2fsck.");
        assert_eq!(reason(" \n", "exit 1"), "exit 1");
    }

    #[test]
    fn a_program_that_fails_is_told_in_its_own_words() {
        let words: Vec<&OsStr> = ["/nowhere/at/all"].iter().map(OsStr::new).collect();
        let why = run("ls", &words, &[0]).unwrap_err();
        assert!(why.starts_with("ls: ") && why.contains("/nowhere/at/all"), "{why}");
        assert_eq!(
            run("no-such-program", &[], &[0]).unwrap_err(),
            "no-such-program is not installed"
        );
    }
}
