//! What must hold in every state, and what must happen in some: I1 to I8 of the design. I8, that all
//! of it holds with anybody killed and any request lost, late or repeated, is what the steps are.

use super::bounds::Bounds;
use super::collector::{self, Step as Turn};
use super::deed::Deed;
use super::history::Log;
use super::mirror;
use super::protocol::Protocol;
use super::scene::{Scene, Store};
use super::view::{Event, Snapshot, View};
use super::world::{RUNS, Run, each, has, run_of};
use super::writer::{Step, needs};
use esker_format::checkpoint::{PackState, SessionState};
use stateright::Property;

pub const SAVED: &str = "what was reported as saved is a snapshot until it is forgotten";
pub const DURABLE: &str = "I1: what an entry names is durable";
pub const CLOSED: &str = "I2: every chunk of a live snapshot is in a pack of its set that is there";
pub const GIVEN_UP: &str = "I3: no snapshot needs a pack that is given up";
pub const KEPT: &str = "I4: nothing is gone that the log did not give up";
pub const FENCED: &str = "I5: nothing of a fenced session becomes visible";
pub const GROWS: &str = "I6: the log only grows";
pub const ONCE: &str = "I7: an entry that is said twice counts once";
pub const HELD: &str = "what an open session holds stays";
pub const MIRRORED: &str = "the mirror restores what its log says";

// What can be reached.
pub const BOTH: &str = "both writers commit";
pub const UNHEARD: &str = "a commit is in the log and its writer does not know";
pub const LATE: &str = "a snapshot of a killed writer is in the log";
pub const COMMIT_REVIVES: &str = "a commit makes a marked pack live again";
pub const UNFORGET_REVIVES: &str = "an unforget makes a marked pack live again";
pub const HOLD_REVIVES: &str = "a hold makes a marked pack live again";
pub const ALIVE_FENCED: &str = "a session that is alive is fenced";
pub const AGAIN: &str = "a run starts over and commits";
pub const ADOPTED: &str = "a run commits what another one has put";
pub const ENDED: &str = "a run ends the session that it took packs from";
pub const MARK_REFUSED: &str = "a planned mark is refused";
pub const DELETE_REFUSED: &str = "a planned delete is refused";
pub const FENCED_REFUSED: &str = "a mark of a fenced collector is refused";
pub const ORPHAN: &str = "an orphan is removed";
pub const REPACKED: &str = "a pack is repacked";
pub const COPIED: &str = "a pack gives way to a copy";
pub const NARROWED: &str = "a set is narrowed";
pub const COMPACTED: &str = "segments are merged";
pub const REMOVED: &str = "a pack that is given up is removed";
pub const COMES_AGAIN: &str = "a pack that is given up comes again";
pub const COMPLETE: &str = "the mirror is complete";
pub const LISTS_AGAIN: &str = "the mirror lists again";
pub const GAP: &str = "the log of the mirror has a gap";

/// All properties: what must always hold, and what must happen where the bounds allow it.
pub fn all(bounds: &Bounds) -> Vec<Property<Protocol>> {
    let mut all = vec![
        Property::always(SAVED, |p: &Protocol, s: &Scene| is_saved(p, s)),
        Property::always(DURABLE, |_, s: &Scene| !s.is_hollow),
        Property::always(CLOSED, |p: &Protocol, s: &Scene| {
            is_closed(p, &p.history.node(s.log).view, &s.store)
        }),
        Property::always(GIVEN_UP, |p: &Protocol, s: &Scene| {
            needs_nothing_given_up(&p.history.node(s.log).view)
        }),
        Property::always(KEPT, |p: &Protocol, s: &Scene| is_kept(p, s)),
        Property::always(FENCED, |p: &Protocol, s: &Scene| {
            !p.history.node(s.log).view.was(Event::Fenced)
        }),
        Property::always(GROWS, |p: &Protocol, s: &Scene| {
            remembered(s).into_iter().flatten().all(|log| p.history.begins_with(s.log, log))
        }),
        Property::always(ONCE, |p: &Protocol, s: &Scene| {
            !p.history.node(s.log).view.was(Event::Repeatable)
        }),
        Property::always(HELD, |p: &Protocol, s: &Scene| {
            let view = &p.history.node(s.log).view;
            view.held & !view.packs_that_are(PackState::Live) == 0
        }),
    ];
    if bounds.left.syncs > 0 {
        all.push(Property::always(MIRRORED, |p: &Protocol, s: &Scene| {
            mirror::view(&p.history, s).is_none_or(|view| is_closed(p, view, &s.mirror.store))
        }));
    }
    reachable(bounds.reaches, &mut all);
    all
}

type Condition = fn(&Protocol, &Scene) -> bool;

/// What must happen somewhere, so that the rest means something.
fn reachable(names: &[&'static str], all: &mut Vec<Property<Protocol>>) {
    let mut sometimes = |name: &'static str, condition: Condition| {
        if names.contains(&name) {
            all.push(Property::sometimes(name, condition));
        }
    };
    sometimes(BOTH, |_, s: &Scene| s.writers.iter().all(|w| w.has_reported()));
    sometimes(UNHEARD, |p, s| {
        (0..2).any(|n| match s.writers[n].step {
            Step::Waiting(_, Deed::Commit { run, .. }) => {
                p.history.node(s.log).view.snapshots[usize::from(run)] == Snapshot::Live
            }
            _ => false,
        })
    });
    sometimes(LATE, |p, s| {
        let view = &p.history.node(s.log).view;
        s.writers
            .iter()
            .any(|w| w.step == Step::Down && view.snapshots[usize::from(w.run)] != Snapshot::None)
    });
    sometimes(COMMIT_REVIVES, |p, s| p.history.node(s.log).view.was(Event::CommitRevives));
    sometimes(UNFORGET_REVIVES, |p, s| p.history.node(s.log).view.was(Event::UnforgetRevives));
    sometimes(HOLD_REVIVES, |p, s| p.history.node(s.log).view.was(Event::HoldRevives));
    sometimes(ALIVE_FENCED, |p, s| {
        let view = &p.history.node(s.log).view;
        s.writers.iter().any(|w| {
            w.is_alive() && !w.has_reported() && view.session(w.run) == Some(SessionState::Aborted)
        })
    });
    sometimes(AGAIN, |_, s| {
        (0..2).any(|n| s.writers[n].has_reported() && s.writers[n].run == run_of(n, 1))
    });
    sometimes(ADOPTED, |p, s| p.history.node(s.log).view.was(Event::Adopts));
    sometimes(ENDED, |p, s| {
        s.writers.iter().any(|w| w.has_reported())
            && p.history.node(s.log).view.sessions.contains(&Some(SessionState::Aborted))
            && !p.history.node(s.log).view.was(Event::Fences)
    });
    sometimes(MARK_REFUSED, |p, s| refused(p, s, |deed| matches!(deed, Deed::Mark { .. })));
    sometimes(DELETE_REFUSED, |p, s| refused(p, s, |deed| matches!(deed, Deed::Delete { .. })));
    sometimes(FENCED_REFUSED, |p, s| {
        let view = &p.history.node(s.log).view;
        view.session(6) == Some(SessionState::Aborted)
            && refused(p, s, |deed| matches!(deed, Deed::Mark { by: 0, made, .. } if *made != 0))
    });
    sometimes(ORPHAN, |p, s| {
        let view = &p.history.node(s.log).view;
        (0..2).any(|n| {
            let writer = &s.writers[n];
            let at = usize::from(writer.run);
            view.state(writer.run).is_none() && writer.own[at] != 0 && s.store.packs[at] == 0
        })
    });
    sometimes(REPACKED, |p, s| p.history.node(s.log).view.was(Event::Repacks));
    sometimes(COPIED, |p, s| p.history.node(s.log).view.was(Event::StandsIn));
    sometimes(NARROWED, |p, s| p.history.node(s.log).view.was(Event::Narrows));
    sometimes(COMPACTED, |p, s| p.history.node(s.log).view.was(Event::Compacts));
    sometimes(REMOVED, |p, s| {
        let gone = p.history.node(s.log).view.packs_that_are(PackState::Deleting);
        each(gone).any(|r| s.store.packs[usize::from(r)] == 0)
    });
    sometimes(COMES_AGAIN, |p, s| {
        let gone = p.history.node(s.log).view.packs_that_are(PackState::Deleting);
        gone & !3 != 0 && each(gone & !3).any(|r| s.store.packs[usize::from(r)] != 0)
    });
    sometimes(COMPLETE, |p, s| {
        s.mirror.len() > 1 && s.mirror.len() == p.history.node(s.log).len + 1
    });
    sometimes(LISTS_AGAIN, |_, s| s.mirror.step == mirror::Step::Copying && s.mirror.missed);
    sometimes(GAP, |_, s| s.mirror.entries >> s.mirror.len() != 0);
}

fn refused(protocol: &Protocol, scene: &Scene, is: impl Fn(&Deed) -> bool) -> bool {
    scene.collectors.iter().any(|collector| match &collector.step {
        Turn::Planned(deed, _) => {
            is(deed) && !collector::is_good(&protocol.history, scene.log, *deed)
        }
        _ => false,
    })
}

fn is_saved(protocol: &Protocol, scene: &Scene) -> bool {
    let view = &protocol.history.node(scene.log).view;
    let there = |w: &super::writer::Writer| {
        !w.has_reported() || view.snapshots[usize::from(w.run)] != Snapshot::None
    };
    scene.writers.iter().all(there) && !view.was(Event::TakesLive)
}

/// Whether every live snapshot can be restored from a store, by its own pack set.
fn is_closed(protocol: &Protocol, view: &View, store: &Store) -> bool {
    let bounds = protocol.history.bounds();
    let described = (0..RUNS)
        .filter(|r| view.segments[*r] != 0 && store.segments[*r] == view.segments[*r])
        .fold(0, |all, r| all | view.segments[r]);
    each(view.snapshots_that_are(Snapshot::Live)).all(|snapshot| {
        let fit = |r: &Run| {
            let at = usize::from(*r);
            view.packs[at].state == Some(PackState::Live)
                && store.packs[at] == view.packs[at].chunks
                && (!bounds.has_segments || has(described, *r))
        };
        let found = each(view.sets[usize::from(snapshot)])
            .filter(fit)
            .fold(0, |all, r| all | view.packs[usize::from(r)].chunks);
        needs(bounds, snapshot) & !found == 0 && has(store.manifests, snapshot)
    })
}

fn needs_nothing_given_up(view: &View) -> bool {
    !view.was(Event::NeedsGivenUp) && view.needed() & !view.packs_that_are(PackState::Live) == 0
}

fn is_kept(protocol: &Protocol, scene: &Scene) -> bool {
    let view = &protocol.history.node(scene.log).view;
    let named = (0..RUNS as Run).all(|run| {
        let at = usize::from(run);
        let pack = match view.packs[at].state {
            Some(PackState::Live | PackState::Marked) => {
                scene.store.packs[at] == view.packs[at].chunks
            }
            Some(PackState::Deleting) | None => true,
        };
        let segment = view.segments[at] == 0 || scene.store.segments[at] == view.segments[at];
        let is_snapshot = matches!(view.snapshots[at], Snapshot::Live | Snapshot::Forgotten);
        pack && (!protocol.history.bounds().has_segments || segment)
            && (!is_snapshot || has(scene.store.manifests, run))
    });
    // What no entry names goes only when its session has ended.
    let own = scene.writers.iter().all(|writer| {
        (0..RUNS as Run).all(|run| {
            let chunks = writer.own[usize::from(run)];
            chunks == 0
                || !writer.is_alive()
                || scene.store.packs[usize::from(run)] != 0
                || view.state(run).is_some()
                || view.has_ended(run)
        })
    });
    named && own
}

/// Logs that somebody has seen.
fn remembered(scene: &Scene) -> [Option<Log>; 4] {
    let waiting = |n: usize| match scene.writers[n].step {
        Step::Waiting(log, _) | Step::Ending(log, _) => Some(log),
        _ => None,
    };
    let waits = |n: usize| match scene.collectors[n].step {
        Turn::Waiting(log, ..) => Some(log),
        _ => None,
    };
    [waiting(0), waiting(1), waits(0), waits(1)]
}
