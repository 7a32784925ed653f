//! What a sync says.

use crate::cli::{Failure, Global, show};
use crate::sync::{Bad, Plan, Report};
use esker_format::node::Time;
use serde::Serialize;
use std::io::Write;

/// A plan, ready to be told.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "plan")]
pub struct Planned {
    repository: String,
    source: String,
    destination: String,
    new: bool,
    log_entries: u64,
    log_entries_copied: u64,
    objects: u64,
    bytes: u64,
    last_sync: Option<String>,
    differing: Vec<Named>,
    unknown: Vec<String>,
    unknown_count: u64,
    old_key_slots: Vec<String>,
    #[serde(skip)]
    last: Option<Time>,
}

/// An object and what is wrong with it.
#[derive(Serialize)]
struct Named {
    name: String,
    message: String,
}

impl From<&Bad> for Named {
    fn from(bad: &Bad) -> Self {
        Self { name: bad.name.clone(), message: bad.why.clone() }
    }
}

impl Planned {
    pub fn new(plan: &Plan, source: String, destination: String, last: Option<Time>) -> Self {
        Self {
            repository: plan.repository.to_string(),
            source,
            destination,
            new: plan.is_new,
            log_entries: plan.to,
            log_entries_copied: plan.from,
            objects: plan.objects,
            bytes: plan.bytes,
            last_sync: last.map(show::utc),
            differing: plan.differing.iter().map(Named::from).collect(),
            unknown: plan.strange.names.clone(),
            unknown_count: plan.strange.count,
            old_key_slots: plan.old_slots.clone(),
            last,
        }
    }

    /// Whether there is nothing to copy.
    const fn is_empty(&self) -> bool {
        self.objects == 0 && self.log_entries == self.log_entries_copied
    }

    /// Tells what is going to be copied, and what is not as it should be.
    pub fn tell(&self, global: &Global, is_dry: bool) -> Result<(), Failure> {
        if global.json {
            return Ok(show::json(self)?);
        }
        for name in &self.unknown {
            let name = show::name(name.as_bytes());
            show::warning(&format!("{name} is no object of a repository, and is not copied"));
        }
        if self.unknown_count > self.unknown.len() as u64 {
            let more = self.unknown_count - self.unknown.len() as u64;
            show::warning(&format!("{more} more are no objects of a repository"));
        }
        if is_dry {
            self.differing.iter().for_each(Named::tell);
        }
        for slot in &self.old_key_slots {
            let id = slot.trim_start_matches(esker_format::names::KEYS);
            show::warning(&format!(
                "key slot {id} was removed from the repository, and still opens the copy: remove it there \
                 with `esker --repo {} key remove {id}`",
                self.destination
            ));
        }
        if !global.quiet {
            self.tell_lag(is_dry)?;
        }
        Ok(())
    }

    fn tell_lag(&self, is_dry: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let behind = self.log_entries - self.log_entries_copied;
        let last = self.last.map(show::local);
        let last = last.map_or_else(String::new, |last| format!("; last synced {last}"));
        let lacks = format!(
            "{}, {}",
            show::count(self.objects, "object", "objects"),
            show::size(self.bytes)
        );
        match (self.new, self.is_empty()) {
            (true, _) if is_dry => {
                writeln!(out, "would make a copy in {}: {lacks}", self.destination)
            }
            (true, _) => Ok(()),
            (false, true) => {
                let entries = show::count(self.log_entries, "log entry", "log entries");
                writeln!(out, "{} has all there is: {entries}{last}", self.destination)
            }
            (false, false) => {
                let behind = show::count(behind, "log entry", "log entries");
                writeln!(out, "{} is {behind} behind, and lacks {lacks}{last}", self.destination)
            }
        }
    }
}

impl Named {
    fn tell(&self) {
        show::error(&format!("{} {}", self.name, self.message));
    }
}

/// What was done, ready to be told.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "done")]
struct Done {
    objects: u64,
    entries: u64,
    bytes: u64,
    log_entries_copied: u64,
    listings: u32,
    damaged: Vec<Named>,
}

/// Tells what was copied.
pub fn done(global: &Global, planned: &Planned, report: &Report) -> Result<(), Failure> {
    let done = Done {
        objects: report.objects,
        entries: report.entries,
        bytes: report.bytes,
        log_entries_copied: report.end,
        listings: report.listings,
        damaged: report.bad.iter().map(Named::from).collect(),
    };
    if global.json {
        return Ok(show::json(&done)?);
    }
    done.damaged.iter().for_each(Named::tell);
    if !done.damaged.is_empty() {
        show::hint(
            "everything else was copied. `esker check --read-data` says which snapshots lose by it; the \
             next sync tries again",
        );
    }
    if global.quiet || planned.is_empty() && !planned.new {
        return Ok(());
    }
    let objects = show::count(done.objects, "object", "objects");
    let entries = show::count(done.entries, "log entry", "log entries");
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "copied {objects} and {entries}, {}, to {}",
        show::size(done.bytes),
        planned.destination
    )?;
    Ok(())
}
