//! `esker revoke`: withdraw the key of a writer.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
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
    others_in_scope: Vec<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open(global)?;
    repository.access().secret()?;
    let writer = repository.find_writer(&args.writer)?;
    let sequence = repository.revoke(writer.id)?.map(|seq| seq.0);
    let (id, scope, name) = (writer.id, writer.entry.scope, writer.entry.name);
    let others = repository.writers().into_iter();
    let others_in_scope: Vec<String> =
        others.filter(|w| w.entry.scope == scope && !w.revoked).map(|w| w.entry.name).collect();
    if global.json {
        show::json(&Revoked { writer: id.to_string(), name, scope, sequence, others_in_scope })?;
        return Ok(Exit::Ok);
    }
    if global.quiet {
        return Ok(Exit::Ok);
    }
    let mut out = std::io::stdout().lock();
    let name = show::name(name.as_bytes());
    if sequence.is_none() {
        writeln!(out, "writer {name} ({id}) was revoked before")?;
        return Ok(Exit::Ok);
    }
    writeln!(out, "revoked writer {name} ({id}): nothing that it signs from here on counts")?;
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
            "{} go on in that scope, whose keys cannot be changed: where that matters, export new keys \
             with scopes of their own",
            others.join(", ")
        )?;
    }
    Ok(Exit::Ok)
}
