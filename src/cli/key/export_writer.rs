//! `esker key export-writer`: a key for a host that may add and no more.

use super::file;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Draft, Error, Repository, role_names};
use clap::ValueEnum;
use esker_format::ids::Seq;
use esker_format::log_entry::{ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, WriterEntry};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How often another scope is tried when others get the one that was to be had alone.
const ATTEMPTS: u32 = 5;

/// Make a key for a host that may only add
///
/// Needs the owner's key. FILE is a new file that only you can read: bring it to the host, and use it
/// there with --key-file or ESKER_KEY_FILE, or as ~/.config/esker/key. With it the host saves
/// snapshots, as fast as the owner does, and lists those of its scope. It cannot read any content, its
/// own neither, and what it saved it cannot take back. `esker revoke` withdraws the key.
#[derive(clap::Args)]
pub struct Args {
    /// The new key file; an existing one is never overwritten
    file: PathBuf,
    /// What to call the writer, in lists and to revoke it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Whose data it may share: a scope of its own, or that of other writers (the owner's is 0).
    /// Writers of one scope store what is equal once; each can find out what the others have that it
    /// has too, and what one stores wrongly the others may rely on
    #[arg(long, value_name = "new|N", default_value = "new", value_parser = scope)]
    scope: Scope,
    /// What it may do; can be given several times. `forget` forgets, holds and tags snapshots:
    /// by label, host and rules those of its scope, which are all that it lists, and those of other
    /// scopes by id alone. `collect` removes for good what was forgotten, of all scopes
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',', default_value = "append")]
    roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy)]
enum Scope {
    New,
    Number(u32),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Append,
    Forget,
    Collect,
}

#[derive(Serialize)]
struct Exported<'e> {
    writer: String,
    name: &'e str,
    scope: u32,
    shared_with: Vec<String>,
    roles: Vec<&'static str>,
    key_file: String,
    sequence: u64,
}

fn scope(text: &str) -> Result<Scope, String> {
    if text == "new" {
        return Ok(Scope::New);
    }
    text.parse()
        .map(Scope::Number)
        .map_err(|_| "neither `new` nor the number of a scope".to_owned())
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open(global)?;
    let roles = args.roles.iter().fold(0, |roles, role| {
        roles
            | match role {
                Role::Append => ROLE_APPEND,
                Role::Forget => ROLE_FORGET,
                Role::Collect => ROLE_COLLECT,
            }
    });
    let scope = match args.scope {
        Scope::New => None,
        Scope::Number(scope) => Some(scope),
    };
    let (draft, seq) = enrol(&mut repository, &args.file, &args.name, scope, roles)?;
    let entry = draft.entry();
    let others = repository.writers().into_iter().filter(|w| w.entry.scope == entry.scope);
    let shared_with: Vec<String> =
        others.filter(|w| w.entry.key != entry.key).map(|w| w.entry.name).collect();
    if global.json {
        show::json(&Exported {
            writer: entry.key.writer().to_string(),
            name: &entry.name,
            scope: entry.scope,
            shared_with,
            roles: role_names(entry.roles),
            key_file: args.file.display().to_string(),
            sequence: seq.0,
        })?;
    } else if !global.quiet {
        tell(entry, &args.file, &shared_with)?;
    }
    Ok(Exit::Ok)
}

/// Keeps the key first and enrols the writer then. Who is killed in between has a key file that
/// opens nothing, and says so; never is there a writer whose key nobody has.
fn enrol(
    repository: &mut Repository,
    path: &Path,
    name: &str,
    scope: Option<u32>,
    roles: u32,
) -> Result<(Draft, Seq), Failure> {
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let draft = repository.draft_writer(name, scope, roles)?;
        file::write(path, draft.material())?;
        match repository.enrol(&draft) {
            Ok(seq) => return Ok((draft, seq)),
            // Nothing was appended, and nothing will be: the key is worth nothing.
            Err(error @ (Error::ScopeTaken { .. } | Error::NameTaken { .. })) => {
                let io = |source| Error::Io {
                    action: "remove",
                    path: path.display().to_string(),
                    source,
                };
                std::fs::remove_file(path).map_err(io)?;
                let is_scope = matches!(error, Error::ScopeTaken { .. });
                if !is_scope || attempts.next().is_none() {
                    return Err(error.into());
                }
            }
            Err(error) => {
                show::note(&format!(
                    "{} was written, and it is not sure that its writer was enrolled; `esker key list` \
                     tells, and a key that is not needed is revoked or removed",
                    path.display()
                ));
                return Err(error.into());
            }
        }
    }
}

fn tell(entry: &WriterEntry, path: &Path, shared_with: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let name = show::name(entry.name.as_bytes());
    writeln!(out, "enrolled writer {name} ({})", entry.key.writer())?;
    writeln!(out, "its key is in {}; nobody can make it again", path.display())?;
    let mut can = Vec::new();
    if entry.roles & ROLE_APPEND != 0 {
        can.push("save snapshots");
    }
    if entry.roles & ROLE_FORGET != 0 {
        can.push(
            "forget and hold snapshots, those of other scopes by id alone; tag those of its scope",
        );
    }
    if entry.roles & ROLE_COLLECT != 0 {
        can.push("remove for good what was forgotten");
    }
    can.push("list the snapshots of its scope");
    writeln!(out, "it can:    {}", can.join("; "))?;
    let mut cannot = vec!["read any content, its own neither", "manage keys"];
    if entry.roles & (ROLE_FORGET | ROLE_COLLECT) == 0 {
        cannot.insert(1, "remove or change what is saved");
    }
    writeln!(out, "it cannot: {}", cannot.join("; "))?;
    match shared_with {
        [] => writeln!(out, "scope {}:   its own", entry.scope),
        others => {
            let others: Vec<_> = others.iter().map(|name| show::name(name.as_bytes())).collect();
            writeln!(
                out,
                "scope {}:   shared with {}: they store what is equal once, can find out what the \
                 others have that they have too, and rely on what the others store",
                entry.scope,
                others.join(", ")
            )
        }
    }
}
