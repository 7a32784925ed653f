//! Who may use what: the rules of the house as one table.

use super::files::{Source, rust};
use super::names::{paths, words};

/// The format crate, as others name it.
const FORMAT: &str = "esker_format";

/// What each part of `src/` may use of ours, beside itself. A part that is not here has no place
/// in the house yet.
const MAY_USE: &[(&str, &[&str])] = &[
    ("store", &[]),
    ("pattern", &[]),
    ("group", &[]),
    ("source", &[FORMAT, "pattern", "group"]),
    ("repository", &[FORMAT, "store"]),
    ("disk", &[FORMAT, "source"]),
    ("pipeline", &[FORMAT, "repository", "source", "disk"]),
    ("restore", &[FORMAT, "pattern", "group", "repository", "disk"]),
    ("browse", &[FORMAT, "repository"]),
    ("compare", &[FORMAT, "repository", "source"]),
    ("sync", &[FORMAT, "store"]),
    (
        "cli",
        &[
            "pattern",
            FORMAT,
            "store",
            "source",
            "disk",
            "repository",
            "pipeline",
            "restore",
            "browse",
            "compare",
            "sync",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Crates whose types stay in the parts that own them, so that they can be replaced there. A calendar
/// is needed where times are shown, and where rules count days: that is no business of a terminal.
const OWNED: &[(&str, &str)] = &[
    ("rusqlite", "src/repository/index/"),
    ("clap", "src/cli/"),
    ("clap_complete", "src/cli/completions.rs"),
    ("clap_mangen", "src/cli/man.rs"),
    ("indicatif", "src/cli/progress.rs"),
    ("fuser", "src/browse/mount/fuse.rs"),
    ("fuser", "src/browse/mount/session.rs"),
    ("jiff", "src/browse/mount/names.rs"),
    ("jiff", "src/cli/show"),
    ("jiff", "src/repository/retention/calendar.rs"),
    ("gix_glob", "src/pattern.rs"),
    ("hashbrown", "src/repository/state/"),
    ("crc32fast", "src/disk/gpt.rs"),
    ("nix", "src/disk/lock.rs"),
    ("rpassword", "src/cli/key/"),
    ("signal_hook", "src/cli/signals.rs"),
    ("opendal", "src/store/remote/"),
    ("opendal", "src/store/remote.rs"),
    ("tokio", "src/store/remote/"),
    ("tokio", "src/store/remote.rs"),
    ("reqwest", "src/store/remote/transport"),
    ("rustls", "src/store/remote/transport"),
    ("rustls", "src/browse/nbd/tls.rs"),
    ("http", "src/store/remote/transport"),
    ("http_body", "src/store/remote/transport"),
    ("httpdate", "src/store/remote/clock.rs"),
    ("toml", "src/store/stores_file.rs"),
    ("serde_json", "src/cli/"),
    ("serde_json", "src/disk/qcow2/layers.rs"),
    ("zstd", "format/src/codec.rs"),
    ("zstd", "src/restore/packed.rs"),
    ("zstd", "src/source/archive.rs"),
    ("tar", "src/restore/archive/tar.rs"),
    ("rawzip", "src/restore/archive/zip.rs"),
    ("flate2", "src/restore/archive/zip.rs"),
    ("tar", "src/source/archive.rs"),
    ("flate2", "src/source/archive.rs"),
    ("fastcdc", "format/src/chunking.rs"),
    ("chacha20poly1305", "format/src/envelope.rs"),
    ("argon2", "format/src/slot.rs"),
    ("ed25519_dalek", "format/src/key.rs"),
];

/// The part of `src/` that a file belongs to: `src/store/local.rs` is of `store`.
fn part(path: &str) -> &str {
    let rest = path.strip_prefix("src/").unwrap();
    rest.split('/').next().unwrap().trim_end_matches(".rs")
}

/// How deep the module of a file lies below the crate: 1 for `src/store/mod.rs`.
fn depth(path: &str) -> usize {
    let parts = path.strip_prefix("src/").unwrap().split('/').count();
    if path.ends_with("/mod.rs") || !path.contains('/') { parts - 1 } else { parts }
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[test]
fn every_part_uses_only_what_it_may() {
    let mut broken = Vec::new();
    for Source { path: file, text } in rust(&["src"]) {
        let own = part(&file);
        let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == own) else {
            broken.push(format!("{file}: no rule says what the part {own} may use"));
            continue;
        };
        for used in paths(&text) {
            let other = match used.path[0].as_str() {
                // What all tests share is no part of the program.
                "crate"
                    if ["skipped", "servers", "sshd"].contains(&used.path[1].as_str())
                        && is_test(&file) =>
                {
                    continue;
                }
                "crate" | "esker" => used.path[1].as_str(),
                FORMAT => FORMAT,
                "super" => {
                    let up = used.path.iter().take_while(|name| *name == "super").count();
                    // A module inside a file is one deeper than the file, and may step out of it.
                    if up <= depth(&file) { continue } else { "something far above" }
                }
                _ => continue,
            };
            if other != own && !may.contains(&other) {
                let path = used.path.join("::");
                broken.push(format!("{file}:{}: {own} may not use {path}", used.line));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_format_is_pure() {
    // Files, networks, processes, variables, clocks and threads are somebody else's concern;
    // nonces and random numbers are arguments.
    let never =
        ["fs", "net", "process", "env", "time", "thread", "os", "path", "sync"].map(String::from);
    let mut broken = Vec::new();
    for Source { path: file, text } in rust(&["format/src"]) {
        for used in paths(&text) {
            let wrong = match used.path[0].as_str() {
                "std" => {
                    // Its errors fit where readers and writers are asked for; it does not read.
                    let io_error = used.path[1..].starts_with(&["io".into(), "Error".into()])
                        || used.path[1..].starts_with(&["io".into(), "ErrorKind".into()]);
                    never.contains(&used.path[1]) || (used.path[1] == "io" && !io_error)
                }
                "esker" | "getrandom" | "rand" | "rustix" | "libc" => true,
                _ => false,
            };
            if wrong {
                broken.push(format!("{file}:{}: {}", used.line, used.path.join("::")));
            }
        }
    }
    let manifest = std::fs::read_to_string("format/Cargo.toml").unwrap();
    if manifest.contains("path = \"..") {
        broken.push("format/Cargo.toml: depends on a crate of ours".to_owned());
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_command_line_reads_and_prints_the_terminal() {
    let mut broken = Vec::new();
    for Source { path: file, text } in rust(&["src", "format/src"]) {
        if file.starts_with("src/cli/") || is_test(&file) {
            continue;
        }
        for word in words(&text) {
            let is_macro = word.after == Some('!');
            let wrong = match word.word.as_str() {
                "print" | "println" | "eprint" | "eprintln" | "dbg" => is_macro,
                // `.stdout(...)` belongs to a command that is run.
                "stdin" | "stdout" | "stderr" => {
                    word.after == Some('(') && word.before != Some('.')
                }
                _ => false,
            };
            if wrong {
                broken.push(format!("{file}:{}: {}", word.line, word.word));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn types_of_other_crates_stay_in_the_part_that_owns_them() {
    let mut broken = Vec::new();
    for Source { path: file, text } in rust(&["src", "format/src"]) {
        for used in paths(&text) {
            let of = OWNED.iter().filter(|(name, _)| used.path[0] == *name);
            let owners: Vec<&str> = of.map(|(_, owner)| *owner).collect();
            if !owners.is_empty() && !owners.iter().any(|owner| file.starts_with(owner)) {
                let (path, owners) = (used.path.join("::"), owners.join(" and "));
                broken.push(format!("{file}:{}: {path} belongs to {owners}", used.line));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
