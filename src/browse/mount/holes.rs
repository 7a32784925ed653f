//! What images take without their holes, counted once for each.

use crate::browse::lock;
use crate::browse::part::Part;
use crate::repository::Result;
use std::collections::HashMap;
use std::sync::Mutex;

/// Images and partitions that are remembered at most.
const COUNTED: usize = 4096;

/// By the number of the place.
#[derive(Default)]
pub struct Holes(Mutex<HashMap<u64, u64>>);

impl Holes {
    /// Bytes of a part that are no holes. All of its list is read for it.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn taken(&self, number: u64, part: &Part) -> Result<u64> {
        if let Some(taken) = lock(&self.0).get(&number) {
            return Ok(*taken);
        }
        let (mut at, mut taken) = (0, 0);
        while let Some(stretch) = part.stretch(at)? {
            at += stretch.len;
            taken += if stretch.is_zero { 0 } else { stretch.len };
        }
        let mut counted = lock(&self.0);
        if counted.len() >= COUNTED {
            counted.clear();
        }
        counted.insert(number, taken);
        Ok(taken)
    }
}
