//! `esker revoke`: withdraw the key of a writer.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::role_names;
use esker_format::log_entry::{ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, WriterEntry};
use serde::Serialize;
use std::io::Write;

/// Withdraw the key of a writer
///
/// Needs the owner's key. Nothing that the writer signs from here on counts; what it saved stays, and
/// the other keys are as good as before. What it knows it knows for ever: the history of the
/// repository up to here, with hosts, labels, paths and sizes of the snapshots of its scope, and the
/// keys by which data of its scope is named. These cannot be changed, so that other writers of that
/// scope go on with keys that somebody else has: give them a new scope where that matters.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the writer, its id, or the beginning of that; `esker key list` shows them
    writer: String,
}

#[derive(Serialize)]
struct Revoked {
    writer: String,
    name: String,
    scope: u32,
    sequence: Option<u64>,
    without_checkpoint: Option<String>,
    others_in_scope: Vec<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open(global)?;
    repository.access().secret()?;
    let writer = repository.find_writer(&args.writer)?;
    let done = repository.revoke(writer.id)?;
    let sequence = done.seq.map(|seq| seq.0);
    let without_checkpoint = done.without_checkpoint.map(|error| place::describe(&error));
    if let Some(why) = &without_checkpoint {
        show::error(&format!(
            "it is revoked, but no checkpoint could be written that says so: {why}"
        ));
        show::hint(
            "until there is one, a machine that comes anew may go by one that this key has signed: run it \
             again when the store takes it",
        );
    }
    let exit = if without_checkpoint.is_some() { Exit::Error } else { Exit::Ok };
    let WriterEntry { scope, name, roles, .. } = writer.entry;
    let id = writer.id;
    let others = repository.writers().into_iter();
    let others_in_scope: Vec<String> =
        others.filter(|w| w.entry.scope == scope && !w.revoked).map(|w| w.entry.name).collect();
    if global.json {
        let writer = id.to_string();
        let told = Revoked { writer, name, scope, sequence, without_checkpoint, others_in_scope };
        show::json(&told)?;
        return Ok(exit);
    }
    if global.quiet {
        return Ok(exit);
    }
    let mut out = std::io::stdout().lock();
    let name = show::name(name.as_bytes());
    if sequence.is_none() {
        writeln!(out, "writer {name} ({id}) was revoked before")?;
        return Ok(exit);
    }
    writeln!(out, "revoked writer {name} ({id}): nothing that it signs from here on counts")?;
    if roles & (ROLE_FORGET | ROLE_COLLECT) != 0 {
        writeln!(
            out,
            "what it did with its right to {} stays done: `esker snapshots --forgotten` lists what is \
             forgotten, and `esker unforget` brings it back; run no `esker gc` before you have looked",
            role_names(roles & (ROLE_FORGET | ROLE_COLLECT)).join(" and ")
        )?;
    }
    if roles & ROLE_APPEND != 0 {
        writeln!(out, "`esker snapshots --writer {id}` lists what it saved")?;
    }
    writeln!(
        out,
        "what it saved stays. It never could read content. It knows hosts, labels, paths and sizes of \
         the snapshots of scope {scope}, and can still tell whether the repository has data that it \
         has itself; nothing can take that back"
    )?;
    if !others_in_scope.is_empty() {
        let others: Vec<_> =
            others_in_scope.iter().map(|name| show::name(name.as_bytes())).collect();
        writeln!(
            out,
            "{} {} on in that scope, whose keys cannot be changed: where that matters, export new keys \
             with scopes of their own",
            others.join(", "),
            if others.len() == 1 { "goes" } else { "go" }
        )?;
    }
    Ok(exit)
}
