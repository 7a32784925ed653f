//! `esker key list`: what opens the repository, and who may do what in it.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Enrolled, Slot, role_names};
use serde::Serialize;
use std::io::Write;

/// List passphrases and writers
///
/// A passphrase is shown as its key slot. Writers are as the log has them, with the number of
/// snapshots that each has saved; those of the scope 0 share it with the owner.
#[derive(clap::Args)]
pub struct Args {}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row<'r> {
    Slot {
        slot: &'r str,
        in_use: bool,
        memory_kib: Option<u32>,
        passes: Option<u32>,
        lanes: Option<u32>,
        problem: Option<String>,
    },
    Writer {
        writer: String,
        name: &'r str,
        owner: bool,
        scope: u32,
        roles: Vec<&'static str>,
        revoked: bool,
        snapshots: u64,
    },
}

pub fn run(global: &Global, _: &Args) -> Outcome {
    let repository = place::open(global)?;
    let (slots, writers) = (repository.slots()?, repository.writers());
    if global.json {
        slots.iter().map(slot_row).try_for_each(|row| show::json(&row))?;
        writers.iter().map(writer_row).try_for_each(|row| show::json(&row))?;
        return Ok(Exit::Ok);
    }
    let mut out = std::io::stdout().lock();
    if !global.quiet {
        match slots.is_empty() {
            true => writeln!(out, "no passphrases")?,
            false => writeln!(out, "passphrases")?,
        }
    }
    for slot in &slots {
        let remark = match &slot.cost {
            Err(error) => format!("  cannot be used: {}", place::describe(error)),
            Ok(_) if slot.is_used => "  in use".to_owned(),
            Ok(_) => String::new(),
        };
        writeln!(out, "{}{remark}", slot.id)?;
    }
    if !global.quiet {
        writeln!(
            out,
            "\n{:32}  {:>5}  {:>9}  {:27}  name",
            "writers", "scope", "snapshots", "roles"
        )?;
    }
    for writer in &writers {
        let Enrolled { id, entry, revoked, is_owner, snapshots } = writer;
        let mut name = show::name(entry.name.as_bytes());
        if *is_owner && entry.name != "owner" {
            name.push_str(" (owner)");
        }
        if *revoked {
            name.push_str("  REVOKED");
        }
        let (scope, roles) = (entry.scope, role_names(entry.roles).join(","));
        writeln!(out, "{id}  {scope:>5}  {snapshots:>9}  {roles:27}  {name}")?;
    }
    Ok(Exit::Ok)
}

fn slot_row(slot: &Slot) -> Row<'_> {
    let cost = slot.cost.as_ref().ok();
    Row::Slot {
        slot: &slot.id,
        in_use: slot.is_used,
        memory_kib: cost.map(|cost| cost.memory_kib),
        passes: cost.map(|cost| cost.passes),
        lanes: cost.map(|cost| cost.lanes),
        problem: slot.cost.as_ref().err().map(|error| place::describe(error)),
    }
}

fn writer_row(writer: &Enrolled) -> Row<'_> {
    Row::Writer {
        writer: writer.id.to_string(),
        name: &writer.entry.name,
        owner: writer.is_owner,
        scope: writer.entry.scope,
        roles: role_names(writer.entry.roles),
        revoked: writer.revoked,
        snapshots: writer.snapshots,
    }
}
