//! What goes wrong while somebody reads, told once.

use crate::browse::lock;
use crate::repository::Error;
use crate::repository::view::View;
use esker_format::ids::SnapshotId;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Errors that are told; whoever reads a device from end to end would have one for each chunk.
const TOLD_MAX: usize = 20;

/// What goes wrong.
#[derive(Debug)]
pub enum Event<'e> {
    /// Some bytes, from an offset in the device on, cannot be read from the snapshot.
    Unreadable(u64, &'e Error),
    /// The overlay cannot be read or written.
    Overlay(&'e std::io::Error),
    /// The snapshot was forgotten, and a collection has taken what it needs.
    Collected,
    /// There is more that goes wrong than is told.
    More,
    /// There are as many connections as may be; another one was sent away.
    Crowded,
}

/// Who is told.
pub type Observer = Box<dyn Fn(Event<'_>) + Send + Sync>;

/// What was told.
pub struct Trouble {
    observer: Observer,
    view: Arc<View>,
    snapshot: SnapshotId,
    told: Mutex<BTreeSet<String>>,
    is_collected: AtomicBool,
}

impl Trouble {
    /// With a snapshot of a view.
    pub fn new(view: Arc<View>, snapshot: SnapshotId, observer: Observer) -> Self {
        let (told, is_collected) = (Mutex::default(), AtomicBool::new(false));
        Self { observer, view, snapshot, told, is_collected }
    }

    /// Bytes could not be read.
    pub(super) fn unreadable(&self, offset: u64, error: &Error) {
        if self.is_collected.load(Ordering::Relaxed) || !self.is_new(&error.to_string()) {
            return;
        }
        if error.is_damage() && self.view.has_lost(&self.snapshot) {
            if !self.is_collected.swap(true, Ordering::Relaxed) {
                (self.observer)(Event::Collected);
            }
            return;
        }
        (self.observer)(Event::Unreadable(offset, error));
    }

    /// The overlay says no.
    pub(super) fn overlay(&self, error: &std::io::Error) {
        if self.is_new(&format!("overlay: {error}")) {
            (self.observer)(Event::Overlay(error));
        }
    }

    /// There are too many connections.
    pub(super) fn crowded(&self) {
        if self.is_new("crowded") {
            (self.observer)(Event::Crowded);
        }
    }

    /// Whether this was not told yet, and is to be.
    fn is_new(&self, text: &str) -> bool {
        let mut told = lock(&self.told);
        if told.len() > TOLD_MAX || !told.insert(text.to_owned()) {
            return false;
        }
        if told.len() > TOLD_MAX {
            drop(told);
            (self.observer)(Event::More);
            return false;
        }
        true
    }
}
