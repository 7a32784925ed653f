//! The log in a source, and how it comes into a copy.

use super::error::Error;
use super::mirror::is_marked;
use super::object::Object;
use super::transfer::Transfer;
use super::{Bad, Report};
use crate::store::{Durability, Put, Store, StoreErrorKind};
use esker_format::envelope::FLAG_DELETES;
use esker_format::ids::Seq;
use esker_format::{names, signed};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// Bytes of entries that are kept between looking at them and putting them; others are read twice.
const KEPT: usize = 16 << 20;

/// The first number from `from` on that a log does not have. All numbers below `from` are there.
///
/// It is found by probing, because a listing may be of another moment, and have names that are nobody's.
pub fn find_end(store: &dyn Store, from: u64) -> Result<u64, Error> {
    let has =
        |seq: u64| -> Result<bool, Error> { Ok(store.size(&names::entry(Seq(seq)))?.is_some()) };
    let (mut low, mut step) = (from, 1);
    while has(low + step - 1)? {
        low += step;
        step *= 2;
    }
    // All up to `low` are there, and the one before `high` is not.
    let mut high = low + step - 1;
    while low < high {
        let middle = low + (high - low) / 2;
        if has(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Whether one of these entries says, readable for all, that objects may go. Of one that cannot be read
/// it is not known that it does not.
pub fn lets_go(store: &dyn Store, entries: Range<u64>) -> Result<bool, Error> {
    for seq in entries {
        let object = Object::Entry(Seq(seq));
        let mut bytes = Vec::new();
        match store.get(&object.name(), object.limit(), &mut bytes) {
            Ok(()) if !deletes(&bytes) => {}
            Err(e) if e.is_temporary() => return Err(e.into()),
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// Newer ones may have another sign for it.
fn deletes(entry: &[u8]) -> bool {
    match signed::read_header(entry, entry.len()) {
        Ok((header, _)) => header.flags & FLAG_DELETES != 0,
        Err(_) => true,
    }
}

/// Entries on their way into a copy.
pub struct Entries<'e> {
    transfer: &'e Transfer<'e>,
    range: Range<u64>,
    kept: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl<'e> Entries<'e> {
    pub fn new(transfer: &'e Transfer<'e>, range: Range<u64>) -> Self {
        Self { transfer, range, kept: Mutex::default() }
    }

    /// Copies them, up to the first one that is damaged.
    pub fn copy(mut self, report: &mut Report) -> Result<(), Error> {
        self.cut_off_damage(report)?;
        self.put(report)?;
        report.end = self.range.end;
        Ok(())
    }

    /// Looks at all of them first: behind one that is damaged nobody reads, and what stood there would
    /// be in the way when it is replaced.
    fn cut_off_damage(&mut self, report: &mut Report) -> Result<(), Error> {
        let todo: Vec<_> = self.range.clone().map(|seq| (Object::Entry(Seq(seq)), 0)).collect();
        let bad: Mutex<BTreeMap<u64, Bad>> = Mutex::default();
        let kept_bytes = std::sync::atomic::AtomicUsize::new(0);
        self.transfer.each(&todo, |object, _| {
            let Object::Entry(Seq(seq)) = object else { return Ok(()) };
            match self.transfer.read_sound(object)? {
                Ok(bytes) if kept_bytes.fetch_add(bytes.len(), Ordering::Relaxed) < KEPT => {
                    lock(&self.kept).insert(seq, bytes);
                }
                Ok(_) => {}
                Err(why) => drop(lock(&bad).insert(seq, Bad { name: object.name(), why })),
            }
            Ok(())
        })?;
        let bad = bad.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = bad.keys().next() {
            self.range.end = *first;
        }
        report.bad.extend(bad.into_values());
        Ok(())
    }

    /// Puts them from the newest downwards, one after the other (decision 0026): what is above the copy's log is read by nobody until the
    /// last one closes the gap, and then all of them are there.
    fn put(&self, report: &mut Report) -> Result<(), Error> {
        let Transfer { destination, progress, stop, .. } = *self.transfer;
        if self.range.is_empty() {
            return Ok(());
        }
        if !is_marked(destination)? {
            // Somebody took it into service meanwhile, and its log is its own from there on.
            let what = names::CONFIG.to_owned();
            return Err(Error::NotACopy { location: destination.location(), what });
        }
        for seq in self.range.clone().rev() {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let object = Object::Entry(Seq(seq));
            let is_last = seq == self.range.start;
            if is_last {
                // After a power cut too the gap is closed only when everything above it is there.
                destination.barrier()?;
            }
            let bytes = self.bytes(object, seq)?;
            let durability = if is_last { Durability::Now } else { Durability::AtBarrier };
            match destination.put_new(&object.name(), &[&bytes], durability)? {
                Put::Stored => {
                    report.entries += 1;
                    report.bytes += bytes.len() as u64;
                }
                Put::Exists => self.expect_ours(object, &bytes)?,
            }
            progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn bytes(&self, object: Object, seq: u64) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = lock(&self.kept).remove(&seq) {
            return Ok(bytes);
        }
        let read = self.transfer.read_sound(object)?;
        read.map_err(|why| {
            let location = self.transfer.source.location();
            let source = crate::store::StoreError::new(
                StoreErrorKind::Other,
                "read",
                location,
                object.name(),
            );
            Error::Store(source.because(why))
        })
    }

    /// Fails when another one has its place: of a sync from elsewhere, or of somebody who took the copy
    /// into service meanwhile.
    fn expect_ours(&self, object: Object, bytes: &[u8]) -> Result<(), Error> {
        let mut found = Vec::new();
        self.transfer.destination.get(&object.name(), object.limit(), &mut found)?;
        match found == bytes {
            true => Ok(()),
            false => Err(Error::Diverged {
                object: object.name(),
                location: self.transfer.destination.location(),
            }),
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
