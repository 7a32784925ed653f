//! Steps and entries in words, for whoever reads a way to a loss.

use super::deed::Deed;
use super::protocol::Action;
use super::scene::{Kind, Message};
use super::world::{Packs, Runs, each, there};
use std::fmt::{Display, Formatter, Result};

/// Writers and collectors by their numbers.
const WRITERS: [&str; 2] = ["writer A", "writer B"];
const COLLECTORS: [&str; 2] = ["collector C", "collector D"];

fn set(runs: Runs) -> String {
    let numbers: Vec<String> = each(runs).map(|run| run.to_string()).collect();
    format!("{{{}}}", numbers.join(" "))
}

/// Packs and the chunks that each has.
fn packs(packs: &Packs) -> String {
    let pack = |run| format!("{run}:{}", chunks(packs[usize::from(run)]));
    format!("{{{}}}", each(there(packs)).map(pack).collect::<Vec<_>>().join(" "))
}

fn chunks(chunks: u8) -> String {
    "abed"
        .chars()
        .zip(0..)
        .filter(|(_, bit)| chunks >> bit & 1 == 1)
        .map(|(name, _)| name)
        .collect()
}

impl Display for Deed {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::Commit { run, own, used, base, .. } => {
                write!(
                    f,
                    "commit of run {run}, own packs {}, looked up {}",
                    packs(&own),
                    set(used)
                )?;
                base.map_or(Ok(()), |base| write!(f, ", on snapshot {base}"))
            }
            Self::Add { run, own, hold, .. } => {
                write!(f, "add of run {run}, packs {}, hold {}", packs(&own), set(hold))
            }
            Self::End { run, .. } => write!(f, "abort of run {run} by its own host"),
            Self::Fence { run, .. } => write!(f, "abort of run {run}"),
            Self::Forget { run } => write!(f, "forget of snapshot {run}"),
            Self::Unforget { run, .. } => write!(f, "unforget of snapshot {run}"),
            Self::Mark { packs, fresh, made, .. } if fresh != 0 => {
                let made = chunks(made);
                write!(f, "mark of packs {}, {made} of {} copied", set(packs), set(fresh))
            }
            Self::Mark { packs, .. } => write!(f, "mark of packs {}", set(packs)),
            Self::Narrow { run, set: narrowed, .. } => {
                write!(f, "narrow of snapshot {run} to packs {}", set(narrowed))
            }
            Self::Delete { packs, manifests, .. } => {
                write!(f, "delete of packs {}, snapshots {}", set(packs), set(manifests))
            }
            Self::Compact { old, new, .. } => {
                write!(
                    f,
                    "compact of segments {} into one for packs {}",
                    set(there(&old)),
                    set(new)
                )
            }
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Pack => "pack",
            Self::Segment => "segment",
            Self::Manifest => "manifest",
        })
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Put { run, pack, .. } => {
                write!(f, "put of run {run}, pack of {:?}", chunks(*pack))
            }
            Self::Append { deed, .. } => write!(f, "put of a log entry: {deed}"),
            Self::Remove { kind, run } => write!(f, "removal of {kind} {run}"),
            Self::Mirror { entry } => write!(f, "put of log entry {entry} of the mirror"),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let writer = |n: &u8| WRITERS[usize::from(*n)];
        let collector = |n: &u8| COLLECTORS[usize::from(*n)];
        match self {
            Self::Begin(n) => write!(f, "{} begins, and sends what is new", writer(n)),
            Self::TakeOver(n) => write!(f, "{} begins, and takes over what was put", writer(n)),
            Self::Publish(n) => write!(f, "{} sends an add", writer(n)),
            Self::Commit(n) => write!(f, "{} sends its commit, or starts over", writer(n)),
            Self::EndAdopted(n) => write!(f, "{} ends the session it took over", writer(n)),
            Self::LookUp(n) => write!(f, "{} looks what became of its entry", writer(n)),
            Self::KillWriter(n) => write!(f, "{} is killed", writer(n)),
            Self::Forget(run) => write!(f, "a person forgets snapshot {run}"),
            Self::Unforget(run) => write!(f, "a person takes that of snapshot {run} back"),
            Self::Plan(n, plan) => write!(f, "{} plans: {plan:?}", collector(n)),
            Self::Send(n) => write!(f, "{} sends what it planned, or drops it", collector(n)),
            Self::List(n) => write!(f, "{} lists the store", collector(n)),
            Self::Fence(n, run) => write!(f, "{} takes run {run} for dead", collector(n)),
            Self::RemoveOrphan(n, kind, run) => {
                write!(f, "{} removes {kind} {run}, which no entry names", collector(n))
            }
            Self::Remove(kind, run) => write!(f, "a collector removes {kind} {run}, given up"),
            Self::Leave(n) => write!(f, "{} has removed enough", collector(n)),
            Self::Tire(n) => write!(f, "{} waits no longer for its entry", collector(n)),
            Self::KillCollector(n) => write!(f, "{} is killed", collector(n)),
            Self::Arrive(message) => write!(f, "arrives: {message}"),
            Self::ArriveMutely(message) => write!(f, "arrives, its reply is lost: {message}"),
            Self::ArriveAgain(message) => write!(f, "arrives, and will once more: {message}"),
            Self::Sync => write!(f, "the sync goes on"),
            Self::KillSync => write!(f, "the sync is killed"),
            Self::Sweep => write!(f, "the mirror removes what its log gave up"),
        }
    }
}
