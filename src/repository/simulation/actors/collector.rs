//! Collects what nobody needs: the program's own collection, with a user who takes time to agree.

use super::Part;
use crate::repository::gc::{Progress, Report, Request, apply, plan};
use crate::repository::simulation::host::Host;
use crate::repository::{Error, Repository, Result};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const HOUR: u64 = 3600;

/// A host that collects.
pub struct Collector;

impl Part for Collector {
    fn run(&mut self, host: &mut Host) -> Result<()> {
        let mut repository = host.open()?;
        let grace = host.random.pick(&[0, 0, 6 * HOUR, 24 * HOUR]);
        let abort_after = host.random.pick(&[0, 12 * HOUR, 7 * 24 * HOUR]);
        let think = host.random.pick(&[0, 0, 12 * HOUR]);
        match collect(&mut repository, host, [grace, abort_after, think]) {
            Ok(report) => {
                let mut world = host.world.look();
                world.counters.count("collections");
                world.counters.add("repacked packs", report.repacked.count);
                world.counters.add("overtaken marks", report.overtaken);
                world.counters.add("narrowed sets", report.narrowed);
                world.counters.add("merged segments", report.merged);
                Ok(())
            }
            // Another collection took this one for dead.
            Err(Error::Fenced { .. }) => {
                host.world.look().counters.count("fenced collections");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Plans a collection, waits, and carries it out.
///
/// # Errors
/// What the collection says.
pub fn collect(
    repository: &mut Repository,
    host: &mut Host,
    [grace, abort_after, think]: [u64; 3],
) -> Result<Report> {
    let request = Request {
        grace: Duration::from_secs(grace),
        abort_after: Duration::from_secs(abort_after),
        max_repack: None,
        now: host.now().seconds,
        is_dry: false,
        forgotten: Vec::new(),
    };
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let plan = plan(repository, &request, &progress, &stop)?;
    if think > 0 {
        let seconds = host.random.below(think);
        host.world.pause(host.number, seconds);
    }
    apply(repository, plan, &request, &progress, &stop)
}
