//! `esker probe`: what the store was found to do.

use crate::cli::exit::Exit;
use crate::cli::{Global, Outcome, place, show};
use crate::repository::{Mode, Probed, Repository};
use crate::store::Store;
use crate::store::probe::Verdict;
use esker_format::node::Time;
use serde::Serialize;
use std::io::Write;

/// Show what the store of the repository was found to do, and who may write
///
/// Before a machine first writes to a repository, it tries out the store: five times sixteen puts at once under one
/// new name, of which exactly one may have its way; a listing; ranges; a delete, where the key may collect. Where
/// that fails, or the kind of store is not known for it, one machine writes (see `esker takeover`).
#[derive(clap::Args)]
pub struct Args {
    /// Try the store out anew. Puts some small objects below probe/, and deletes them where it may
    #[arg(long)]
    again: bool,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let repository = place::open(global)?;
    let known = if args.again { None } else { repository.probed()? };
    let probed = match known {
        Some(known) => known,
        None => repository.probe(true)?,
    };
    let told = Told {
        location: repository.store().location(),
        writers: Writers::new(&repository.mode(), repository.host()?.as_deref()),
        probe: Found::new(&probed, repository.store()),
    };
    if global.json {
        show::json(&told)?;
        return Ok(Exit::Ok);
    }
    print(&told, &probed, &repository)?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Told {
    location: String,
    #[serde(flatten)]
    writers: Writers,
    probe: Found,
}

/// Who may write.
#[derive(Serialize)]
pub struct Writers {
    mode: &'static str,
    holder: Option<String>,
    holder_is_here: bool,
}

impl Writers {
    /// In this mode, seen from the machine `here`.
    pub fn new(mode: &Mode, here: Option<&str>) -> Self {
        let holder = mode.holder().map(str::to_owned);
        Self {
            mode: if holder.is_some() { "single-writer" } else { "shared" },
            holder_is_here: holder.is_some() && holder.as_deref() == here,
            holder,
        }
    }

    /// The same for people.
    pub fn words(&self) -> String {
        match &self.holder {
            None => "every machine".to_owned(),
            Some(holder) if self.holder_is_here => format!("only this machine ({})", plain(holder)),
            Some(holder) => format!("only another machine ({})", plain(holder)),
        }
    }
}

fn plain(text: &str) -> String {
    show::name(text.as_bytes())
}

/// What a probe found.
#[derive(Serialize)]
pub struct Found {
    time: String,
    known_for_several_writers: bool,
    put_if_absent: &'static str,
    put_if_absent_why: Option<String>,
    listing: &'static str,
    listing_why: Option<String>,
    ranges: &'static str,
    ranges_why: Option<String>,
    can_delete: Option<bool>,
    clock_ahead: Option<i64>,
}

impl Found {
    /// What a probe of `store` found.
    pub fn new(probed: &Probed, store: &dyn Store) -> Self {
        let report = &probed.report;
        let why = |verdict: &Verdict| verdict.why().map(str::to_owned);
        Self {
            time: show::utc(time(probed)),
            known_for_several_writers: store.nature().is_for_several_writers,
            put_if_absent: word(&report.put_if_absent),
            put_if_absent_why: why(&report.put_if_absent),
            listing: word(&report.listing),
            listing_why: why(&report.listing),
            ranges: word(&report.ranges),
            ranges_why: why(&report.ranges),
            can_delete: report.deletes,
            clock_ahead: report.clock_ahead,
        }
    }
}

fn time(probed: &Probed) -> Time {
    Time { seconds: i64::try_from(probed.time).unwrap_or(i64::MAX), nanos: 0 }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Bad(_) => "bad",
        Verdict::Unclear(_) => "unclear",
    }
}

fn print(told: &Told, probed: &Probed, repository: &Repository) -> std::io::Result<()> {
    let report = &probed.report;
    let verdict = |verdict: &Verdict| match verdict {
        Verdict::Good => "good".to_owned(),
        Verdict::Bad(why) => format!("BAD: {}", plain(why)),
        Verdict::Unclear(why) => format!("unclear: {}", plain(why)),
    };
    let delete = match report.deletes {
        None => "not tried",
        Some(true) => "good",
        Some(false) => "refused: what is given up stays until somebody deletes it who may",
    };
    let clock = match report.clock_ahead {
        None => "not told".to_owned(),
        Some(0) => "as here".to_owned(),
        Some(ahead) => {
            let seconds = show::count(ahead.unsigned_abs(), "second", "seconds");
            format!("{seconds} {} this one", if ahead > 0 { "ahead of" } else { "behind" })
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "store          {}", told.location)?;
    writeln!(out, "tried          {}", show::local(time(probed)))?;
    writeln!(out, "put if absent  {}", verdict(&report.put_if_absent))?;
    writeln!(out, "listing        {}", verdict(&report.listing))?;
    writeln!(out, "ranges         {}", verdict(&report.ranges))?;
    writeln!(out, "delete         {delete}")?;
    writeln!(out, "its clock      {clock}")?;
    writeln!(out, "who may write  {}", told.writers.words())?;
    if let Some(why) = probed.why_single(repository.store()) {
        writeln!(out, "               it is not for several machines: {}", plain(&why))?;
    }
    Ok(())
}
