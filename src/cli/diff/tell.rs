//! How differences look, and how many there are.

use crate::cli::exit::Exit;
use crate::cli::{place, show};
use crate::repository::Error;
use crate::repository::difference::{Change, Difference, Part};
use esker_format::node::{Node, NodeKind};
use esker_format::path::MapKey;
use serde::Serialize;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Tells differences as they come, and counts them.
pub struct Teller {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    ignore_metadata: bool,
    counts: Counts,
}

/// Differences of one kind.
#[derive(Serialize, Default, Clone, Copy)]
struct Count {
    entries: u64,
    old_bytes: u64,
    new_bytes: u64,
}

#[derive(Serialize, Default)]
struct Counts {
    added: Count,
    removed: Count,
    kind_changed: Count,
    content: Count,
    touched: Count,
    metadata: Count,
    /// Entries that cannot be compared, because pages are lost.
    lost: u64,
    /// What of the file system cannot be looked at.
    problems: u64,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row<'r> {
    Difference {
        #[serde(flatten)]
        at: At,
        change: &'static str,
        parts: Vec<&'static str>,
        old: Option<Box<show::Looks>>,
        new: Option<Box<show::Looks>>,
    },
    Lost {
        #[serde(flatten)]
        at: At,
        entries: u64,
        snapshot: &'r str,
        message: String,
    },
    Problem {
        #[serde(flatten)]
        at: At,
        message: &'r str,
    },
    Summary {
        #[serde(flatten)]
        counts: &'r Counts,
    },
}

#[derive(Serialize)]
struct At {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl Teller {
    pub fn new(json: bool, ignore_metadata: bool) -> Self {
        let out = BufWriter::new(io::stdout().lock());
        Self { out, json, ignore_metadata, counts: Counts::default() }
    }

    pub fn difference(&mut self, difference: &Difference) -> io::Result<()> {
        let Difference { key, old, new, change, parts } = difference;
        if self.ignore_metadata && *change == Change::Metadata {
            return Ok(());
        }
        let count = self.counts.of(*change);
        let len = |node: &Option<Node>| node.as_ref().map_or(0, Node::len);
        count.entries += 1;
        count.old_bytes = count.old_bytes.saturating_add(len(old));
        count.new_bytes = count.new_bytes.saturating_add(len(new));
        if self.json {
            let row = Row::Difference {
                at: at(key),
                change: word(*change),
                parts: parts.iter().map(part).collect(),
                old: old.as_ref().map(show::Looks::of).map(Box::new),
                new: new.as_ref().map(show::Looks::of).map(Box::new),
            };
            return self.json(&row);
        }
        let is_directory =
            |n: &Option<Node>| n.as_ref().is_some_and(|n| n.kind == NodeKind::Directory);
        let mut text = format!("{}  {}", letter(*change), show::name(&key.path()));
        if (is_directory(old) || is_directory(new)) && *change != Change::Kind && key.name != b"" {
            text.push('/');
        }
        match (change, old, new) {
            (Change::Kind, Some(old), Some(new)) => {
                let (old, new) = (show::kind_word(old.kind), show::kind_word(new.kind));
                text.push_str(&format!("  ({old}, now {new})"));
            }
            (Change::Metadata, ..) => text.push_str(&format!("  ({})", words(parts))),
            _ => {}
        }
        writeln!(self.out, "{text}")
    }

    pub fn lost(
        &mut self,
        first: &MapKey,
        entries: u64,
        snapshot: &str,
        error: &Error,
    ) -> io::Result<()> {
        self.counts.lost += entries;
        let message = place::describe(error);
        if self.json {
            self.json(&Row::Lost { at: at(first), entries, snapshot, message: message.clone() })?;
        }
        self.out.flush()?;
        let path = show::name(&first.path());
        let what = show::count(entries, "entry", "entries");
        show::warning(&format!(
            "{what} from {path} on cannot be compared, lost in snapshot {snapshot}: {message}"
        ));
        Ok(())
    }

    pub fn problem(&mut self, key: &MapKey, message: &str) -> io::Result<()> {
        self.counts.problems += 1;
        if self.json {
            self.json(&Row::Problem { at: at(key), message })?;
        }
        self.out.flush()?;
        show::warning(&format!("{} {message}", show::name(&key.path())));
        Ok(())
    }

    pub fn has_differences(&self) -> bool {
        let c = &self.counts;
        let all = [c.added, c.removed, c.kind_changed, c.content, c.touched, c.metadata];
        all.iter().any(|count| count.entries > 0)
    }

    /// Tells how many there were, and how the command ends.
    pub fn end(&mut self, quiet: bool) -> io::Result<Exit> {
        if self.json {
            serde_json::to_writer(&mut self.out, &Row::Summary { counts: &self.counts })?;
            self.out.write_all(b"\n")?;
        } else if !quiet {
            let text = self.counts.line();
            writeln!(self.out, "{text}")?;
        }
        self.out.flush()?;
        Ok(match (self.counts.lost, self.counts.problems) {
            (0, 0) => Exit::Ok,
            (0, _) => Exit::Partial,
            _ => Exit::Damage,
        })
    }

    fn json(&mut self, row: &Row<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, row)?;
        self.out.write_all(b"\n")
    }
}

impl Counts {
    const fn of(&mut self, change: Change) -> &mut Count {
        match change {
            Change::Added => &mut self.added,
            Change::Removed => &mut self.removed,
            Change::Kind => &mut self.kind_changed,
            Change::Content => &mut self.content,
            Change::Touched => &mut self.touched,
            Change::Metadata => &mut self.metadata,
        }
    }

    fn line(&self) -> String {
        let content = format!(
            "with other content ({}, was {})",
            show::size(self.content.new_bytes),
            show::size(self.content.old_bytes)
        );
        let parts = [
            (self.added.entries, format!("added ({})", show::size(self.added.new_bytes))),
            (self.removed.entries, format!("removed ({})", show::size(self.removed.old_bytes))),
            (self.kind_changed.entries, "of another kind".to_owned()),
            (self.content.entries, content),
            (self.touched.entries, "of another time, content not compared".to_owned()),
            (self.metadata.entries, "with other metadata".to_owned()),
            (self.lost, "lost".to_owned()),
            (self.problems, "not looked at".to_owned()),
        ];
        let told: Vec<String> = parts
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
        if told.is_empty() { "no differences".to_owned() } else { told.join(", ") }
    }
}

const fn letter(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Kind => 'T',
        Change::Content => 'M',
        Change::Touched => '?',
        Change::Metadata => 'm',
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Kind => "kind",
        Change::Content => "content",
        Change::Touched => "touched",
        Change::Metadata => "metadata",
    }
}

const fn part(part: &Part) -> &'static str {
    match part {
        Part::Mode => "mode",
        Part::Owner => "owner",
        Part::Mtime => "mtime",
        Part::Xattrs => "xattrs",
        Part::Links => "links",
        Part::Holes => "holes",
        Part::Fidelity => "fidelity",
    }
}

fn words(parts: &[Part]) -> String {
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn at(key: &MapKey) -> At {
    let path = key.path();
    At { path_hex: show::json_hex(&path), path: show::json_name(&path) }
}
