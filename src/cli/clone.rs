//! `esker clone`: copy a disk to another one.

use crate::cli::disk::{Onto, Over, Range, Shown, ShownGeometry, layers, print, tell_differing};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Bar;
use crate::cli::{Global, Outcome, show, signals};
use crate::disk::{self, Allow, Copied, Copy, Geometry, Kernel, Progress, Source, Target};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Copy a disk, a partition or an image file to another one
///
/// Needs no repository. SOURCE and TARGET are block devices or image files; an image file that is not there
/// is made, raw and with holes where there is nothing. Of a qcow2 file, what its virtual machine sees is read; none
/// is written: such a TARGET is refused. Only what differs is written: run it again after it was cut off, or to
/// bring a copy up to date. What cannot be read is read in smaller pieces, down to the sector; what
/// cannot be read at all is zero in the copy and listed, and the exit code is 3.
///
/// Both are opened for this program alone. SOURCE may be mounted read-only; TARGET must not be in use in
/// any way, and not be smaller, unless what is too much lies behind the last partition. On a larger
/// TARGET the second copy of a GPT moves to its end. The copy has the same UUIDs, unless --new-uuids is
/// given: do not mount by them while both are attached.
#[derive(clap::Args)]
pub struct Args {
    /// A block device or an image file
    source: PathBuf,
    /// A block device, or an image file; all that is on it is overwritten
    target: PathBuf,
    /// Read SOURCE although it is mounted for writing or in use otherwise: the copy is then of no single
    /// moment, and file systems on it may be broken
    #[arg(long)]
    allow_live: bool,
    /// Read and write image files byte by byte, also such that look like qcow2, vmdk, vhdx or vdi
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    onto: Onto,
    /// Read TARGET again from disk afterwards, and compare
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    /// Write nothing; say how much would be
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Do not ask before TARGET is overwritten
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Serialize)]
struct ShownClone {
    source: String,
    image: ShownGeometry,
    live: Vec<String>,
    changed: Option<&'static str>,
    unreadable: Vec<Range>,
    #[serde(flatten)]
    shown: Shown,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let kernel = Kernel::default();
    let allow = Allow { live: args.allow_live, raw: args.raw };
    let source = Source::open(&kernel, &args.source, allow)?;
    let image = source.geometry();
    for used in source.live() {
        show::warning(&format!("{} may change while it is read: {used}", args.source.display()));
    }
    let is_new = !args.target.exists();
    let how = args.onto.how(args.dry_run, args.raw);
    if is_new && args.dry_run {
        return Err(Failure::usage(format!(
            "{} is not there: all would be new",
            args.target.display()
        )));
    }
    let renewal = args.onto.renewal(&image, &args.source)?;
    let target = match is_new {
        true => Target::create(&args.target, how)?,
        false => Target::open(&kernel, &args.target, Some(&args.source), how)?,
    };
    let from = args.source.display().to_string();
    let over = Over { kernel: &kernel, target, image: &image, from: &from, renewal };
    let fit = over.fit()?;
    let twins = over.warn_of_twins();
    if !is_new {
        over.ask(args.yes, global.quiet || global.json)?;
    }
    signals::watch();
    over.target.resize(image.size)?;
    let copy = Copy { source: &source, target: &over.target, len: fit.len, verify: args.verify };
    let copied = observed(global, &copy)?;
    let changed = source.changed();
    let whole = copied.unreadable.is_empty() && copied.differing.is_empty() && changed.is_none();
    let shown = over.finish(fit, twins, whole)?;
    tell(global, &source, &image, copied, changed, shown)
}

fn observed(global: &Global, copy: &Copy<'_>) -> Result<Copied, Failure> {
    let progress = Arc::new(Progress::default());
    let _bar = Bar::of_bytes(global, &progress, |p| (&p.bytes, &p.of_bytes));
    Ok(disk::copy(copy, &progress, signals::stop())?)
}

fn tell(
    global: &Global,
    source: &Source,
    image: &Geometry,
    copied: Copied,
    changed: Option<&'static str>,
    shown: Shown,
) -> Outcome {
    let from = source.path().display().to_string();
    let unreadable: Vec<Range> = copied.unreadable.iter().map(Range::from).collect();
    let differing: Vec<Range> = copied.differing.iter().map(Range::from).collect();
    for Range { offset, length } in &unreadable {
        show::warning(&format!("{from} cannot be read at byte {offset}: {length} bytes are zero"));
    }
    tell_differing(&shown.target, &differing);
    if let Some(changed) = changed {
        show::warning(&format!("{from}: {changed}"));
    }
    let exit = if !differing.is_empty() {
        Exit::Damage
    } else if !unreadable.is_empty() || changed.is_some() || shown.has_refused() {
        Exit::Partial
    } else {
        Exit::Ok
    };
    let live = source.live().map(ToString::to_string).collect();
    let shown = Shown { verified: copied.verified, differing, ..shown };
    if global.json {
        let image = ShownGeometry::of(image).on(layers(source.layers()));
        show::json(&ShownClone { source: from, image, live, changed, unreadable, shown })?;
    } else if !global.quiet {
        print(&shown, &format!("copied {} of {from} to", show::size(image.size)))?;
    }
    Ok(exit)
}
