//! The options of whatever makes a snapshot.

use crate::cli::{show, threads};
use crate::pipeline::{Request, Rules};
use crate::repository::Compression;
use esker_format::node::Time;
use std::sync::Arc;

/// The options of whatever makes a snapshot.
#[derive(clap::Args)]
pub struct Making {
    /// Name of the series; made of the paths, or of that of the archive, when not given
    #[arg(long, value_name = "TEXT", value_parser = plain)]
    label: Option<String>,
    /// Name of the host that it is of; this one when not given
    #[arg(long, value_name = "NAME", value_parser = plain)]
    host: Option<String>,
    /// Remark to find it by; can be given several times
    #[arg(long = "tag", value_name = "TEXT", value_parser = plain)]
    tags: Vec<String>,
    /// Time that the snapshot is given instead of now: 2026-11-21, "2026-11-21 14:30[:05]" (local
    /// time), 2026-11-21T14:30:05Z, or @SECONDS
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    time: Option<Time>,
    /// How to compress: `auto` takes the level that pays, `off` none, 1 to 19 that level of zstd.
    /// What is stored already stays as it is
    #[arg(long, value_name = "auto|off|1..19", default_value = "auto", value_parser = compression)]
    compression: Compression,
    /// Threads that do the work; one for each core when not given
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Say what would be saved and write nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

impl Making {
    /// What they ask for, of nothing yet.
    pub fn request(&self) -> Request {
        let mut tags = self.tags.clone();
        tags.sort();
        tags.dedup();
        Request {
            paths: Vec::new(),
            select: Arc::default(),
            allow_missing: false,
            host: self.host.clone().unwrap_or_else(host),
            label: self.label.clone(),
            tags,
            start: self.time.unwrap_or_else(show::now),
            clock: clock(self.time),
            compression: self.compression,
            threads: threads(self.threads),
            skip: Vec::new(),
            rules: Rules::default(),
            skip_if_unchanged: false,
            is_dry: self.dry_run,
            program: concat!("esker ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What the clock shows when a run ends: a run that was given a time ends so much later.
fn clock(given: Option<Time>) -> Box<dyn Fn() -> Time> {
    let Some(time) = given else { return Box::new(show::now) };
    let begin = std::time::Instant::now();
    Box::new(move || show::after(time, begin.elapsed()))
}

/// A name that shows in lists: there must be something to see, and nothing that moves the cursor.
fn plain(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty: leave the option out instead".to_owned());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(control) => {
            Err(format!("it has a control character in it: {}", control.escape_debug()))
        }
        None => Ok(text.to_owned()),
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    match text {
        "auto" => Ok(Compression::Auto),
        "off" => Ok(Compression::Off),
        level => match level.parse() {
            Ok(level @ 1..=19) => Ok(Compression::Level(level)),
            _ => Err("it is auto, off, or a level from 1 to 19".to_owned()),
        },
    }
}
