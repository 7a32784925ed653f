//! What a valid entry changes: the last column of section 12.2 of `docs/format.md`. Pure.

use crate::repository::judge::{Fate, Judged};
use crate::repository::state::{
    Head, Pack, Remark, Segment, Session, Snapshot, State, TOKENS_KEPT, Writer,
};
use esker_format::checkpoint::{PackState, SessionState};
use esker_format::ids::{SegmentId, SessionId, SnapshotId};
use esker_format::limits::CHECKPOINTS_NAMED;
use esker_format::log_entry::{
    Add, Body, Commit, Compact, Damaged, Delete, Mark, Narrow, Note, PackAdd, Place,
};
use esker_format::ordinals::Ordinals;
use std::collections::{HashMap, HashSet};

impl State {
    /// Folds in the next entry, which was judged in this state.
    pub fn apply(&mut self, judged: Judged) {
        let Judged { hash, writer, fate } = judged;
        let seq = self.next();
        let log = self.previous().then(hash);
        self.head = Some(Head { seq, entry: hash, log });
        match fate {
            Fate::Valid(place, body) => self.change(&place, *body),
            Fate::Void(why) => self.void.push(Remark { seq, writer, why }),
            Fate::NotUnderstood(source) => {
                self.not_understood.push(Remark { seq, writer, why: source.to_string() });
            }
            Fate::Ignored => {}
        }
    }

    /// What an entry changes that `validate` has let through.
    pub fn change(&mut self, place: &Place, body: Body) {
        if self.tokens.len() == TOKENS_KEPT {
            self.tokens.pop_front();
        }
        self.tokens.push_back(place.token);
        match body {
            Body::Writer(entry) => {
                let writer = Writer { entry, revoked: false, seq: place.seq };
                self.writers.insert(writer.entry.key.writer(), writer);
            }
            Body::Revoke(revoke) => {
                if let Some(writer) = self.writers.get_mut(&revoke.writer) {
                    writer.revoked = true;
                }
            }
            Body::Setting(setting) => {
                self.required.append.extend(setting.append);
                self.required.collect.extend(setting.collect);
            }
            Body::Takeover(takeover) => self.holder = takeover.holder,
            Body::Genesis(genesis) => self.holder = genesis.holder,
            Body::Add(add) => self.add(place, &add),
            Body::Commit(commit) => self.commit(place, commit),
            Body::Abort(abort) => self.end(place, abort.session, SessionState::Aborted),
            Body::Forget(list) => self.each(&list.snapshots, |s| s.forgotten = true),
            Body::Unforget(list) => self.unforget(&list.snapshots),
            Body::Hold(list) => self.each(&list.snapshots, |s| s.held = true),
            Body::Unhold(list) => self.each(&list.snapshots, |s| s.held = false),
            Body::Note(note) => self.note(&note),
            Body::Damaged(damaged) => self.damage(damaged),
            Body::Mark(mark) => self.mark(place, mark),
            Body::Delete(delete) => self.delete(&delete),
            Body::Narrow(narrow) => self.narrow(narrow),
            Body::Compact(compact) => self.compact(compact),
            Body::Checkpoint(checkpoint) => {
                if self.checkpoints.len() == CHECKPOINTS_NAMED {
                    self.checkpoints.pop_front();
                }
                self.checkpoints.push_back((checkpoint.at, checkpoint.checkpoint));
            }
            Body::Rekey(_) | Body::Unknown(..) => {}
        }
    }

    fn add(&mut self, place: &Place, add: &Add) {
        self.add_packs(&add.packs, add.session);
        self.add_segments(&add.segments, place.scope);
        if !add.hold.runs().is_empty() {
            self.revive(&add.hold);
            let held = self.holds.entry(add.session).or_default();
            *held = held.iter().chain(add.hold.iter()).collect();
        }
        self.touch_session(place, add.session, SessionState::Open);
    }

    fn commit(&mut self, place: &Place, commit: Commit) {
        let Commit { session, manifest, segments, packs, set, summary, .. } = commit;
        self.add_packs(&packs, session);
        self.add_segments(&segments, place.scope);
        self.revive(&set);
        self.end(place, session, SessionState::Committed);
        self.changes.snapshots.insert(place.seq);
        self.push_snapshot(Snapshot {
            id: manifest,
            seq: place.seq,
            session,
            scope: place.scope,
            set,
            summary,
            forgotten: false,
            held: false,
            damaged: false,
            tags: Default::default(),
        });
    }

    /// Ends a session. One that nobody had named before is fenced for the writer that ends it.
    fn end(&mut self, place: &Place, id: SessionId, state: SessionState) {
        self.holds.remove(&id);
        self.touch_session(place, id, state);
    }

    fn touch_session(&mut self, place: &Place, id: SessionId, state: SessionState) {
        let seq = place.seq;
        let session =
            self.sessions.entry(id).or_insert(Session { writer: place.writer, state, seq });
        (session.state, session.seq) = (state, seq);
        self.changes.sessions.insert(id);
    }

    /// Changes each of the named snapshots.
    fn each(&mut self, ids: &[SnapshotId], change: impl Fn(&mut Snapshot)) {
        let ids: HashSet<&SnapshotId> = ids.iter().collect();
        for snapshot in self.snapshots.iter_mut().filter(|s| ids.contains(&s.id)) {
            change(snapshot);
            self.changes.snapshots.insert(snapshot.seq);
        }
    }

    fn unforget(&mut self, ids: &[SnapshotId]) {
        self.each(ids, |s| s.forgotten = false);
        let named: HashSet<&SnapshotId> = ids.iter().collect();
        let sets = self.snapshots.iter().filter(|s| named.contains(&s.id));
        for set in sets.map(|s| s.set.clone()).collect::<Vec<_>>() {
            self.revive(&set);
        }
    }

    fn note(&mut self, note: &Note) {
        self.each(&[note.snapshot], |snapshot| {
            let removed = note.remove.iter().map(|tag| (tag.clone(), false));
            let added = note.add.iter().map(|tag| (tag.clone(), true));
            snapshot.tags.extend(removed.chain(added));
        });
    }

    /// What is whole comes first: of a snapshot that is named twice it holds that it is damaged.
    fn damage(&mut self, damaged: Damaged) {
        for mended in &damaged.mended {
            self.each(&[mended.snapshot], |s| {
                s.damaged = false;
                s.set = mended.set.clone();
            });
            self.revive(&mended.set);
        }
        self.each(&damaged.snapshots, |s| s.damaged = true);
        for ordinal in damaged.packs.iter() {
            self.packs[ordinal as usize].damaged = true;
            self.changes.packs.insert(ordinal);
        }
    }

    fn mark(&mut self, place: &Place, mark: Mark) {
        self.add_packs(&mark.added, mark.session.unwrap_or(place.session));
        self.add_segments(&mark.segments, mark.scope.unwrap_or(place.scope));
        for ordinal in mark.packs.iter() {
            let pack = &mut self.packs[ordinal as usize];
            if pack.state == PackState::Live {
                pack.state = PackState::Marked;
                self.changes.packs.insert(ordinal);
            }
        }
        let swap: HashMap<u32, &Ordinals> =
            mark.replacements.iter().map(|r| (r.old, &r.new)).collect();
        let old: Ordinals = swap.keys().copied().collect();
        // A forgotten snapshot keeps the set that it would be brought back with.
        for snapshot in self.snapshots.iter_mut().filter(|s| !s.forgotten) {
            if !snapshot.set.meets(&old) {
                continue;
            }
            let mut set = Vec::new();
            for ordinal in snapshot.set.iter() {
                match swap.get(&ordinal) {
                    Some(new) => set.extend(new.iter()),
                    None => set.push(ordinal),
                }
            }
            snapshot.set = set.into_iter().collect();
            self.changes.snapshots.insert(snapshot.seq);
        }
    }

    fn delete(&mut self, delete: &Delete) {
        for ordinal in delete.packs.iter() {
            self.packs[ordinal as usize].state = PackState::Deleting;
            self.changes.packs.insert(ordinal);
        }
        if !delete.manifests.is_empty() {
            self.remove_snapshots(&delete.manifests);
        }
    }

    fn narrow(&mut self, narrow: Narrow) {
        let mut sets: HashMap<SnapshotId, Ordinals> =
            narrow.sets.into_iter().map(|n| (n.snapshot, n.set)).collect();
        for snapshot in &mut self.snapshots {
            if let Some(set) = sets.remove(&snapshot.id) {
                snapshot.set = set;
                self.changes.snapshots.insert(snapshot.seq);
            }
        }
    }

    fn compact(&mut self, compact: Compact) {
        self.remove_segments(&compact.old);
        self.add_segments(&compact.new, compact.scope);
        self.changes.compacted.push((compact.old, compact.new));
    }

    /// Makes marked packs live again, because something needs them.
    fn revive(&mut self, set: &Ordinals) {
        for ordinal in set.iter() {
            let pack = &mut self.packs[ordinal as usize];
            if pack.state == PackState::Marked {
                pack.state = PackState::Live;
                self.changes.packs.insert(ordinal);
            }
        }
    }

    fn add_packs(&mut self, packs: &[PackAdd], session: SessionId) {
        for pack in packs {
            self.changes.packs.insert(self.packs.len() as u32);
            self.push_pack(Pack {
                id: pack.id,
                len: pack.len,
                session: pack.session.unwrap_or(session),
                state: PackState::Live,
                damaged: false,
            });
        }
    }

    fn add_segments(&mut self, segments: &[SegmentId], scope: u32) {
        segments.iter().for_each(|id| self.push_segment(Segment { id: *id, scope }));
    }
}
