//! `esker forget`: snapshots that need not be kept.

mod report;
mod rules;
mod tell;

use crate::cli::choose::{Choose, parse_reason};
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
/// Rules look at one series at a time (what one writer saved of one host under one label), beginning with the last
/// snapshot; those that --label, --host, --writer, --tag and --at leave out
/// stay. A snapshot stays when at
/// least one rule keeps it, and the table names each that does. So one more rule never makes a
/// snapshot go.
///
/// A rule that counts hours, days, weeks, months or years takes those that have snapshots, in local
/// time, and keeps the last one of each. Partial snapshots (marked P) take no place from complete
/// ones: of a day the last complete one stays, and besides the N that a rule keeps stay the N that it
/// would keep among complete ones alone.
///
/// Whatever the rules say, these stay: the last snapshot of a series, and its last complete one (see
/// --whole-series); those that are held (`esker hold`); those that another needs that stays; and those
/// dated more than a day ahead of this machine's clock, which are not counted and so make no other go.
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
        let hint = "--label, --host, --writer and --tag say which snapshots rules are about";
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
            let filter = args.choose.filter(&repository)?;
            let calendar = Calendar::of_this_machine();
            (repository.plan_forget(&filter, policy, show::now(), &calendar)?, Vec::new())
        }
    };
    if planned.is_empty() && !by_name && !global.quiet {
        tell::note_none(&repository)?;
    }
    tell::warn_of_clock(&planned);
    let goes = planned.iter().filter(|(_, outcome)| !outcome.stays()).map(|(s, _)| s.id);
    let going: Vec<SnapshotId> = goes.chain(unlisted.iter().copied()).collect();
    let (reason, whole_series) = (args.reason.clone(), args.whole_series);
    let how = Forget { reason, whole_series, by_rules: !by_name };
    repository.check_forget(&going, &how)?;
    if global.json {
        report::print_json(&repository, &planned, &unlisted)?;
    } else if !by_name && !global.quiet {
        report::print(&repository, &planned)?;
    }
    let forgotten = match args.dry_run {
        true => Vec::new(),
        false => repository.forget(&going, &how)?,
    };
    if global.json {
        report::print_summary(&planned, going.len(), args.dry_run, forgotten.len())?;
    } else if !global.quiet {
        if by_name {
            tell::tell_named(&repository, args.dry_run, &planned, &unlisted, &forgotten)?;
        }
        tell::sum(args, going.len(), &forgotten)?;
    }
    if args.gc {
        // Of a dry run, what would be free if all this were forgotten.
        let as_if = if args.dry_run { going } else { Vec::new() };
        return gc::collect(global, &mut repository, &args.how, args.dry_run, as_if);
    }
    Ok(Exit::Ok)
}

/// The snapshots that were named, all of which go; those apart that no list of this key has.
fn named(args: &Args, repository: &Repository) -> Result<(Vec<Planned>, Vec<SnapshotId>), Failure> {
    let picked = args.choose.pick_all(repository, &args.what)?;
    let goes = |id| retention::Outcome { id, reasons: Vec::new(), is_ahead: false };
    let planned = picked.listed.into_iter().map(|snapshot| (goes(snapshot.id), snapshot));
    Ok((planned.map(|(outcome, snapshot)| (snapshot, outcome)).collect(), picked.unlisted))
}
