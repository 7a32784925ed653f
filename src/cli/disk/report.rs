//! What came of writing a disk.

use crate::cli::show;
use crate::disk::{Fate, Id, Target, Twin, Written};
use serde::Serialize;
use std::io::Write;

/// A range of bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl From<&std::ops::Range<u64>> for Range {
    fn from(range: &std::ops::Range<u64>) -> Self {
        Self { offset: range.start, length: range.end - range.start }
    }
}

/// What came of it, as JSON; for people, the same in words.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// What was written.
    pub target: String,
    /// Whether nothing was.
    pub dry_run: bool,
    /// Bytes that are as they should be now.
    pub bytes: u64,
    /// Bytes written.
    pub written: u64,
    /// Bytes made zero.
    pub zeroed: u64,
    /// Bytes that were right before.
    pub unchanged: u64,
    /// Bytes that were read back from the disk.
    pub verified: Option<u64>,
    /// Where the disk does not have what was written.
    pub differing: Vec<Range>,
    /// Whether the second copy of the GPT was moved to the end of the disk.
    pub gpt_moved: bool,
    /// Ids that other disks here have too.
    pub also_here: Vec<ShownTwin>,
    /// What became of ids, when new ones were asked for.
    pub ids: Vec<ShownId>,
}

/// What was done beside writing.
pub struct Onward {
    /// Ids that other disks here have too.
    pub twins: Vec<Twin>,
    /// Whether the second copy of the GPT was moved.
    pub gpt_moved: bool,
    /// What became of ids.
    pub ids: Vec<Id>,
}

/// What became of an id.
#[derive(Debug, Serialize)]
pub struct ShownId {
    partition: Option<u32>,
    kind: String,
    before: Option<String>,
    after: Option<String>,
    kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip)]
    name: String,
}

impl ShownId {
    fn of(id: Id) -> Self {
        let name = name(&id);
        let Id { partition, kind, before, fate } = id;
        let (after, kept, why) = match fate {
            Fate::Planned => (None, false, None),
            Fate::New(after) => (Some(after), false, None),
            Fate::Kept => (None, true, None),
            Fate::Refused(why) => (None, true, Some(why)),
        };
        Self { partition, kind, before, after, kept, why, name }
    }

    /// In words, unless a warning has told it.
    fn words(&self) -> Option<String> {
        let before = show::name(self.before.as_deref().unwrap_or("none").as_bytes());
        let name = &self.name;
        match (&self.after, self.kept) {
            (Some(after), _) => Some(format!("new id of {name}: {after}, was {before}")),
            (None, false) => Some(format!("{name} would get a new id, it has {before}")),
            (None, true) if self.why.is_none() => Some(format!("{name} keeps its id {before}")),
            (None, true) => None,
        }
    }
}

/// What an id is of.
pub fn name(id: &Id) -> String {
    match (id.partition, id.kind.as_str()) {
        (None, table @ ("gpt" | "mbr")) => format!("the {}", table.to_uppercase()),
        (None, "table") => "the partition table".to_owned(),
        (Some(number), "partition") => format!("partition {number}"),
        (Some(number), system) => format!("the {system} in partition {number}"),
        (None, system) => format!("the {system}"),
    }
}

/// An id that another disk has too.
#[derive(Debug, Serialize)]
pub struct ShownTwin {
    id: String,
    device: String,
}

impl Shown {
    /// What is known before anything is told of what was read back.
    pub fn new(target: &Target, bytes: u64, onward: Onward) -> Self {
        let Written { written, zeroed, same } = target.written();
        let Onward { twins, gpt_moved, ids } = onward;
        let also_here = twins.into_iter().map(|Twin { id, device, .. }| ShownTwin { id, device });
        Self {
            target: target.path().display().to_string(),
            dry_run: target.is_dry_run(),
            bytes,
            written,
            zeroed,
            unchanged: same,
            verified: None,
            differing: Vec::new(),
            gpt_moved,
            also_here: also_here.collect(),
            ids: ids.into_iter().map(ShownId::of).collect(),
        }
    }

    /// Whether an id that should be another one is still the same.
    pub fn has_refused(&self) -> bool {
        self.ids.iter().any(|id| id.why.is_some())
    }
}

/// Says where a disk does not have what was written.
pub fn tell_differing(target: &str, differing: &[Range]) {
    for Range { offset, length } in differing {
        show::error(&format!(
            "{target} is not as it was written, in {length} bytes from {offset} on"
        ));
    }
}

/// The same for people. `what` is what was done, as in `copied ... to`.
pub fn print(shown: &Shown, what: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if let Some(bytes) = shown.verified {
        writeln!(out, "read back from disk: {}", show::size(bytes))?;
    }
    if shown.gpt_moved {
        writeln!(out, "moved the second copy of the GPT to the end of {}", shown.target)?;
    }
    for words in shown.ids.iter().filter_map(ShownId::words) {
        writeln!(out, "{words}")?;
    }
    if shown.ids.iter().any(|id| id.after.is_some()) {
        writeln!(out, "fstab and the boot loader on it may still name the ids of the original")?;
    }
    let would = if shown.dry_run { "would be " } else { "" };
    writeln!(
        out,
        "{what} {}: {would}{} written, {} made zero, {} as it was",
        shown.target,
        show::size(shown.written),
        show::size(shown.zeroed),
        show::size(shown.unchanged),
    )
}
