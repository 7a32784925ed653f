//! What a collection says to people.

use super::told::Told;
use crate::cli::{Failure, Global, show};
use crate::repository::gc::{Amount, Report, Stays};
use std::io::Write;
use std::time::Duration;

/// Tells people what is planned, or was done, and why the rest stays.
///
/// # Errors
/// When standard output is closed.
pub fn print(global: &Global, told: &Told, report: Option<&Report>) -> Result<(), Failure> {
    for broken in &told.broken {
        let text = format!(
            "snapshot {} cannot be walked, and all that it may need stays: {}",
            broken.snapshot.get(..16).unwrap_or(&broken.snapshot),
            broken.message
        );
        show::error(&text);
    }
    if !told.broken.is_empty() {
        show::hint("`esker check` says what is damaged");
    }
    for name in &told.unreadable {
        show::warning(&format!("{name} is not told by its header, and stays"));
    }
    for failed in report.iter().flat_map(|report| &report.failed) {
        show::error(&format!("{failed}: it stays as it is"));
    }
    if global.quiet {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match report {
        None => dry(&mut out, told)?,
        Some(report) => done(&mut out, told, report)?,
    }
    stays(&mut out, told)?;
    if report.is_some_and(|report| report.refused.count > 0) {
        show::hint(
            "what the store refused stays given up, and every gc tries again: let somebody run it who may \
             delete there, or wait until what locks the objects is over",
        );
    }
    if told.copy {
        writeln!(out, "this is a copy: what the repository gave up is removed, and nothing else")?;
    }
    if told.without_content {
        writeln!(out, "only whole packs were looked at: more needs the owner's key")?;
    }
    Ok(())
}

fn line(
    out: &mut impl Write,
    verb: &str,
    amount: Amount,
    one: &str,
    many: &str,
) -> std::io::Result<()> {
    if amount.count == 0 {
        return Ok(());
    }
    let count = show::count(amount.count, one, many);
    writeln!(out, "{verb} {count}, {}", show::size(amount.bytes))
}

fn dry(out: &mut impl Write, told: &Told) -> std::io::Result<()> {
    line(
        out,
        "would remove",
        told.leftovers,
        "object that was given up before",
        "objects that were given up before",
    )?;
    if told.silent_sessions > 0 {
        let sessions = show::count(told.silent_sessions, "silent session", "silent sessions");
        let left = show::count(told.silent.count, "object", "objects");
        writeln!(out, "would end {sessions} and remove {left}, {}", show::size(told.silent.bytes))?;
    }
    gone(out, "would remove for good", told)?;
    let is_at_once = told.grace_seconds == 0;
    if !is_at_once {
        line(out, "would take out of use", told.mark, "pack", "packs")?;
    }
    if told.repack.count > 0 {
        let packs = show::count(told.repack.count, "pack", "packs");
        let (old, new) = (show::size(told.repack.bytes), show::size(told.repacked.bytes));
        writeln!(out, "would write {packs} of {old} anew, to about {new}")?;
    }
    let mut give_up = told.give_up;
    if is_at_once {
        // The old ones of those that are written anew are among them, and were told.
        give_up.count -= told.repack.count;
        give_up.bytes -= told.repack.bytes;
    }
    line(out, "would remove", give_up, "pack that nothing needs", "packs that nothing needs")?;
    writeln!(out, "would free about {}", show::size(told.frees))
}

/// Snapshots that are named of those that go for good.
const SHOWN: usize = 5;

/// Names the snapshots that go for good.
fn gone(out: &mut impl Write, verb: &str, told: &Told) -> std::io::Result<()> {
    let count = told.lines.len() as u64;
    if count == 0 {
        return Ok(());
    }
    let snapshots = show::count(count, "forgotten snapshot", "forgotten snapshots");
    writeln!(out, "{verb} {snapshots}:")?;
    for (_, line) in told.lines.iter().take(SHOWN) {
        writeln!(out, "  {line}")?;
    }
    match told.lines.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

fn done(out: &mut impl Write, told: &Told, report: &Report) -> std::io::Result<()> {
    if report.fenced > 0 {
        writeln!(out, "ended {}", show::count(report.fenced, "silent session", "silent sessions"))?;
    }
    gone(out, "removed for good", told)?;
    // Without a grace they are among the objects that were removed.
    if told.grace_seconds > 0 {
        line(out, "took out of use", report.marked, "pack", "packs")?;
    }
    if report.repacked.count > 0 {
        let packs = show::count(report.repacked.count, "pack", "packs");
        let (old, new) = (show::size(report.repacked.bytes), show::size(report.written.bytes));
        writeln!(out, "wrote {packs} of {old} anew, to {new}")?;
    }
    if report.merged > 0 {
        writeln!(out, "merged {}", show::count(report.merged, "segment", "segments"))?;
    }
    line(out, "removed", report.removed, "object", "objects")?;
    line(out, "the store refused to remove", report.refused, "object", "objects")?;
    if report.overtaken > 0 {
        let packs = show::count(report.overtaken, "pack", "packs");
        writeln!(out, "left {packs} that others needed or took meanwhile")?;
    }
    match report.freed() {
        freed @ 0.. => writeln!(out, "freed {}", show::size(freed.unsigned_abs())),
        grown => {
            writeln!(out, "wrote {} more than was freed so far", show::size(grown.unsigned_abs()))
        }
    }
}

fn stays(out: &mut impl Write, told: &Told) -> std::io::Result<()> {
    let Stays { grace, running, partly, pinned } = told.stays;
    if told.forgotten > 0 {
        let time = show::duration(Duration::from_secs(told.grace_seconds));
        writeln!(
            out,
            "{} can be brought back with `esker unforget` until --grace ({time}) is over",
            show::count(told.forgotten, "forgotten snapshot", "forgotten snapshots")
        )?;
    }
    if grace.count > 0 {
        let (packs, bytes) = (show::count(grace.count, "pack", "packs"), show::size(grace.bytes));
        let time = show::duration(Duration::from_secs(told.grace_seconds));
        writeln!(out, "{packs}, {bytes}, out of use: freed when --grace ({time}) is over")?;
    }
    line(out, "unfinished backups have put", running, "object", "objects")?;
    line(out, "unfinished backups or damaged snapshots keep", pinned, "pack", "packs")?;
    if partly.count > 0 {
        let (packs, bytes) = (show::count(partly.count, "pack", "packs"), show::size(partly.bytes));
        writeln!(out, "about {bytes} unused in {packs} that hold what is in use")?;
    }
    Ok(())
}
