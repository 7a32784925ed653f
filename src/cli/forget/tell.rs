//! What is said about forgetting, beside the table.

use super::Args;
use super::report::Planned;
use crate::cli::choose::{describe, describe_unlisted};
use crate::cli::exit::Failure;
use crate::cli::show;
use crate::repository::Repository;
use esker_format::ids::SnapshotId;
use std::io::Write;

/// Says why rules found nothing.
pub fn note_none(repository: &Repository) -> Result<(), Failure> {
    let others = repository.count_elsewhere();
    show::note(&match repository.snapshots()?.is_empty() && others > 0 {
        true => format!(
            "no snapshot is of this key's scope, which is what rules are about; {} of other scopes can be \
             forgotten by id alone",
            show::count(others, "snapshot", "snapshots")
        ),
        false => "no snapshot is like that; `esker snapshots` lists all".to_owned(),
    });
    Ok(())
}

/// A clock that is wrong is better set than worked around.
pub fn warn_of_clock(planned: &[Planned]) {
    let ahead = planned.iter().filter(|(_, outcome)| outcome.is_ahead).count();
    if ahead > 0 {
        show::warning(&format!(
            "{} dated more than a day after now, {}, and no rule takes them: if that clock is wrong, \
             set it first; else forget them by name",
            match ahead {
                1 => "1 snapshot is".to_owned(),
                n => format!("{n} snapshots are"),
            },
            show::local(show::now())
        ));
    }
}

/// Says of each snapshot that was named what became of it.
pub fn tell_named(
    repository: &Repository,
    is_dry: bool,
    planned: &[Planned],
    unlisted: &[SnapshotId],
    forgotten: &[SnapshotId],
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let listed = planned.iter().map(|(s, _)| (s.id, s.is_forgotten, describe(repository, s)));
    let unlisted = unlisted.iter().map(|id| (*id, false, describe_unlisted(repository, id)));
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
pub fn sum(args: &Args, going: usize, forgotten: &[SnapshotId]) -> std::io::Result<()> {
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
