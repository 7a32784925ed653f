//! `esker key remove`: a passphrase that opens nothing any more.

use super::remove_slots;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, place, show};
use serde::Serialize;
use std::io::Write;

/// Remove a passphrase
///
/// The one in use stays: `key passwd` replaces it. So the last one can be removed only with the
/// owner's key file or the recovery key, which shows that there is another way in. Whoever has a copy of
/// the key slot and its passphrase has the key for ever. For keys of hosts see `esker revoke`.
#[derive(clap::Args)]
pub struct Args {
    /// Id of the key slot, or the beginning of it; `esker key list` shows them
    slot: String,
}

#[derive(Serialize)]
struct Removed {
    slot: String,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    repository.access().secret()?;
    let slot = repository.find_slot(&args.slot)?;
    if slot.is_used {
        return Err(Failure::Usage(
            format!("key slot {} opened the repository just now", slot.id),
            Some(
                "replace it with `esker key passwd`, or open the repository with the owner's key file \
                 or --recovery-key to remove it"
                    .to_owned(),
            ),
        ));
    }
    let id = slot.id.clone();
    remove_slots(&repository, std::iter::once(slot))?;
    if global.json {
        show::json(&Removed { slot: id })?;
    } else if !global.quiet {
        let mut out = std::io::stdout().lock();
        writeln!(out, "removed key slot {id}: its passphrase opens nothing any more")?;
        if repository.slots()?.is_empty() {
            writeln!(out, "no passphrase is left: keep key file and recovery key")?;
        }
    }
    Ok(Exit::Ok)
}
