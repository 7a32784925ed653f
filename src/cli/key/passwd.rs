//! `esker key passwd`: another passphrase instead of the one in use.

use super::remove_slots;
use super::source::further_passphrase;
use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use esker_format::slot::Cost;
use serde::Serialize;
use std::io::Write;

/// Change the passphrase
///
/// The new one is asked for twice, or taken from ESKER_NEW_PASSWORD or ESKER_NEW_PASSWORD_FILE. It takes
/// the place of the passphrase that opened the repository, once it is stored and was seen to open it.
/// With a key file or the recovery key nothing is replaced: the passphrase is a further one. Whoever
/// has a copy of an old key slot and its passphrase has the key for ever.
#[derive(clap::Args)]
pub struct Args {
    /// Remove all other passphrases, not only the one in use
    #[arg(long)]
    only: bool,
}

#[derive(Serialize)]
struct Changed {
    slot: String,
    removed: Vec<String>,
    others: usize,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    if args.only {
        // A writer's passphrase must not take the owner's away.
        repository.access().secret()?;
    }
    let passphrase = further_passphrase()?;
    let (old, others): (Vec<_>, Vec<_>) =
        repository.slots()?.into_iter().partition(|slot| args.only || slot.is_used);
    let slot = repository.add_slot(&passphrase, Cost::RECOMMENDED)?.to_string();
    let removed = remove_slots(&repository, old.into_iter()).inspect_err(|_| {
        show::note("the new passphrase opens the repository, and the old one still does");
    })?;
    let others = others.len();
    if global.json {
        show::json(&Changed { slot, removed, others })?;
        return Ok(Exit::Ok);
    }
    if global.quiet {
        return Ok(Exit::Ok);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "the new passphrase opens the repository (key slot {slot})")?;
    match removed.len() as u64 {
        0 => writeln!(out, "none was removed: the repository was not opened with a passphrase")?,
        1 => writeln!(out, "the old one does not any more")?,
        n => writeln!(out, "{} do not any more", show::count(n, "old one", "old ones"))?,
    }
    if others > 0 {
        let others = show::count(others as u64, "other passphrase", "other passphrases");
        writeln!(out, "{others} can open it as before; --only removes all others")?;
    }
    Ok(Exit::Ok)
}
