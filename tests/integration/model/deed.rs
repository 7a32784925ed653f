//! What an actor wants the log to say, and the body that says it in a state: ordinals and sets are
//! worked out anew for each try, as sessions and collections do it.

use super::bounds::{Bounds, Fault};
use super::world::{
    Chunks, Packs, Run, Runs, Signer, each, has, manifest, of_manifest, of_pack, pack, segment,
    session, there, turn_of,
};
use esker::repository::state::State;
use esker_format::cbor::Extra;
use esker_format::ids::{LogHead, RepositoryId, SegmentId, Seq, SessionId, Token};
use esker_format::log_entry::{
    Abort, Add, Body, Commit, Compact, Delete, Mark, Narrow, Narrowed, PackAdd, Place, Replacement,
    Snapshots,
};
use esker_format::ordinals::Ordinals;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// One entry, as its author means it. `at` is the log on which a plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    /// `own` packs of this run, those that it took over included; `used` ones that it looked up;
    /// `then` is the set that its base had when it began.
    Commit {
        by: u8,
        run: Run,
        own: Packs,
        used: Runs,
        base: Option<Run>,
        then: Runs,
    },
    Add {
        by: u8,
        run: Run,
        own: Packs,
        hold: Runs,
    },
    /// A writer ends a session of its host.
    End {
        by: u8,
        run: Run,
    },
    /// A collector fences a session.
    Fence {
        by: u8,
        run: Run,
        at: u32,
    },
    Forget {
        run: Run,
    },
    Unforget {
        run: Run,
        nth: u8,
    },
    /// What is in use of the `fresh` ones is in the pack with the chunks `made`; the packs in which
    /// a walk found what each snapshot needs are `covers`.
    Mark {
        by: u8,
        packs: Runs,
        fresh: Runs,
        made: Chunks,
        covers: [Runs; 8],
        at: u32,
    },
    Narrow {
        by: u8,
        run: Run,
        set: Runs,
        at: u32,
    },
    Delete {
        by: u8,
        packs: Runs,
        manifests: Runs,
        at: u32,
    },
    Compact {
        by: u8,
        old: [Runs; 8],
        new: Runs,
        at: u32,
    },
}

impl Deed {
    pub const fn signer(&self, is_one_host: bool) -> Signer {
        match self {
            Self::Commit { by, .. } | Self::Add { by, .. } | Self::End { by, .. } => {
                Signer::Writer(if is_one_host { 0 } else { *by })
            }
            Self::Forget { .. } | Self::Unforget { .. } => Signer::Operator,
            Self::Fence { by, .. }
            | Self::Mark { by, .. }
            | Self::Narrow { by, .. }
            | Self::Delete { by, .. }
            | Self::Compact { by, .. } => Signer::Collector(*by),
        }
    }

    pub const fn is_of_writer(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Add { .. } | Self::End { .. })
    }

    /// The session in the entry's header.
    fn session(&self) -> SessionId {
        match self {
            Self::Commit { run, .. } | Self::Add { run, .. } => session(*run),
            Self::Mark { by, .. } | Self::Compact { by, .. } => session(turn_of(usize::from(*by))),
            _ => SessionId::new([0; 16]),
        }
    }

    /// Kept over all tries of one logical append, in which only what is worked out changes.
    fn token(&self) -> Token {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Commit { run, .. } => ("commit", run).hash(&mut hasher),
            Self::Add { run, .. } => ("add", run).hash(&mut hasher),
            deed => deed.hash(&mut hasher),
        }
        let half = hasher.finish().to_le_bytes();
        Token::new(std::array::from_fn(|i| half[i % 8]))
    }

    pub fn place(&self, seq: Seq, signer: Signer) -> Place {
        place(seq, signer, self.session(), self.token())
    }

    /// The body of this deed in a state.
    pub fn body(&self, state: &State, bounds: &Bounds) -> Body {
        let extra = Extra::default;
        match *self {
            Self::Commit { run, own, used, base, then, .. } => {
                let adds = adds(state, run, &own, bounds.has(Fault::AdoptsUnderItsOwnName));
                let based = base.map(|base| match state.snapshot(manifest(base)) {
                    Some(snapshot) => snapshot.set.clone(),
                    None => ordinals(state, then),
                });
                let used =
                    ordinals(state, if bounds.has(Fault::NamesNoLookedUpPacks) { 0 } else { used });
                let first = state.packs.len() as u32;
                let new = first..first + adds.len() as u32;
                let known =
                    each(there(&own)).filter_map(|r| state.ordinal(pack(r, own[usize::from(r)])));
                let set = used
                    .iter()
                    .chain(based.iter().flat_map(Ordinals::iter))
                    .chain(known)
                    .chain(new)
                    .collect();
                Body::Commit(Commit {
                    session: session(run),
                    manifest: manifest(run),
                    segments: segments(bounds, run, &own, &adds),
                    packs: adds,
                    bases: base.map(manifest).into_iter().collect(),
                    set,
                    set_object: None,
                    summary: Vec::new(),
                    extra: extra(),
                })
            }
            Self::Add { run, own, hold, .. } => {
                let adds = adds(state, run, &own, false);
                Body::Add(Add {
                    session: session(run),
                    segments: segments(bounds, run, &own, &adds),
                    packs: adds,
                    hold: ordinals(state, hold),
                    extra: extra(),
                })
            }
            Self::End { run, .. } | Self::Fence { run, .. } => {
                Body::Abort(Abort { session: session(run), extra: extra() })
            }
            Self::Forget { run } => Body::Forget(named(run)),
            Self::Unforget { run, .. } => Body::Unforget(named(run)),
            Self::Mark { by, packs, fresh, made, covers, .. } => {
                let turn = turn_of(usize::from(by));
                let own = one(turn, made);
                let added = adds(state, turn, &own, false);
                let new = state.ordinal(pack(turn, made)).unwrap_or(state.packs.len() as u32);
                let stand_ins = stand_ins(state, packs, fresh, &covers, new, bounds);
                let live = state.live_snapshots().map(|s| s.id);
                Body::Mark(Mark {
                    packs: ordinals(state, packs),
                    replacements: stand_ins,
                    walked: live.filter(|id| covers[usize::from(of_manifest(*id))] != 0).collect(),
                    segments: segments(bounds, turn, &own, &added),
                    added,
                    session: Some(session(turn)),
                    scope: None,
                    extra: extra(),
                })
            }
            Self::Narrow { run, set, .. } => {
                let set = ordinals(state, set);
                let sets = vec![Narrowed { snapshot: manifest(run), set, extra: extra() }];
                Body::Narrow(Narrow { sets, extra: extra() })
            }
            Self::Delete { packs, manifests, .. } => Body::Delete(Delete {
                packs: ordinals(state, packs),
                manifests: each(manifests).map(manifest).collect(),
                segments: Vec::new(),
                sets: Vec::new(),
                extra: extra(),
            }),
            Self::Compact { by, old, new, .. } => Body::Compact(Compact {
                old: ids(&old),
                new: vec![segment(turn_of(usize::from(by)), new)],
                scope: 0,
                extra: extra(),
            }),
        }
    }
}

/// What the header of an entry says.
pub fn place(seq: Seq, signer: Signer, session: SessionId, token: Token) -> Place {
    Place {
        repository: RepositoryId::new([9; 16]),
        seq,
        previous: LogHead::START,
        token,
        writer: signer.id(),
        scope: 0,
        epoch: 0,
        session,
    }
}

fn named(run: Run) -> Snapshots {
    Snapshots { snapshots: vec![manifest(run)], reason: None, extra: Extra::default() }
}

/// What stands in for each pack that goes, as `repository::gc::mark` works it out: its copy, and the
/// packs in which the walk found what a snapshot needs and which its set does not have.
fn stand_ins(
    state: &State,
    packs: Runs,
    fresh: Runs,
    covers: &[Runs; 8],
    new: u32,
    bounds: &Bounds,
) -> Vec<Replacement> {
    let marked = ordinals(state, packs);
    let mut found: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for snapshot in state.live_snapshots().filter(|s| s.set.meets(&marked)) {
        let cover = ordinals(state, covers[usize::from(of_manifest(snapshot.id))]);
        let elsewhere: Vec<u32> = cover.iter().filter(|o| !snapshot.set.contains(*o)).collect();
        for old in marked.iter().filter(|o| snapshot.set.contains(*o)) {
            let is_fresh = |o: u32| has(fresh, of_pack(state.packs[o as usize].id).0);
            let stands = found.entry(old).or_default();
            stands.extend(is_fresh(old).then_some(new));
            if bounds.has(Fault::TrustsOldWalks) {
                continue;
            }
            for other in &elsewhere {
                match marked.contains(*other) {
                    true => stands.extend(is_fresh(*other).then_some(new)),
                    false => stands.extend([*other]),
                }
            }
        }
    }
    let replacement = |(old, new): (u32, BTreeSet<u32>)| Replacement {
        old,
        new: new.into_iter().collect(),
        extra: Extra::default(),
    };
    found.into_iter().map(replacement).collect()
}

/// Segments by the run that wrote them, each with the packs that it describes.
pub fn ids(segments: &[Runs; 8]) -> Vec<SegmentId> {
    each(there(segments)).map(|run| segment(run, segments[usize::from(run)])).collect()
}

/// The ordinals of packs that the log knows.
fn ordinals(state: &State, packs: Runs) -> Ordinals {
    let known = state.packs.iter().zip(0..);
    known.filter(|(p, _)| has(packs, of_pack(p.id).0)).map(|(_, o)| o).collect()
}

/// The packs that the log does not have yet.
fn adds(state: &State, run: Run, own: &Packs, hides: bool) -> Vec<PackAdd> {
    let new = each(there(own)).map(|r| (r, pack(r, own[usize::from(r)])));
    new.filter(|(_, id)| state.ordinal(*id).is_none())
        .map(|(r, id)| PackAdd {
            id,
            len: 1,
            session: (r != run && !hides).then(|| session(r)),
            extra: Extra::default(),
        })
        .collect()
}

fn segments(bounds: &Bounds, run: Run, own: &Packs, adds: &[PackAdd]) -> Vec<SegmentId> {
    if !bounds.has_segments || adds.is_empty() {
        Vec::new()
    } else {
        vec![segment(run, there(own))]
    }
}

/// The one pack of a run.
pub fn one(run: Run, chunks: Chunks) -> Packs {
    let mut packs = [0; 8];
    packs[usize::from(run)] = chunks;
    packs
}
