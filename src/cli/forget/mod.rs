//! `esker forget`: snapshots that need not be kept.

mod report;
mod rules;

use crate::cli::choose::{Choose, describe, describe_unlisted, parse_reason};
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, gc, place, show};
use crate::repository::retention::{self, Calendar};
use crate::repository::{Forget, Repository};
use esker_format::ids::SnapshotId;
use esker_format::log_entry::{ROLE_COLLECT, ROLE_FORGET};
use report::Planned;
use rules::Rules;

/// Forget snapshots: those that are named, or all that no rule keeps
///
/// Forgotten snapshots are not listed any more, and `latest` passes over them. Nothing is removed
/// from the store: until `esker gc` has collected them, `esker unforget` brings them back.
///
/// Rules look at one series at a time (what one host saved under one label), beginning with the last
/// snapshot; those that --label, --host, --tag and --at leave out stay. A snapshot stays when at
/// least one rule keeps it, and the table names each that does. So one more rule never makes a
/// snapshot go.
///
/// A rule that counts hours, days, weeks, months or years takes those that have snapshots, in local
/// time, and keeps the last one of each. Partial snapshots (marked P) take no place from complete
/// ones: of a day the last complete one stays, and besides the N that a rule keeps stay the N that it
/// would keep among complete ones alone.
///
/// Whatever the rules say, these stay: the last snapshot of a series, and its last complete one (see
/// --whole-series); those that are held (`esker hold`); those that another needs that stays. A time
/// more than a day ahead of this machine's clock counts as now; it never makes another snapshot go.
///
/// As in: esker forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
#[derive(clap::Args)]
#[command(
    mut_arg("grace", |arg| arg.requires("gc")),
    mut_arg("abort_after", |arg| arg.requires("gc")),
    mut_arg("max_repack", |arg| arg.requires("gc"))
)]
pub struct Args {
    /// Snapshots to forget, instead of rules
    #[arg(value_name = "SNAPSHOT")]
    what: Vec<String>,
    /// Only say what would stay and go
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Collect afterwards, as `esker gc` does
    #[arg(long)]
    gc: bool,
    /// Why, for the log
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Option<String>,
    /// The last snapshot of a series may go too
    #[arg(long)]
    whole_series: bool,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    choose: Choose,
    #[command(flatten, next_help_heading = "How --gc collects")]
    how: gc::How,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let by_name = !args.what.is_empty();
    if by_name && !args.rules.given().is_empty() {
        let hint = "--label, --host and --tag say which snapshots rules are about";
        let message = "name the snapshots that are to go, or give rules: not both".to_owned();
        return Err(Failure::Usage(message, Some(hint.to_owned())));
    }
    let policy = if by_name { None } else { Some(args.rules.policy(args.whole_series)?) };
    let mut repository = place::open(global)?;
    repository.expect_role(ROLE_FORGET, "forget snapshots")?;
    if args.gc {
        repository.expect_role(ROLE_COLLECT, "collect, as --gc asks for")?;
    }
    let (planned, unlisted) = match &policy {
        None => named(args, &repository)?,
        Some(policy) => {
            let filter = args.choose.filter();
            let calendar = Calendar::of_this_machine();
            (repository.plan_forget(&filter, policy, show::now(), &calendar)?, Vec::new())
        }
    };
    if planned.is_empty() && !by_name && !global.quiet {
        show::note("no snapshot is like that; `esker snapshots` lists all");
    }
    warn_of_clock(&planned);
    let goes = planned.iter().filter(|(_, outcome)| !outcome.stays()).map(|(s, _)| s.id);
    let going: Vec<SnapshotId> = goes.chain(unlisted.iter().copied()).collect();
    let how = Forget { reason: args.reason.clone(), whole_series: args.whole_series };
    repository.check_forget(&going, &how)?;
    if global.json {
        report::print_json(&planned, &unlisted)?;
    } else if !by_name && !global.quiet {
        report::print(&planned)?;
    }
    let forgotten = match args.dry_run {
        true => Vec::new(),
        false => repository.forget(&going, &how)?,
    };
    if global.json {
        report::print_summary(&planned, going.len(), args.dry_run, forgotten.len())?;
    } else if !global.quiet {
        if by_name {
            tell_named(args.dry_run, &planned, &unlisted, &forgotten)?;
        }
        tell(args, going.len(), &forgotten)?;
    }
    if args.gc {
        // Of a dry run, what would be free if all this were forgotten.
        let as_if = if args.dry_run { going } else { Vec::new() };
        return gc::collect(global, &mut repository, &args.how, args.dry_run, as_if);
    }
    Ok(Exit::Ok)
}

/// The snapshots that were named, all of which go; those apart whose summaries cannot be read.
fn named(args: &Args, repository: &Repository) -> Result<(Vec<Planned>, Vec<SnapshotId>), Failure> {
    let picked = args.choose.pick_all(repository, &args.what)?;
    let goes = |id| retention::Outcome { id, reasons: Vec::new(), is_ahead: false };
    let planned = picked.listed.into_iter().map(|snapshot| (goes(snapshot.id), snapshot));
    Ok((planned.map(|(outcome, snapshot)| (snapshot, outcome)).collect(), picked.unlisted))
}

/// A clock that is wrong is better set than worked around.
fn warn_of_clock(planned: &[Planned]) {
    let ahead = planned.iter().filter(|(_, outcome)| outcome.is_ahead).count();
    if ahead > 0 {
        show::warning(&format!(
            "{} dated more than a day after now, {}: if that clock is wrong, set it first",
            match ahead {
                1 => "1 snapshot is".to_owned(),
                n => format!("{n} snapshots are"),
            },
            show::local(show::now())
        ));
    }
}

/// Says of each snapshot that was named what became of it.
fn tell_named(
    is_dry: bool,
    planned: &[Planned],
    unlisted: &[SnapshotId],
    forgotten: &[SnapshotId],
) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let listed = planned.iter().map(|(s, _)| (s.id, s.is_forgotten, describe(s)));
    let unlisted = unlisted.iter().map(|id| (*id, false, describe_unlisted(id)));
    for (id, is_forgotten, which) in listed.chain(unlisted) {
        let what = match (is_dry, forgotten.contains(&id)) {
            (true, _) if !is_forgotten => "would be forgotten",
            (false, true) => "forgotten",
            _ => "was forgotten before",
        };
        writeln!(out, "{what}: {which}")?;
    }
    Ok(())
}

/// Says what was done of the `going` that are to go, and how it can be taken back.
fn tell(args: &Args, going: usize, forgotten: &[SnapshotId]) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let snapshots = |n| show::count(n, "snapshot", "snapshots");
    match (args.dry_run, forgotten.len() as u64) {
        (true, _) if args.what.is_empty() => {
            writeln!(out, "dry run: {} would be forgotten", snapshots(going as u64))
        }
        (true, _) => Ok(()),
        (false, 0) if args.what.is_empty() => writeln!(out, "nothing to forget"),
        (false, 0) => Ok(()),
        (false, n) => writeln!(
            out,
            "{} forgotten; `esker unforget` brings {it} back until `esker gc` collects {it}",
            snapshots(n),
            it = if n == 1 { "it" } else { "them" },
        ),
    }
}
