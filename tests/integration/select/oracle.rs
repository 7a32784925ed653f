//! Patterns, as git understands them: drawn trees and drawn patterns, and the same files are left.

use super::saved;
use crate::support::{Draw, Home, Ran, needs};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Trees, each with its patterns.
const ROUNDS: u64 = 40;

const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"ab",
    b"A",
    b"Ab",
    b"a.o",
    b"b.o",
    b"a.b.o",
    b"[a]",
    b"*",
    b"a b",
    b"!a",
    b"#b",
    b"{a,b}",
    b"a\\b",
    b"\xff",
    b"\xffa",
    b"\xc3\xa4",
    b"-",
    b".a",
    b"a\nb",
];
/// Not `a**`: git cuts the letter off and takes the stars for whole directories, unlike what it says.
const PARTS: &[&[u8]] = &[
    b"a",
    b"b",
    b"ab",
    b"*",
    b"?",
    b"??",
    b"*.o",
    b"a*",
    b"*b",
    b"[ab]",
    b"[!a]",
    b"[^b]*",
    b"[a-b]?",
    b"\\[a\\]",
    b"\\*",
    b"{a,b}",
    b"**",
    b"[[:alpha:]]",
    b"[[:punct:]]*",
    b"\\!a",
    b"\\#b",
    b".*",
    b"\xff",
    b"\xff*",
    b"?a",
    b"[]-]",
    b"a\\\\b",
    b"[\\]a]",
    b"a b",
    b"*[*]*",
    b"\xc3\xa4",
    b"[\xc3\xa4]",
];

fn grow(draw: &mut Draw, root: &Path) {
    let mut folders = vec![root.to_owned()];
    std::fs::create_dir_all(root).unwrap();
    for _ in 0..60 {
        let folder: PathBuf = folders[draw.below(folders.len() as u64) as usize].clone();
        let path = folder.join(OsStr::from_bytes(draw.one_of(NAMES)));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match draw.below(8) {
            0..3 => {
                std::fs::create_dir(&path).unwrap();
                folders.push(path);
            }
            3 => std::os::unix::fs::symlink(".", &path).unwrap(),
            _ => std::fs::write(&path, "").unwrap(),
        }
    }
}

/// Parts that can match the names of the directories above a tree, which git does not see.
const WIDE: &[&[u8]] = &[b"*", b"*b", b"[^b]*", b"[[:punct:]]*", b".*"];

/// A pattern as git has it below the tree, and as we have it from the root of the file system.
fn pattern(draw: &mut Draw, root: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let parts: Vec<&[u8]> = (0..=draw.below(3)).map(|_| draw.one_of(PARTS)).collect();
    let path = parts.join(&b'/');
    let negative: &[u8] = if draw.once_in(4) { b"!" } else { b"" };
    let end: &[u8] = if draw.once_in(4) { b"/" } else { b"" };
    let begin = parts.iter().position(|part| *part != b"**").unwrap_or(0);
    let looks_above = parts.len() - begin > 1 && WIDE.contains(&parts[begin]);
    if looks_above || draw.once_in(3) {
        let git = [negative, b"/", &path, end].concat();
        return (git, [negative, root, b"/", &path, end].concat());
    }
    // With a slash inside, git would look only at the top of the tree.
    let floats: &[u8] = if path.contains(&b'/') { b"**/" } else { b"" };
    ([negative, floats, &path, end].concat(), [negative, &path, end].concat())
}

/// Files and links that git would not ignore.
fn git(home: &Home, work: &Path, patterns: &Path, fold: bool) -> BTreeSet<Vec<u8>> {
    let run = |arguments: &[&OsStr]| {
        let mut command = Command::new("git");
        command.current_dir(work).env("HOME", home.path("")).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_DIR", home.path("git")).env("GIT_WORK_TREE", work);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run(&["init".as_ref(), "-q".as_ref()]);
    let ignore_case = format!("core.ignorecase={fold}");
    let mut from = OsStr::new("--exclude-from=").to_owned();
    from.push(patterns);
    let list = ["ls-files", "--others", "-z"].map(OsStr::new);
    let listed = run(&[&["-c".as_ref(), ignore_case.as_ref()], &list[..], &[&from]].concat());
    listed.split(|b| *b == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}

#[test]
fn what_is_left_of_any_tree_is_what_git_would_not_ignore() {
    if !needs("git") {
        return;
    }
    let (mut left, mut all) = (0, 0);
    for round in 0..ROUNDS {
        let mut draw = Draw::new(round);
        let home = Home::new();
        let work = home.path("work");
        grow(&mut draw, &work);
        let count = draw.below(6) + 1;
        let drawn = (0..count).map(|_| pattern(&mut draw, work.as_os_str().as_bytes()));
        let (theirs, ours): (Vec<Vec<u8>>, Vec<Vec<u8>>) = drawn.unzip();
        let fold = draw.once_in(3);
        let told = git(&home, &work, &home.write("theirs", theirs.join(&b'\n')), fold);

        let mut command = home.command();
        command.arg("snapshot");
        match fold {
            // The drawn trees have letters beyond ASCII in one case only: git folds no others.
            true => {
                for pattern in &ours {
                    command.arg("--iexclude").arg(OsStr::from_bytes(pattern));
                }
            }
            false => {
                command.arg("--exclude-file").arg(home.write("ours", ours.join(&b'\n')));
            }
        }
        // The tree itself is not to be looked at.
        command.args(names(&work));
        let ran = Ran::of(&mut command);
        let found = match told.is_empty() && ran.code == 1 {
            true => BTreeSet::new(),
            false => {
                ran.ok();
                files(&home, &work)
            }
        };
        let told: BTreeSet<String> = told.iter().map(|path| escape(path)).collect();
        let show = |list: &[Vec<u8>]| list.iter().map(|p| escape(p)).collect::<Vec<_>>().join("\n");
        assert_eq!(found, told, "round {round}, fold {fold}:\n{}", show(&ours));
        left += told.len();
        all += count_files(&work);
    }
    // Patterns that leave everything, or nothing, would show nothing.
    assert!(left * 10 > all && left * 10 < all * 9, "{left} of {all} files were left");
}

fn names(work: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn files(home: &Home, work: &Path) -> BTreeSet<String> {
    let head = format!("{}/", work.to_str().unwrap());
    let rows = home.run(["ls", "--json", "latest"]).ok().json();
    let is_file = |row: &&serde_json::Value| row["kind"] == "file" || row["kind"] == "symlink";
    let rows = rows.iter().filter(is_file).map(|row| row["path"].as_str().unwrap());
    let found: BTreeSet<String> =
        rows.filter_map(|path| path.strip_prefix(&head)).map(str::to_owned).collect();
    assert!(found.is_subset(&saved(home, work)));
    found
}

fn count_files(folder: &Path) -> usize {
    let count = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() { count_files(&path) } else { 1 }
    };
    std::fs::read_dir(folder).unwrap().map(count).sum()
}

/// As `--json` shows names.
fn escape(path: &[u8]) -> String {
    let mut out = String::new();
    for part in path.utf8_chunks() {
        out.push_str(&part.valid().replace('\\', "\\\\"));
        part.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}
