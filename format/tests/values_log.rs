//! Configs, checkpoints and bodies of log entries, drawn like the other values.

use crate::values::{Draw, ordinals, segment, session, snapshot, time};
use esker_format::checkpoint::*;
use esker_format::chunking::Profile;
use esker_format::config::Config;
use esker_format::ids::*;
use esker_format::key::VerificationKey;
use esker_format::log_entry::*;
use esker_format::ordinals::Ordinals;
use std::collections::BTreeSet;

pub fn config(d: &mut Draw) -> Config {
    let numbers: BTreeSet<u32> = d.list(3, Draw::number32).into_iter().collect();
    let profile = |number| {
        let min = d.between(32, 1 << 19) as u32 * 2;
        let average = d.between(u64::from(min / 2).max(128), 2 << 20) as u32 * 2;
        let max = d.between(u64::from(average / 2), 8 << 20) as u32 * 2;
        Profile { number, min, average, max, block: None, extra: d.extra() }
    };
    let profiles = numbers.into_iter().map(profile).collect();
    Config { genesis: EntryHash::new(d.array()), profiles, extra: d.extra() }
}

fn enrolment(d: &mut Draw) -> WriterEntry {
    WriterEntry {
        key: VerificationKey(d.array()),
        scope: d.number32(),
        roles: d.number32(),
        name: d.text(),
        extra: d.extra(),
    }
}

/// The first of those that have the same id.
fn distinct<T, K: Ord>(list: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    list.into_iter().filter(|item| seen.insert(key(item))).collect()
}

pub fn checkpoint(d: &mut Draw) -> Checkpoint {
    let packs = d.list(4, |d| PackRow {
        id: PackId::new(d.array()),
        len: d.number(),
        session: session(d),
        state: PackState::from_number(d.between(1, 3)).unwrap(),
        damaged: d.flag(),
    });
    let packs = distinct(packs, |pack| pack.id);
    let set = |d: &mut Draw| (0..packs.len() as u32).filter(|_| d.flag()).collect::<Ordinals>();
    let seqs: BTreeSet<u64> = d.list(3, Draw::number).into_iter().collect();
    let tags = |d: &mut Draw, mark: char| {
        let tags: BTreeSet<String> =
            d.list(3, |d| d.text() + &mark.to_string()).into_iter().collect();
        tags.into_iter().collect()
    };
    let snapshots: Vec<_> = seqs
        .into_iter()
        .map(|seq| SnapshotRow {
            id: snapshot(d),
            seq: Seq(seq),
            scope: d.number32(),
            session: session(d),
            set: set(d),
            summary: d.bytes(0, 40),
            forgotten: d.flag(),
            held: d.flag(),
            damaged: d.flag(),
            added: tags(d, '+'),
            removed: tags(d, '-'),
            extra: d.extra(),
        })
        .collect();
    let snapshots = distinct(snapshots, |snapshot| snapshot.id);
    let least = snapshots.last().map_or(1, |last| last.seq.0.max(1));
    let seq = d.between(least, u64::MAX);
    let before = |d: &mut Draw| Seq(d.between(0, seq));
    let sessions: BTreeSet<SessionId> = d.list(4, session).into_iter().collect();
    let sessions: Vec<SessionRow> = sessions
        .into_iter()
        .map(|id| SessionRow {
            id,
            writer: WriterId::new(d.array()),
            state: SessionState::from_number(d.between(1, 3)).unwrap(),
            seq: before(d),
        })
        .collect();
    let open = sessions.iter().filter(|s| s.state == SessionState::Open);
    let holds = open.map(|s| HoldRow { session: s.id, set: set(d), extra: d.extra() });
    let holds = holds.filter(|hold| !hold.set.is_empty()).collect();
    let mut writers = d.list(3, |d| WriterRow {
        entry: enrolment(d),
        revoked: d.flag(),
        seq: before(d),
        extra: d.extra(),
    });
    writers.sort_by_key(|row| row.entry.key.writer());
    let writers = distinct(writers, |row| row.entry.key.writer());
    let features = |d: &mut Draw| {
        let features: BTreeSet<u32> = d.list(3, Draw::number32).into_iter().collect();
        features.into_iter().collect()
    };
    let mut at = d.list(3, |d| Seq(d.between(0, seq - 1)));
    at.sort();
    let named = at.into_iter().map(|at| CheckpointEntry {
        checkpoint: CheckpointId::new(d.array()),
        at,
        extra: d.extra(),
    });
    let named: Vec<_> = named.collect();
    let segments =
        d.list(3, |d| SegmentRow { id: segment(d), scope: d.number32(), extra: d.extra() });
    let tokens = distinct(d.list(4, |d| Token::new(d.array())), |token| *token);
    Checkpoint {
        seq: Seq(seq),
        named,
        head: LogHead::new(d.array()),
        owner: VerificationKey(d.array()),
        epoch: d.number32(),
        writers,
        packs: packs.iter().copied().collect(),
        segments: distinct(segments, |segment| segment.id),
        snapshots,
        sessions: sessions.into_iter().collect(),
        tokens: tokens.into_iter().collect(),
        holder: d.option(Draw::text),
        entry: EntryHash::new(d.array()),
        holds,
        append: features(d),
        collect: features(d),
        extra: d.extra(),
    }
}

fn pack_adds(d: &mut Draw) -> Vec<PackAdd> {
    d.list(3, |d| PackAdd {
        id: PackId::new(d.array()),
        len: d.number(),
        session: d.option(session),
        extra: d.extra(),
    })
}

fn snapshots(d: &mut Draw) -> Snapshots {
    Snapshots { snapshots: d.list(3, snapshot), reason: d.option(Draw::text), extra: d.extra() }
}

/// The body of the entry kind with this number.
pub fn body(kind: u64, d: &mut Draw) -> Body {
    match kind {
        0 => Body::Genesis(Genesis {
            owner: VerificationKey(d.array()),
            time: time(d),
            holder: d.option(Draw::text),
            program: d.text(),
            extra: d.extra(),
        }),
        1 => Body::Writer(enrolment(d)),
        2 => Body::Revoke(Revoke { writer: WriterId::new(d.array()), extra: d.extra() }),
        3 => Body::Rekey(Rekey { epoch: d.number32(), extra: d.extra() }),
        4 => Body::Setting(Setting {
            read: d.list(3, Draw::number32),
            append: d.list(3, Draw::number32),
            collect: d.list(3, Draw::number32),
            extra: d.extra(),
        }),
        5 => Body::Add(Add {
            session: session(d),
            segments: d.list(3, segment),
            packs: pack_adds(d),
            hold: ordinals(d),
            extra: d.extra(),
        }),
        6 => Body::Commit(Commit {
            session: session(d),
            manifest: snapshot(d),
            segments: d.list(3, segment),
            packs: pack_adds(d),
            bases: d.list(3, snapshot),
            set: ordinals(d),
            set_object: d.option(|d| PackSetId::new(d.array())),
            summary: d.bytes(0, 99),
            extra: d.extra(),
        }),
        7 => Body::Abort(Abort { session: session(d), extra: d.extra() }),
        8 => Body::Forget(snapshots(d)),
        9 => Body::Unforget(snapshots(d)),
        10 => Body::Hold(snapshots(d)),
        11 => Body::Unhold(snapshots(d)),
        12 => Body::Note(Note {
            snapshot: snapshot(d),
            add: d.list(3, Draw::text),
            remove: d.list(3, Draw::text),
            text: d.option(Draw::text),
            extra: d.extra(),
        }),
        13 => Body::Damaged(Damaged {
            snapshots: d.list(3, snapshot),
            packs: ordinals(d),
            mended: narrowed(d),
            extra: d.extra(),
        }),
        14 => Body::Mark(Mark {
            packs: ordinals(d),
            replacements: d.list(3, |d| Replacement {
                old: d.number32(),
                new: ordinals(d),
                extra: d.extra(),
            }),
            walked: d.list(3, snapshot),
            segments: d.list(3, segment),
            added: pack_adds(d),
            session: d.option(session),
            scope: d.option(Draw::number32),
            extra: d.extra(),
        }),
        15 => Body::Delete(Delete {
            packs: ordinals(d),
            manifests: d.list(3, snapshot),
            segments: d.list(3, segment),
            sets: d.list(3, |d| PackSetId::new(d.array())),
            extra: d.extra(),
        }),
        16 => Body::Narrow(Narrow { sets: narrowed(d), extra: d.extra() }),
        17 => Body::Compact(Compact {
            old: d.list(3, segment),
            new: d.list(3, segment),
            scope: d.number32(),
            extra: d.extra(),
        }),
        18 => Body::Checkpoint(CheckpointEntry {
            checkpoint: CheckpointId::new(d.array()),
            at: Seq(d.number()),
            extra: d.extra(),
        }),
        _ => Body::Takeover(Takeover {
            holder: d.option(Draw::text),
            reason: d.option(Draw::text),
            extra: d.extra(),
        }),
    }
}

fn narrowed(d: &mut Draw) -> Vec<Narrowed> {
    d.list(3, |d| Narrowed { snapshot: snapshot(d), set: ordinals(d), extra: d.extra() })
}
