//! What can be done about what no copy has, and what snapshots lose all the same. Nothing is changed here.

use super::{Described, Lost, Wrong};
use crate::repository::check::packs::Scanner;
use crate::repository::check::{self, Bad, Finding, Progress, Report};
use crate::repository::checkpoint::{Candidate, candidates, damaged_ones};
use crate::repository::error::{Error, Result};
use crate::repository::gc::expect_understood;
use crate::repository::state::Segment;
use crate::repository::{Repository, Session};
use esker_format::checkpoint::PackState;
use esker_format::ids::{Seq, SessionId, SnapshotId};
use esker_format::log_entry::ROLE_COLLECT;
use esker_format::names;
use esker_format::ordinals::Ordinals;
use esker_format::segment::SegmentPack;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

/// What becomes of an object that no copy has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// A segment is made anew, from the packs themselves.
    Rebuilt,
    /// A pack that no segment describes gets one.
    Described,
    /// What is sound in a pack goes into new ones: so many chunks of so many.
    Salvaged {
        /// Chunks that are sound.
        chunks: u64,
        /// Chunks that it had.
        of: u64,
    },
    /// Nothing of a pack is left: it is taken out of use.
    GivenUp,
    /// A checkpoint is written anew.
    Renewed,
    /// Nothing; and what could be done, in words.
    None(String),
}

/// An object, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
    /// What becomes of it.
    pub cure: Cure,
}

/// Whether whoever reads the log anew gets past entries that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastHoles {
    /// There are none, or nothing leads past them.
    None,
    /// A checkpoint does.
    Checkpoint,
    /// A checkpoint is going to: this machine has read on before the entries were lost.
    New,
}

/// What is going to be done.
pub struct Plan {
    /// Objects, and what becomes of each.
    pub objects: Vec<Object>,
    /// What snapshots lose all the same, by paths and snapshots.
    pub lost: Vec<Finding>,
    /// Snapshots that are going to be marked as damaged.
    pub marked: Vec<SnapshotId>,
    /// Snapshots that are marked as damaged, and are whole.
    pub mended: Vec<SnapshotId>,
    /// How the log is not the one that this machine has seen before.
    pub doubt: Option<String>,
    /// Whether something leads past the holes of the log.
    pub past_holes: PastHoles,
    /// Whether content was looked at, which needs the owner's key.
    pub has_walked: bool,
    pub(super) segments: Vec<Segment>,
    /// Packs that no sound segment describes, as they describe themselves.
    pub(super) undescribed: Vec<SegmentPack>,
    pub(super) packs: Vec<u32>,
    /// Packs that the log knows to be damaged, and that have something all the same.
    pub(super) known: Vec<u32>,
    /// Whether a snapshot is whole and its set still has a damaged pack.
    pub(super) refits: bool,
    pub(super) checkpoints: Vec<String>,
    pub(super) may_append: bool,
    pub(super) session: SessionId,
}

impl Plan {
    /// Whether there is something to do.
    pub fn is_empty(&self) -> bool {
        let objects = self.objects.iter().any(|object| !matches!(object.cure, Cure::None(_)));
        let marks = !(self.marked.is_empty() && self.mended.is_empty()) || self.refits;
        let marks = marks || self.past_holes == PastHoles::New;
        !objects && (!self.may_append || !marks)
    }

    /// Whether marks of snapshots can be set and taken back.
    pub const fn may_mark(&self) -> bool {
        self.may_append
    }
}

/// Plans what to do about the objects that no copy has brought back, and about holes in the log.
///
/// # Errors
/// When store or index fail, or the run is stopped.
pub fn plan(
    repository: &mut Repository,
    (wrong, described): (Vec<Wrong>, Described),
    holes: &[Seq],
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Plan> {
    // What was damaged when it was looked at may have come back from a copy.
    repository.presence.forget();
    repository.extents.forget();
    let blocked = blocked(repository)?;
    let mut plan = Plan {
        objects: Vec::new(),
        lost: Vec::new(),
        marked: Vec::new(),
        mended: Vec::new(),
        has_walked: repository.access().reading().is_ok(),
        segments: Vec::new(),
        undescribed: Vec::new(),
        packs: Vec::new(),
        known: Vec::new(),
        refits: false,
        checkpoints: Vec::new(),
        doubt: repository.doubt.map(|doubt| doubt.to_string()),
        past_holes: PastHoles::None,
        may_append: blocked.is_none(),
        session: Session::new_id(),
    };
    let mut bad = Bad::default();
    let is_segment = |wrong: &Wrong| matches!(wrong.lost, Lost::Segment(_));
    let (segments, others): (Vec<Wrong>, Vec<Wrong>) = wrong.into_iter().partition(is_segment);
    for wrong in segments {
        plan.add(repository, wrong, blocked.as_deref(), &mut bad)?;
    }
    plan.add_undescribed(repository, described, blocked.is_none())?;
    for wrong in others {
        plan.add(repository, wrong, blocked.as_deref(), &mut bad)?;
    }
    plan.add_known(repository, blocked.as_deref(), &mut bad)?;
    for name in damaged_ones(repository.store())? {
        let cure = blocked.clone().map_or(Cure::Renewed, Cure::None);
        let why = "is damaged: checkpoint: checksum mismatch".to_owned();
        plan.objects.push(Object { name: name.clone(), why, cure });
        plan.checkpoints.push(name);
    }
    if let Some(last) = holes.iter().max() {
        plan.past_holes = past(repository, *last, &plan.checkpoints, blocked.is_none())?;
    }
    if plan.has_walked {
        plan.walk(repository, &bad, progress, stop)?;
    }
    Ok(plan)
}

/// Why nothing can be appended, with what to do about it; none when something can.
fn blocked(repository: &Repository) -> Result<Option<String>> {
    let expected = repository
        .expect_role(ROLE_COLLECT, "repair")
        .and_then(|()| expect_understood(repository))
        .and_then(|()| repository.expect_appendable());
    match expected {
        Ok(()) => Ok(None),
        Err(Error::Mirror { .. }) => Ok(Some(
            "this is a copy: nothing is made anew in it; name the repository with --from"
                .to_owned(),
        )),
        Err(Error::NoRight { why, .. }) => {
            Ok(Some(format!("this key may not make it anew: {why}; use the owner's key")))
        }
        Err(error) if error.is_damage() || matches!(error, Error::Newer { .. }) => Ok(Some(
            format!("nothing can be appended to the log, so nothing is made anew: {error}"),
        )),
        Err(error) => Err(error),
    }
}

impl Plan {
    /// Finds the packs that no sound segment describes. Where no segment is lost, the one that did was given up in an
    /// earlier repair, when such a pack was lost as well; it has come back since.
    fn add_undescribed(
        &mut self,
        repository: &mut Repository,
        mut described: Described,
        may_append: bool,
    ) -> Result<()> {
        if !may_append || (self.segments.is_empty() && !self.has_walked) {
            return Ok(());
        }
        self.undescribed = described.others(repository)?;
        if self.segments.is_empty() {
            let (why, cure) = ("is not described by any segment", Cure::Described);
            self.objects.extend(self.undescribed.iter().map(|pack| Object {
                name: names::pack(pack.id),
                why: why.to_owned(),
                cure: cure.clone(),
            }));
        }
        // From here on it is known what they have.
        repository.index_segments(&self.undescribed, &[])
    }

    fn add(
        &mut self,
        repository: &Repository,
        wrong: Wrong,
        blocked: Option<&str>,
        bad: &mut Bad,
    ) -> Result<()> {
        let Wrong { name, why, lost, .. } = wrong;
        let state = repository.state();
        let blocked = blocked.map(|why| Cure::None(why.to_owned()));
        let cure = match lost {
            Lost::Segment(segment) if repository.access().has_scope(segment.scope) => {
                self.segments.push(segment);
                blocked.unwrap_or(Cure::Rebuilt)
            }
            Lost::Segment(_) => Cure::None(
                "it is of another scope: use the owner's key, or its writer's".to_owned(),
            ),
            Lost::Manifest(id) => match state.live_snapshots().any(|s| s.id == id) {
                true => Cure::None(format!(
                    "nothing but a copy has what it said: name one with --from, or let `esker forget {id}` take \
                     the snapshot from the list"
                )),
                // Nobody asks for it any more.
                false => return Ok(()),
            },
            // Those are seen to in a turn of their own.
            Lost::Pack(ordinal) if state.packs[ordinal as usize].damaged => return Ok(()),
            Lost::Pack(ordinal) => {
                let cure = pack(repository, ordinal, bad)?;
                if !state.needed()[ordinal as usize] {
                    return Ok(());
                }
                if matches!(cure, Cure::Salvaged { .. } | Cure::GivenUp) {
                    self.packs.push(ordinal);
                }
                blocked.unwrap_or(cure)
            }
        };
        self.objects.push(Object { name, why, cure });
        Ok(())
    }

    /// Looks at the packs that the log says are damaged. What was sound in them was saved; but one may have come back
    /// from a copy since, and nothing relies on it as it is.
    fn add_known(
        &mut self,
        repository: &Repository,
        blocked: Option<&str>,
        bad: &mut Bad,
    ) -> Result<()> {
        let mut lookup = repository.lookup_in_all()?;
        for (ordinal, known) in (0..).zip(&repository.state().packs) {
            if !known.damaged || known.state == PackState::Deleting {
                continue;
            }
            let cure = pack(repository, ordinal, bad)?;
            let Cure::Salvaged { of, .. } = cure else { continue };
            let Some(row) = lookup.pack_if_there(ordinal)? else { continue };
            lookup.within(row.scope);
            let (mut only_here, mut chunks) = (0, row.pack.chunks.iter());
            for (frame, head) in (0..).zip(&row.pack.frames) {
                for (prefix, _) in chunks.by_ref().take(head.chunks as usize) {
                    let is_sound = !bad.has(ordinal, frame);
                    only_here += u64::from(is_sound && lookup.find_prefix(prefix)?.is_none());
                }
            }
            if only_here == 0 {
                continue;
            }
            self.known.push(ordinal);
            let why = "was marked as damaged".to_owned();
            let cure = Cure::Salvaged { chunks: only_here, of };
            let cure = blocked.map_or(cure, |why| Cure::None(why.to_owned()));
            self.objects.push(Object { name: names::pack(known.id), why, cure });
        }
        Ok(())
    }

    /// Walks all snapshots: what each loses, and which of those that are marked are whole.
    fn walk(
        &mut self,
        repository: &mut Repository,
        bad: &Bad,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> Result<()> {
        let mut report = Report::default();
        check::walk(repository, &mut report, bad, progress, stop)?;
        let mut lossy = BTreeSet::new();
        for finding in &report.findings {
            if let Finding::Path { snapshot, .. } | Finding::Snapshot { snapshot, .. } = finding {
                lossy.insert(*snapshot);
            }
        }
        let live: HashMap<SnapshotId, bool> =
            repository.state().live_snapshots().map(|s| (s.id, s.damaged)).collect();
        self.marked = lossy.iter().filter(|id| live.get(id) == Some(&false)).copied().collect();
        let whole = live.iter().filter(|(id, damaged)| **damaged && !lossy.contains(id));
        self.mended = whole.map(|(id, _)| *id).collect();
        self.mended.sort();
        let state = repository.state();
        let damaged = state.packs.iter().zip(0u32..).filter(|(pack, _)| pack.damaged);
        let damaged: Ordinals = damaged.map(|(_, ordinal)| ordinal).collect();
        let whole = state.live_snapshots().filter(|s| !lossy.contains(&s.id));
        self.refits = whole.into_iter().any(|snapshot| snapshot.set.meets(&damaged));
        self.lost = report.findings;
        Ok(())
    }
}

/// Whether something leads past the last hole of the log.
fn past(
    repository: &Repository,
    last: Seq,
    damaged: &[String],
    may_append: bool,
) -> Result<PastHoles> {
    if repository.state().next() <= last {
        return Ok(PastHoles::None);
    }
    let found = candidates(repository.store())?;
    let leads = |c: &Candidate| c.seq >= last && !damaged.contains(&c.name);
    Ok(match (found.iter().any(leads), may_append) {
        (true, _) => PastHoles::Checkpoint,
        (false, true) => PastHoles::New,
        (false, false) => PastHoles::None,
    })
}

/// What can be done about a pack; what of it is not sound is noted.
fn pack(repository: &Repository, ordinal: u32, bad: &mut Bad) -> Result<Cure> {
    if repository.access().reading().is_err() {
        bad.add_pack(ordinal);
        return Ok(Cure::None(
            "what of it is sound can be saved with the owner's key; name a copy that has it with --from"
                .to_owned(),
        ));
    }
    let id = repository.state().packs[ordinal as usize].id;
    let mut scanned = Scanner::new(repository)?.scan(id, ordinal)?;
    // What cannot be read is not lost: nothing is made of it that could not be undone.
    if let Some(error) = scanned.take_unreadable() {
        return Err(error);
    }
    let known = repository.lookup_in_all()?.pack_if_there(ordinal)?;
    let of = known.map_or(0, |known| known.pack.chunks.len() as u64);
    if scanned.chunks() == 0 {
        bad.add_pack(ordinal);
        return Ok(Cure::GivenUp);
    }
    scanned.bad_frames().for_each(|frame| bad.add_frame(ordinal, frame));
    Ok(Cure::Salvaged { chunks: scanned.chunks(), of })
}
