//! `esker restore`: give back a snapshot, or a part of it.

mod command;
mod device;
mod guard;
mod options;
mod print;

pub use options::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::{Bar, Status};
use crate::cli::{Global, Outcome, place, show, signals};
use crate::repository::{Repository, Selected};
use crate::restore::swap::{Swap, SwapError};
use crate::restore::{self, Change, How, Problem, Progress, Report, Request, restore};
use print::About;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub fn run(global: &Global, args: &Args) -> Outcome {
    args.check_words()?;
    if let Some(program) = &args.to_command {
        return command::run(global, args, program);
    }
    let mut how = args.how()?;
    let places = place::places(global)?;
    let repository = place::open_at(global, &places)?;
    repository.access().reading()?;
    signals::watch();
    let selected = args.choose.select(global, &repository, &args.what)?;
    args.check(&selected)?;
    if args.device.device {
        return device::run(global, args, &places, &repository, &selected);
    }
    how.guarded = guard::guarded(global, &places, &repository);
    guard::check_target(&args.target, &how.guarded)?;
    if args.swap {
        guard::check_swap(&args.target, global, &places)?;
    }
    let work = Work { global, args, repository: &repository, selected: &selected };
    if args.delete && args.is_root() && !args.yes && !args.dry_run && !work.agrees(&mut how)? {
        return Err(Failure::usage("nothing was changed"));
    }
    let report = if args.swap { work.swap(how)? } else { work.restore(&args.target, &how)? };
    work.print(&report)
}

/// One restore, as it was asked for.
struct Work<'w> {
    global: &'w Global,
    args: &'w Args,
    repository: &'w Repository,
    selected: &'w Selected,
}

impl Work<'_> {
    fn restore(&self, target: &Path, how: &How) -> Result<Report, Failure> {
        let json = self.global.json;
        let tells = how.dry_run && (json || !self.global.quiet);
        let tell = move |change: &Change<'_>| {
            if tells {
                print::row(change, json);
            }
        };
        self.observed(target, how, &tell)
    }

    fn observed(
        &self,
        target: &Path,
        how: &How,
        observe: &(dyn Fn(&Change<'_>) + Sync),
    ) -> Result<Report, Failure> {
        let request = Request {
            selected: self.selected,
            target,
            called: &self.args.target,
            threads: crate::cli::threads(self.args.threads),
            how,
            observe,
        };
        let progress = Arc::new(Progress::default());
        let watched = Arc::clone(&progress);
        let _bar = Bar::follow(self.global, move || Status {
            entries: watched.entries.load(Ordering::Relaxed),
            bytes: watched.bytes.load(Ordering::Relaxed),
            of_bytes: watched.of_bytes.load(Ordering::Relaxed),
            of_is_final: watched.planned.load(Ordering::Relaxed),
        });
        Ok(restore(self.repository, &request, &progress, signals::stop())?)
    }

    /// Says how much would be deleted from the root of this system, and asks.
    fn agrees(&self, how: &mut How) -> Result<bool, Failure> {
        how.dry_run = true;
        let counted = self.observed(&self.args.target, how, &|_| ());
        how.dry_run = false;
        let counts = counted?.counts;
        let deleted = show::count(counts.deleted, "entry", "entries");
        show::note(&format!(
            "this would delete {deleted} from /, change {} and add {}",
            counts.changed, counts.added
        ));
        if counts.deleted == 0 {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage(
                "nobody is there to be asked whether to delete that".to_owned(),
                Some("look at it with --dry-run, and give --yes if it is meant".to_owned()),
            ));
        }
        let _ = write!(std::io::stderr(), "go on? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Restores beside the target and exchanges both.
    fn swap(&self, how: How) -> Result<Report, Failure> {
        let swap = Swap::prepare(&self.args.target).map_err(restore::Error::from)?;
        let how = How { run: Some(swap.run()), ..how };
        let mut report = match self.restore(swap.beside(), &how) {
            Ok(report) => report,
            Err(failure) => {
                swap.abandon();
                return Err(failure);
            }
        };
        if !report.damaged.is_empty() {
            self.tell(&report);
            let left = SwapError::Incomplete(swap.beside().to_owned());
            return Err(restore::Error::from(left).into());
        }
        let kept = swap.exchange(&stamp());
        report.kept_as = kept.map_err(restore::Error::from)?;
        Ok(report)
    }

    fn tell(&self, report: &Report) {
        for Problem { path, message } in &report.problems {
            show::warning(&format!("{}: {message}", show::name(path)));
        }
        for Problem { path, message } in &report.damaged {
            show::error(&format!("{} {message}", show::name(path)));
        }
    }

    fn print(&self, report: &Report) -> Outcome {
        self.tell(report);
        let about = About {
            snapshot: self.selected.snapshot.id.to_string(),
            target: &self.args.target,
            dry_run: self.args.dry_run,
        };
        if self.global.json {
            print::json(report, &about)?;
        } else if !self.global.quiet {
            print::text(report, &about)?;
        }
        Ok(if !report.damaged.is_empty() {
            Exit::Damage
        } else if !report.problems.is_empty() {
            Exit::Partial
        } else {
            Exit::Ok
        })
    }
}

/// The time now, for the name of a directory, UTC: `20261121T142605Z`.
fn stamp() -> String {
    let now = show::utc(show::now());
    now.chars().take(19).filter(|c| !matches!(c, '-' | ':')).chain(['Z']).collect()
}
