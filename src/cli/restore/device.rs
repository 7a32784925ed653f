//! `esker restore --device`: an image onto a disk.

use super::options::Args;
use crate::cli::disk::{Over, Range, Shown, print, tell_differing};
use crate::cli::exit::{Exit, Failure};
use crate::cli::place::Places;
use crate::cli::progress::Bar;
use crate::cli::{Global, Outcome, show, signals};
use crate::disk::{Below, Geometry, Kernel, Partition, Target};
use crate::repository::{Repository, Selected};
use crate::restore::Progress;
use crate::restore::device::{self, Found, Report, Request};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct ShownRestore {
    snapshot: String,
    path: String,
    partition: Option<u32>,
    unreadable: Vec<Range>,
    damaged: Vec<Range>,
    #[serde(flatten)]
    shown: Shown,
}

pub fn run(
    global: &Global,
    args: &Args,
    places: &Places,
    repository: &Repository,
    selected: &Selected,
) -> Outcome {
    let found = device::find(repository, selected)?.map_err(|paths| which(&paths))?;
    let (image, range) = part(&found, args.device.partition)?;
    let kernel = Kernel::default();
    let below = places.folder().map(|folder| Below::path(&kernel, folder));
    if below.is_some_and(|below| below.has(&kernel, &args.target)) {
        let message = format!("{} holds the repository", args.target.display());
        return Err(Failure::Usage(message, Some("restore onto another disk".to_owned())));
    }
    let target = Target::open(
        &kernel,
        &args.target,
        None,
        args.device.onto.how(args.dry_run, args.device.raw),
    )?;
    let renewal = args.device.onto.renewal(&image, &args.target)?;
    let path = show::name(&found.key.path());
    let from = format!("{}:{path}", crate::repository::shorten(&selected.snapshot.id));
    let over = Over { kernel: &kernel, target, image: &image, from: &from, renewal };
    let fit = over.fit()?;
    let twins = over.warn_of_twins();
    over.ask(args.yes, global.quiet || global.json)?;
    over.target.resize(image.size)?;
    let request = Request {
        scope: selected.snapshot.scope,
        content: found.node.content.as_ref(),
        range: range.start..range.start + fit.len,
        target: &over.target,
        threads: crate::cli::threads(args.threads),
        verify: args.verify,
    };
    let report = observed(global, repository, &request)?;
    let is_lost = !report.lost.is_empty() || !report.unread.is_empty();
    let mut shown = over.finish(fit, twins, !is_lost && report.differing.is_empty())?;
    shown.verified = report.verified;
    let told = ShownRestore {
        snapshot: selected.snapshot.id.to_string(),
        path: show::json_name(&found.key.path()),
        partition: args.device.partition,
        unreadable: report.unread.iter().map(Range::from).collect(),
        damaged: report.lost.iter().map(Range::from).collect(),
        shown,
    };
    tell(global, &report, told, &from)
}

/// Which part of the image is meant, as an image of its own.
fn part(
    found: &Found,
    partition: Option<u32>,
) -> Result<(Geometry, std::ops::Range<u64>), Failure> {
    let Some(number) = partition else {
        return Ok((found.geometry.clone(), 0..found.node.len()));
    };
    let list = found.geometry.table.partitions().map_or(&[][..], |table| &table.list);
    let is_whole = |part: &&Partition| part.number == number && part.end() <= found.node.len();
    let Some(part) = list.iter().find(is_whole) else {
        if list.iter().any(|part| part.number == number) {
            let message = format!("partition {number} reaches past the end of the image");
            let hint = "the disk was cut short before it was saved: restore the whole image";
            return Err(Failure::Usage(message, Some(hint.to_owned())));
        }
        let numbers: Vec<String> = list.iter().map(|part| part.number.to_string()).collect();
        let hint = match numbers.is_empty() {
            true => "the snapshot knows of no partitions on it".to_owned(),
            false => format!("it has {}", numbers.join(", ")),
        };
        let message = format!("there is no partition {number} in the image");
        return Err(Failure::Usage(message, Some(hint)));
    };
    let image = Geometry {
        size: part.len,
        logical: found.geometry.sector(),
        file_system: part.file_system.clone(),
        ..Geometry::default()
    };
    Ok((image, part.start..part.end()))
}

/// No image was named, and there is none or more than one.
fn which(paths: &[Vec<u8>]) -> Failure {
    let paths: Vec<String> = paths.iter().map(|path| show::name(path)).collect();
    match paths.is_empty() {
        true => Failure::Usage(
            "there is no image in it".to_owned(),
            Some("name an image, or a file that holds one, as SNAPSHOT:PATH".to_owned()),
        ),
        false => Failure::Usage(
            format!("several images are in it: {}", paths.join(", ")),
            Some("name one as SNAPSHOT:PATH".to_owned()),
        ),
    }
}

fn observed(
    global: &Global,
    repository: &Repository,
    request: &Request<'_>,
) -> Result<Report, Failure> {
    let progress = Arc::new(Progress::default());
    let _bar = Bar::of_bytes(global, &progress, |p| (&p.bytes, &p.of_bytes));
    Ok(device::restore(repository, request, &progress, signals::stop())?)
}

fn tell(global: &Global, report: &Report, mut told: ShownRestore, from: &str) -> Outcome {
    let target = told.shown.target.clone();
    for Range { offset, length } in &told.unreadable {
        show::warning(&format!(
            "{length} bytes from {offset} on could not be read when it was saved: zero in {target}"
        ));
    }
    for Range { offset, length } in &told.damaged {
        show::error(&format!(
            "the repository has lost {length} bytes from {offset} on: zero in {target}"
        ));
    }
    told.shown.differing = report.differing.iter().map(Range::from).collect();
    tell_differing(&target, &told.shown.differing);
    let exit = if !report.lost.is_empty() || !report.differing.is_empty() {
        Exit::Damage
    } else if !report.unread.is_empty() || told.shown.has_refused() {
        Exit::Partial
    } else {
        Exit::Ok
    };
    if global.json {
        show::json(&told)?;
    } else if !global.quiet {
        print(&told.shown, &format!("restored {} of {from} to", show::size(told.shown.bytes)))?;
    }
    Ok(exit)
}
