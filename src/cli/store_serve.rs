//! `esker store-serve`: the far end of an `ssh://` repository.

use crate::cli::Outcome;
use crate::cli::exit::{Exit, Failure};
use crate::store::{Grant, ServedRoot, serve};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Give a folder to `ssh://` repositories; run by ssh, not by people
///
/// Speaks over standard input and output, knows no keys, and touches nothing outside FOLDER. It makes
/// FOLDER, or one inside, only for `esker init`.
///
/// With a line in ~/.ssh/authorized_keys, the machine with that key can read and add, and cannot delete or
/// overwrite, nor log in:
///
///   command="esker store-serve --append-only /srv/backup",restrict ssh-ed25519 AAAA...
///
/// What it asks for with --repo must then be FOLDER or inside of it: ssh://HOST/srv/backup, or
/// ssh://HOST/srv/backup/web1 for a repository of its own.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Refuse to delete; nothing is ever overwritten
    #[arg(long)]
    append_only: bool,
    /// The folder, or one above those of several repositories
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub fn run(args: &Args) -> Outcome {
    let root = ServedRoot::new(&args.folder);
    let grant = if args.append_only { Grant::Append } else { Grant::All };
    // The standard library would look for ends of lines in it.
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    match serve(std::io::stdin().lock(), output, grant, |hello| root.open(hello)) {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => Err(Failure::Usage(
            format!("cannot serve: {error}"),
            Some("`esker --repo ssh://HOST/FOLDER` runs this; it is not for people".to_owned()),
        )),
    }
}
