//! What objects look like when they are damaged.

use std::collections::BTreeMap;

/// One thing that is wrong with an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    Flip(u64),
    Truncate(u64),
    Hide,
}

/// The damages of all objects, by name, in the order in which they were done.
#[derive(Debug, Default)]
pub(super) struct Damages(BTreeMap<String, Vec<Damage>>);

impl Damages {
    pub(super) fn add(&mut self, name: &str, damage: Damage) {
        self.0.entry(name.to_owned()).or_default().push(damage);
    }

    fn of(&self, name: &str) -> &[Damage] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_hidden(&self, name: &str) -> bool {
        self.of(name).iter().any(|d| matches!(d, Damage::Hide))
    }

    /// The size that an object of `size` bytes seems to have, `None` when it is hidden.
    pub(super) fn size(&self, name: &str, size: u64) -> Option<u64> {
        self.of(name).iter().try_fold(size, |size, damage| match *damage {
            Damage::Hide => None,
            Damage::Truncate(len) => Some(size.min(len)),
            Damage::Flip(_) => Some(size),
        })
    }

    /// Damages the bytes of an object from `offset` on.
    pub(super) fn apply(&self, name: &str, offset: u64, bytes: &mut Vec<u8>) {
        for damage in self.of(name) {
            match *damage {
                Damage::Hide => {}
                Damage::Truncate(len) => {
                    let left = len.saturating_sub(offset).min(bytes.len() as u64);
                    bytes.truncate(left as usize);
                }
                Damage::Flip(bit) => {
                    let place = (bit / 8).checked_sub(offset).map(|at| at as usize);
                    if let Some(byte) = place.and_then(|at| bytes.get_mut(at)) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
            }
        }
    }
}
