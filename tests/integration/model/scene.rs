//! A state of the model: the log, the store, what is on its way to it, and where everybody is.

use super::bounds::Left;
use super::collector::Collector;
use super::deed::Deed;
use super::history::Log;
use super::mirror::Mirror;
use super::world::{Chunks, Packs, RUNS, Run, Runs, only, there};
use super::writer::Writer;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Pack,
    Segment,
    Manifest,
}

/// Objects, by the runs that wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Objects {
    pub packs: Runs,
    pub segments: Runs,
    pub manifests: Runs,
}

impl Objects {
    pub const fn of(&self, kind: Kind) -> Runs {
        match kind {
            Kind::Pack => self.packs,
            Kind::Segment => self.segments,
            Kind::Manifest => self.manifests,
        }
    }

    pub const fn of_mut(&mut self, kind: Kind) -> &mut Runs {
        match kind {
            Kind::Pack => &mut self.packs,
            Kind::Segment => &mut self.segments,
            Kind::Manifest => &mut self.manifests,
        }
    }

    pub const fn any(&self) -> Runs {
        self.packs | self.segments | self.manifests
    }

    pub const fn without(&self, other: &Self) -> Self {
        Self {
            packs: self.packs & !other.packs,
            segments: self.segments & !other.segments,
            manifests: self.manifests & !other.manifests,
        }
    }

    /// Every one of them.
    pub fn each(&self) -> impl Iterator<Item = (Kind, Run)> {
        let kinds = [Kind::Pack, Kind::Segment, Kind::Manifest];
        let all = kinds.map(|kind| (kind, self.of(kind)));
        all.into_iter()
            .flat_map(|(kind, runs)| super::world::each(runs).map(move |run| (kind, run)))
    }
}

/// A store: what each object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Store {
    pub packs: Packs,
    /// Which packs each segment describes.
    pub segments: [Runs; RUNS],
    pub manifests: Runs,
}

impl Store {
    pub fn list(&self) -> Objects {
        Objects {
            packs: there(&self.packs),
            segments: there(&self.segments),
            manifests: self.manifests,
        }
    }

    pub const fn remove(&mut self, kind: Kind, run: Run) {
        match kind {
            Kind::Pack => self.packs[run as usize] = 0,
            Kind::Segment => self.segments[run as usize] = 0,
            Kind::Manifest => self.manifests &= !only(run),
        }
    }

    /// Copies one object; false when it is not there.
    pub fn copy(&mut self, from: &Self, kind: Kind, run: Run) -> bool {
        let at = usize::from(run);
        match kind {
            Kind::Pack => self.packs[at] = from.packs[at],
            Kind::Segment => self.segments[at] = from.segments[at],
            Kind::Manifest => self.manifests |= from.manifests & only(run),
        }
        super::world::has(self.list().of(kind), run)
    }
}

/// A request on its way. One that never arrives was lost; one whose sender is dead or no longer
/// waits is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    /// What a run puts, all of it durable at once: it waits for all anyway.
    Put {
        run: Run,
        pack: Chunks,
        segment: Runs,
        manifest: bool,
    },
    /// An entry for the number after this log, put if that is free.
    Append {
        log: Log,
        deed: Deed,
    },
    Remove {
        kind: Kind,
        run: Run,
    },
    /// A log entry of the mirror, by its number.
    Mirror {
        entry: u8,
    },
}

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scene {
    pub log: Log,
    pub store: Store,
    /// What is on its way, in order.
    pub flight: Vec<Message>,
    pub writers: [Writer; 2],
    pub collectors: [Collector; 2],
    pub mirror: Mirror,
    pub left: Left,
    /// I1: an entry was appended whose objects were not there.
    pub is_hollow: bool,
}

impl Scene {
    pub fn send(&mut self, message: Message) {
        if let Err(at) = self.flight.binary_search(&message) {
            self.flight.insert(at, message);
        }
    }

    pub fn forget(&mut self, message: &Message) {
        if let Ok(at) = self.flight.binary_search(message) {
            self.flight.remove(at);
        }
    }
}
