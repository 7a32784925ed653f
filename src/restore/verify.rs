//! `--verify`: every file that was restored is read again, from the disk and not from memory, and
//! compared with the snapshot, chunk by chunk.

use super::existing::{Zeros, has_chunk, holds, zeros};
use super::filter::Choice;
use super::group;
use super::outcome::{Outcome, Problem};
use super::{Report, Result};
use crate::repository::{self, Chunks, Found, Items, Map};
use crossbeam_channel::{Receiver, Sender};
use esker_format::content::{Content, Item};
use esker_format::ids::LinkGroup;
use esker_format::key::ScopeKeys;
use esker_format::node::{Fidelity, Node};
use esker_format::path::MapKey;
use rustix::fs::Advice;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// Pieces of a file that are read as one job.
const PIECES: usize = 256;

/// Some pieces of a file.
struct Part {
    key: MapKey,
    len: u64,
    inline: Option<Vec<u8>>,
    pieces: Vec<(u64, Item)>,
}

/// Reads again what was restored, and adds what is wrong to the report.
pub fn verify(
    keys: &ScopeKeys,
    chunks: Chunks,
    outcome: &Outcome,
    threads: usize,
    map: Map,
    report: &mut Report,
) -> Result<()> {
    let wrong = Mutex::new(BTreeMap::new());
    let told: HashSet<&[u8]> =
        report.problems.iter().chain(&report.damaged).map(|p| &p.path[..]).collect();
    let (jobs, work) = crossbeam_channel::bounded(threads * 2);
    let verified = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (wrong, work) = (&wrong, work.clone());
            scope.spawn(move || read_again(outcome, keys, &work, wrong));
        }
        drop(work);
        // Workers end when the sender goes.
        walk(outcome, chunks, map, &told, jobs)
    })?;
    if outcome.is_over() {
        return Err(repository::Error::Interrupted.into());
    }
    report.verified = Some(verified);
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.damaged.extend(wrong.into_iter().map(|(key, message): (MapKey, String)| {
        let path = outcome.place.source(&key).path();
        Problem { path, message }
    }));
    report.sort();
    Ok(())
}

/// Goes through the files of the snapshot; returns how many there are.
fn walk(
    outcome: &Outcome,
    mut chunks: Chunks,
    mut map: Map,
    told: &HashSet<&[u8]>,
    jobs: Sender<Part>,
) -> Result<u64> {
    let (mut seen, mut files) = (HashSet::<LinkGroup>::new(), 0);
    while !outcome.is_over()
        && let Some(found) = map.next(&mut chunks)?
    {
        let Found::Entry(entry) = found else { continue };
        let (node, source) = (&entry.node, entry.key.path());
        let key = outcome.place.target(&entry.key);
        if !node.has_content()
            || node.fidelity == Some(Fidelity::Unreadable)
            || outcome.how.filter.choose(&source, false) != Choice::Taken
            || outcome.was_kept(&key)
            || outcome.is_reserved_name(&key)
            || told.contains(&source[..])
            || told.contains(&outcome.on_disk(&key.path())[..])
            || group::of(node).is_some_and(|group| !seen.insert(group))
        {
            continue;
        }
        files += 1;
        send_parts(&mut chunks, &key, node, &jobs)?;
    }
    Ok(files)
}

fn send_parts(
    chunks: &mut Chunks,
    key: &MapKey,
    node: &Node,
    jobs: &Sender<Part>,
) -> repository::Result<()> {
    let part = |inline, pieces| Part { key: key.clone(), len: node.len(), inline, pieces };
    let Some(content) = &node.content else {
        let _ = jobs.send(part(None, Vec::new()));
        return Ok(());
    };
    let mut items = Items::new(content);
    let (mut at, mut pieces) = (0, Vec::new());
    while let Some((item, _)) = items.next(chunks)? {
        pieces.push((at, item));
        at += item.len();
        if pieces.len() == PIECES {
            let _ = jobs.send(part(None, std::mem::take(&mut pieces)));
        }
    }
    let inline = match content {
        Content::Inline(bytes) => Some(bytes.clone()),
        _ => None,
    };
    // Workers end early only by a panic, which the scope that they run in passes on.
    let _ = jobs.send(part(inline, pieces));
    Ok(())
}

fn read_again(
    outcome: &Outcome,
    keys: &ScopeKeys,
    work: &Receiver<Part>,
    wrong: &Mutex<BTreeMap<MapKey, String>>,
) {
    let mut buffer = Vec::new();
    for part in work {
        if outcome.is_over() {
            continue;
        }
        if let Err(message) = part.check(outcome, keys, &mut buffer) {
            let mut wrong = wrong.lock().unwrap_or_else(PoisonError::into_inner);
            wrong.entry(part.key).or_insert(message);
        }
    }
}

impl Part {
    fn check(
        &self,
        outcome: &Outcome,
        keys: &ScopeKeys,
        buffer: &mut Vec<u8>,
    ) -> std::result::Result<(), String> {
        let unread = |error: &dyn std::fmt::Display| format!("cannot be read again: {error}");
        let seen = outcome.tree.look(&self.key).map_err(|error| unread(&error))?;
        let seen = seen.ok_or("is not there after it was restored")?;
        let file = outcome.tree.open_file(&self.key, &seen).map_err(|error| unread(&error))?;
        if seen.size != self.len {
            return Err(format!("has {} bytes on disk instead of {}", seen.size, self.len));
        }
        drop_pages(&file);
        let wrong = |at: u64| Err(format!("differs on disk from what was restored, at byte {at}"));
        if let Some(bytes) = &self.inline
            && !holds(&file, 0, bytes, buffer)
        {
            return wrong(0);
        }
        for (at, item) in &self.pieces {
            let is_right = match item {
                Item::Data(id, len) => has_chunk(&file, *at, id, *len, keys, buffer),
                Item::Hole(len) | Item::Zero(len) => zeros(&file, *at, *len, buffer) != Zeros::No,
                Item::Lost(_) => true,
            };
            if !is_right {
                return wrong(*at);
            }
        }
        Ok(())
    }
}

/// What is in memory of the file goes, so that the disk is asked. All was written before.
fn drop_pages(file: &File) {
    // Only advice: where it is not taken, the file is read from memory.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}
