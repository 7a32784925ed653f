//! `esker key recover`: a new key from the recovery key.

use super::file;
use super::source::{ask_recovery, further_passphrase};
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show};
use crate::repository::Unlock;
use esker_format::slot::Cost;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Make a new key file or passphrase from the recovery key
///
/// The recovery key is asked for, or read from a pipe. It opens the repository on its own; this
/// gives the owner's key back for every day.
#[derive(clap::Args)]
pub struct Args {
    /// The new key file; the default place when the repository is the default one
    file: Option<PathBuf>,
    /// Make a passphrase instead: asked for twice, or taken from ESKER_NEW_PASSWORD or
    /// ESKER_NEW_PASSWORD_FILE
    #[arg(long, conflicts_with = "file")]
    passphrase: bool,
}

#[derive(Serialize)]
struct Recovered {
    key_file: Option<String>,
    slot: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let places = place::places(global)?;
    let path = match &args.file {
        _ if args.passphrase => None,
        Some(path) => Some(path.clone()),
        None if places.is_default => Some(places.default_key.clone()),
        None => {
            let hint = "give the place of the new key file, or --passphrase".to_owned();
            return Err(Failure::Usage("no key file is named".to_owned(), Some(hint)));
        }
    };
    if global.key_file.is_some() {
        let hint =
            "leave out --key-file, and unset ESKER_KEY_FILE; the new key file is the argument FILE";
        return Err(Failure::Usage(
            "the recovery key is what this command opens the repository with".to_owned(),
            Some(hint.to_owned()),
        ));
    }
    let unlock = Unlock::Recovery(ask_recovery()?);
    let repository = place::open_with(global, &places, unlock)?;
    let slot = match &path {
        Some(path) => {
            file::write(path, repository.material())?;
            None
        }
        None => Some(repository.add_slot(&further_passphrase()?, Cost::RECOMMENDED)?.to_string()),
    };
    let key_file = path.map(|path| path.display().to_string());
    if global.json {
        show::json(&Recovered { key_file, slot })?;
    } else if !global.quiet {
        let mut out = std::io::stdout().lock();
        match (key_file, slot) {
            (Some(path), _) => writeln!(out, "the owner's key is in {path}")?,
            (None, slot) => writeln!(
                out,
                "the new passphrase opens the repository (key slot {})",
                slot.unwrap_or_default()
            )?,
        }
    }
    Ok(Exit::Ok)
}
