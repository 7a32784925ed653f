//! `esker key`: what opens a repository, and who may do what in it.

mod add;
mod export_writer;
pub mod file;
mod list;
mod passwd;
mod recover;
mod remove;
mod source;

pub use source::{new_passphrase, unlock};

use crate::cli::exit::Failure;
use crate::cli::{Global, Outcome};
use crate::repository::{Repository, Slot};
use clap::Subcommand;

/// Manage keys: passphrases, key files, and keys of hosts that may only add
///
/// A repository opens with its owner's key file, with the recovery key, or with the passphrase of a
/// key slot. Hosts that shall not be able to read or remove what is saved get keys of writers.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    ExportWriter(export_writer::Args),
    List(list::Args),
    Add(add::Args),
    Passwd(passwd::Args),
    Remove(remove::Args),
    Recover(recover::Args),
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    match &args.command {
        Command::ExportWriter(args) => export_writer::run(global, args),
        Command::List(args) => list::run(global, args),
        Command::Add(args) => add::run(global, args),
        Command::Passwd(args) => passwd::run(global, args),
        Command::Remove(args) => remove::run(global, args),
        Command::Recover(args) => recover::run(global, args),
    }
}

/// Removes slots, which others have taken the place of. Returns their ids.
fn remove_slots(
    repository: &Repository,
    slots: impl Iterator<Item = Slot>,
) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    for slot in slots {
        repository.remove_slot(&slot)?;
        removed.push(slot.id);
    }
    Ok(removed)
}
