//! What a repair says.

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Global, Outcome, show};
use crate::repository::check::Finding;
use crate::repository::repair::{self, PastHoles, Plan, Report, Wrong};
use crate::repository::shorten;
use crate::sync::mend::{Brought, Cure, First, Fixed, Found, Mending};
use esker_format::ids::SnapshotId;
use serde::Serialize;
use std::io::Write;

/// What to do where a store keeps what is damaged.
const REFUSED: &str = "use an account that may delete there, and take the right away again afterwards. What else is wrong is \
                       seen to when that is done";

/// What to do about a log that is another one.
const DOUBT: &str = "a copy that has its end brings it back: name it with --from. Was it put back on purpose? Then \
                     `--accept-history` goes on with it as it is";

/// What to do about what is lost.
const LOST: &str = "what is still on disk comes back with the next `esker snapshot` of it, and `esker repair` takes the \
                    mark back when a snapshot is whole again. What is left of a damaged snapshot can be restored; \
                    `esker forget` takes it from the list";

/// What is wrong with a snapshot that nobody knew of when it was looked at.
const LATE: &str =
    "was saved while this repair ran, and lacks something: repair again to see which paths";

/// Tells what is wrong and what becomes of it, and keeps count.
pub struct Teller<'g> {
    global: &'g Global,
    is_dry: bool,
    done: Done,
    /// Things that were planned.
    plans: u64,
    /// What is left as it is, and things that were refused.
    left: u64,
    /// What can be done about that, each advice once.
    hints: Vec<String>,
}

/// A line of what is wrong.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Row<'r> {
    Object {
        name: &'r str,
        message: &'r str,
        cure: &'static str,
        from: Option<String>,
        help: Option<&'r str>,
    },
    Path {
        snapshot: String,
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_hex: Option<String>,
        message: &'r str,
    },
    Snapshot {
        snapshot: String,
        message: &'r str,
    },
    Mark {
        snapshot: String,
        damaged: bool,
    },
    Note {
        message: &'r str,
    },
}

/// What was done.
#[derive(Serialize, Default)]
#[serde(tag = "kind", rename = "done")]
struct Done {
    dry_run: bool,
    whole: bool,
    brought: u64,
    removed: u64,
    segments: u64,
    packs: u64,
    chunks: u64,
    marked: u64,
    mended: u64,
    checkpoint: bool,
    refused: Vec<String>,
    left: u64,
}

impl<'g> Teller<'g> {
    /// One that has told nothing yet.
    pub fn new(global: &'g Global, is_dry: bool) -> Self {
        let done = Done { dry_run: is_dry, ..Done::default() };
        Self { global, is_dry, done, plans: 0, left: 0, hints: Vec::new() }
    }

    /// Whether it is known that something is wrong that stays so for now.
    pub const fn has_told(&self) -> bool {
        self.left > 0 || self.is_dry && self.plans > 0
    }

    /// Tells what is wrong with what a repository is opened with.
    pub fn first(&mut self, mending: &Mending, first: &First) -> Result<(), Failure> {
        for wrong in &first.wrong {
            let (name, message) = (&wrong.name, &wrong.why);
            match &wrong.cure {
                Cure::From(source) => self.from(name, message, mending.location(*source))?,
                Cure::Remove => self.object(name, message, "removed", "removed", None)?,
                Cure::None(help) => self.helpless(name, message, help)?,
            }
        }
        first.notes.iter().try_for_each(|note| self.note(note))
    }

    /// Counts what was done about that.
    pub fn fixed(&mut self, fixed: Fixed) {
        self.done.brought += fixed.brought;
        self.done.removed += fixed.removed;
        if !fixed.refused.is_empty() {
            self.hint(REFUSED);
        }
        self.refused(fixed.refused);
    }

    /// Tells which objects copies have.
    pub fn found(
        &mut self,
        mending: &Mending,
        wrong: &[Wrong],
        found: &Found,
    ) -> Result<(), Failure> {
        for wrong in wrong {
            self.from(&wrong.name, &wrong.why, mending.location(found[&wrong.name]))?;
        }
        Ok(())
    }

    /// Counts what copies gave back.
    pub fn brought(&mut self, brought: Brought) {
        self.done.brought += brought.objects.len() as u64;
        if !brought.refused.is_empty() {
            self.hint(REFUSED);
        }
        self.refused(brought.refused.into_values().collect());
    }

    fn refused(&mut self, refused: Vec<String>) {
        if !self.global.json {
            refused.iter().for_each(|why| show::error(why));
        }
        self.left += refused.len() as u64;
        self.done.refused.extend(refused);
    }

    /// Tells of a dry run what no copy has, where what is lost by it is known only when the rest is back.
    pub fn pending(&mut self, rest: &[Wrong]) -> Result<(), Failure> {
        for Wrong { name, why, .. } in rest {
            self.object(name, why, "later", "looked at when the rest is back", None)?;
        }
        Ok(())
    }

    /// Tells what becomes of what no copy has, and what is lost.
    pub fn plan(&mut self, plan: &Plan) -> Result<(), Failure> {
        for repair::Object { name, why, cure } in &plan.objects {
            match cure {
                repair::Cure::Rebuilt => {
                    self.object(name, why, "rebuilt", "made anew from its packs", None)?;
                }
                repair::Cure::Described => {
                    self.object(name, why, "described", "described by a new one", None)?;
                }
                repair::Cure::Renewed => {
                    self.object(name, why, "renewed", "replaced by a new one", None)?;
                }
                repair::Cure::Salvaged { chunks, of } => {
                    let what =
                        format!("replaced: {chunks} of its {of} chunks are sound, and are saved");
                    self.object(name, why, "salvaged", &what, None)?;
                }
                repair::Cure::GivenUp => {
                    self.object(
                        name,
                        why,
                        "given up",
                        "taken out of use: nothing of it is left",
                        None,
                    )?;
                }
                repair::Cure::None(help) => self.helpless(name, why, help)?,
            }
        }
        if let Some(doubt) = &plan.doubt {
            self.helpless("the log", &format!("was rolled back or changed: {doubt}"), DOUBT)?;
        }
        match plan.past_holes {
            PastHoles::None => {}
            PastHoles::Checkpoint => self.note("a checkpoint leads past the entries of the log that are lost: nothing that was saved is lost by them")?,
            PastHoles::New => {
                let verb = if self.is_dry { "would be" } else { "is" };
                self.note(&format!("this machine knows what the entries of the log said that are lost: a checkpoint {verb} written that leads past them"))?;
            }
        }
        plan.lost.iter().try_for_each(|finding| self.lost(finding))?;
        if !plan.lost.is_empty() {
            self.hint(LOST);
        }
        if !plan.has_walked {
            self.note(
                "whether snapshots lost something was not looked at: that needs the owner's key",
            )?;
        }
        if plan.may_mark() {
            self.marks(&plan.marked, true)?;
            self.marks(&plan.mended, false)?;
        }
        Ok(())
    }

    fn lost(&mut self, finding: &Finding) -> Result<(), Failure> {
        self.left += 1;
        match finding {
            Finding::Path { snapshot, path, message } if self.global.json => {
                Ok(show::json(&Row::Path {
                    snapshot: snapshot.to_string(),
                    path: show::json_name(path),
                    path_hex: show::json_hex(path),
                    message,
                })?)
            }
            Finding::Path { snapshot, path, message } => {
                let (id, path) = (shorten(snapshot), show::name(path));
                show::error(&format!("snapshot {id}: {path} {message}"));
                Ok(())
            }
            Finding::Snapshot { snapshot, message } if self.global.json => {
                Ok(show::json(&Row::Snapshot { snapshot: snapshot.to_string(), message })?)
            }
            Finding::Snapshot { snapshot, message } => {
                show::error(&format!("snapshot {} cannot be read: {message}", shorten(snapshot)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Tells which snapshots are marked, or not any more.
    fn marks(&mut self, snapshots: &[SnapshotId], damaged: bool) -> Result<(), Failure> {
        for snapshot in snapshots {
            self.plans += 1;
            if self.global.json {
                show::json(&Row::Mark { snapshot: snapshot.to_string(), damaged })?;
            } else if !self.global.quiet {
                let verb = if self.is_dry { "would be" } else { "is" };
                let id = shorten(snapshot);
                let mut out = std::io::stdout().lock();
                match damaged {
                    true => writeln!(out, "snapshot {id} {verb} marked as damaged")?,
                    false => {
                        writeln!(out, "snapshot {id} is whole again: its mark {verb} taken back")?
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts what was done, and tells what was found only then.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn report(&mut self, report: Report) -> Result<(), Failure> {
        for late in &report.late {
            self.left += 1;
            match self.global.json {
                true => show::json(&Row::Snapshot { snapshot: late.to_string(), message: LATE })?,
                false => show::error(&format!("snapshot {} {LATE}", shorten(late))),
            }
        }
        self.marks(&report.late, true)?;
        let done = &mut self.done;
        (done.segments, done.packs, done.chunks) = (report.segments, report.packs, report.chunks);
        (done.marked, done.mended) = (report.marked.len() as u64, report.mended.len() as u64);
        done.checkpoint = report.checkpoint;
        let in_use = report.in_use.iter().map(|name| {
            format!("{name} stays in use until the backup that put or holds it has ended: repair again then")
        });
        self.refused(in_use.chain(report.refused).collect());
        Ok(())
    }

    fn from(&mut self, name: &str, message: &str, place: String) -> Result<(), Failure> {
        let what = format!("brought back from {place}");
        self.object(name, message, "copy", &what, Some(place))
    }

    /// Tells of an object about which something is done.
    fn object(
        &mut self,
        name: &str,
        message: &str,
        cure: &'static str,
        what: &str,
        from: Option<String>,
    ) -> Result<(), Failure> {
        self.plans += 1;
        if self.global.json {
            return Ok(show::json(&Row::Object { name, message, cure, from, help: None })?);
        }
        if !self.global.quiet {
            let verb = if self.is_dry { "would be" } else { "is" };
            writeln!(std::io::stdout().lock(), "{name} {message}; {verb} {what}")?;
        }
        Ok(())
    }

    fn helpless(&mut self, name: &str, message: &str, help: &str) -> Result<(), Failure> {
        self.left += 1;
        if self.global.json {
            let (cure, from, help) = ("none", None, Some(help));
            return Ok(show::json(&Row::Object { name, message, cure, from, help })?);
        }
        show::error(&format!("{name} {message}"));
        self.hint(help);
        Ok(())
    }

    fn hint(&mut self, help: &str) {
        if !self.hints.iter().any(|hint| hint == help) {
            self.hints.push(help.to_owned());
        }
    }

    fn note(&self, message: &str) -> Result<(), Failure> {
        match self.global.json {
            true => Ok(show::json(&Row::Note { message })?),
            false => {
                show::warning(message);
                Ok(())
            }
        }
    }

    /// Tells what is for people to see to.
    pub fn one_writer(&self) -> Result<(), Failure> {
        self.note(
            "this store does not keep two writers apart: let no other machine write to the repository while this runs",
        )
    }

    /// Tells why nobody looks further.
    pub fn cannot_look(&self, why: &Failure) -> Result<(), Failure> {
        self.note(&format!(
            "until that is right the repository cannot be opened, and what else is damaged is not known: {}",
            why.describe()
        ))
    }

    /// Tells what was done in all, and with which exit code that ends.
    pub fn end(&self) -> Outcome {
        let is_whole = !self.has_told();
        self.hints.iter().filter(|_| !self.global.json).for_each(|hint| show::hint(hint));
        if self.global.json {
            let done = Done {
                whole: is_whole,
                left: self.left,
                refused: self.done.refused.clone(),
                ..self.done
            };
            show::json(&done)?;
        } else if !self.global.quiet {
            self.print()?;
        }
        Ok(if is_whole { Exit::Ok } else { Exit::Damage })
    }

    fn print(&self) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let counts = [
            (self.done.brought, "brought back", "object", "objects"),
            (self.done.removed, "removed", "object", "objects"),
            (self.done.segments, "made anew", "segment", "segments"),
            (self.done.chunks, "saved", "chunk of damaged packs", "chunks of damaged packs"),
            (self.done.packs, "took out of use", "damaged pack", "damaged packs"),
            (u64::from(self.done.checkpoint), "wrote", "checkpoint", "checkpoints"),
        ];
        for (count, verb, one, many) in counts.into_iter().filter(|(count, ..)| *count > 0) {
            writeln!(out, "{verb} {}", show::count(count, one, many))?;
        }
        match (self.left, self.plans) {
            (0, 0) => writeln!(out, "nothing to repair was found")?,
            (0, _) => {}
            (left, _) => {
                writeln!(out, "{} of damage left", show::count(left, "finding", "findings"))?
            }
        }
        Ok(())
    }
}
