//! `esker takeover`: say who may write.

use crate::cli::exit::{Exit, Failure};
use crate::cli::probe::{Found, Writers};
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Mode, Taken};
use serde::Serialize;
use std::io::Write;

/// Make this machine the one that writes to the repository, or let every machine write
///
/// In single-writer mode one machine writes, the others read. This makes it the one that runs the command: after the
/// one before is gone, or has nothing to do there any more. Make sure that nothing writes on the one before: a
/// store that needs this mode cannot keep the two apart. Needs the owner's key.
///
/// The store is tried out first, as `esker probe --again` does.
#[derive(clap::Args)]
pub struct Args {
    /// From here on only this machine writes, although every machine could
    #[arg(long, conflicts_with = "shared")]
    single_writer: bool,
    /// Let every machine write. The kind of store must be known for it, and the probe good
    #[arg(long)]
    shared: bool,
    /// Why; it stays in the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Told {
    location: String,
    sequence: Option<u64>,
    previous_holder: Option<String>,
    #[serde(flatten)]
    writers: Writers,
    probe: Found,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let mut repository = place::open(global)?;
    if repository.mode() == Mode::Shared && !args.single_writer && !args.shared {
        return Err(Failure::Usage(
            "every machine may write to this repository: there is nothing to take over".to_owned(),
            Some("--single-writer makes this machine the only one".to_owned()),
        ));
    }
    let reason = args.reason.as_deref();
    let Taken { before, now, seq, probed } = match args.shared {
        true => repository.share(reason)?,
        false => repository.take_over(reason)?,
    };
    let told = Told {
        location: repository.store().location(),
        sequence: seq.map(|seq| seq.0),
        previous_holder: before.holder().map(str::to_owned),
        writers: Writers::new(&now, repository.host()?.as_deref()),
        probe: Found::new(&probed, repository.store()),
    };
    if global.json {
        show::json(&told)?;
    } else if !global.quiet {
        let from_now = if told.sequence.is_some() { "from now on" } else { "as before," };
        let who = told.writers.words();
        writeln!(std::io::stdout(), "{from_now} {who} writes to {}", told.location)?;
    }
    Ok(Exit::Ok)
}
