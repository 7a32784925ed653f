//! `esker key add`: one more passphrase.

use super::source::further_passphrase;
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use esker_format::slot::Cost;
use serde::Serialize;
use std::io::Write;

/// Add a passphrase; those that there are stay
///
/// The new one is asked for twice, or taken from ESKER_NEW_PASSWORD or ESKER_NEW_PASSWORD_FILE. It opens
/// what the key that is used for this command opens. One that opens the repository already is refused.
#[derive(clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Added {
    slot: String,
}

pub fn run(global: &Global, _: &Args) -> Outcome {
    let repository = place::open(global)?;
    let passphrase = further_passphrase()?;
    let slot = repository.add_slot(&passphrase, Cost::RECOMMENDED)?.to_string();
    if global.json {
        show::json(&Added { slot })?;
    } else if !global.quiet {
        writeln!(std::io::stdout(), "the new passphrase opens the repository (key slot {slot})")?;
    }
    Ok(Exit::Ok)
}
