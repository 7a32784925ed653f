//! What images take without their holes, counted once for each.

use crate::browse::lock;
use crate::browse::part::Part;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Images and partitions that are remembered at most.
const COUNTED: usize = 4096;

/// How long is counted for one of them: a list that an enemy wrote may take any time.
const PATIENCE: Duration = Duration::from_millis(500);

/// By the number of the place; none where it could not be counted.
#[derive(Default)]
pub struct Holes(Mutex<HashMap<u64, Option<u64>>>);

impl Holes {
    /// Bytes of a part that are no holes; none when its list cannot be read, or takes too long. All of it is read
    /// once.
    pub fn taken(&self, number: u64, part: &Part) -> Option<u64> {
        if let Some(taken) = lock(&self.0).get(&number) {
            return *taken;
        }
        let taken = count(part);
        let mut counted = lock(&self.0);
        if counted.len() >= COUNTED {
            counted.clear();
        }
        counted.insert(number, taken);
        taken
    }
}

fn count(part: &Part) -> Option<u64> {
    let (mut at, mut taken, begun) = (0, 0, Instant::now());
    // Who reads what is damaged hears of it.
    while let Some(stretch) = part.stretch(at).ok()? {
        at += stretch.len;
        taken += if stretch.is_zero { 0 } else { stretch.len };
        if begun.elapsed() > PATIENCE {
            return None;
        }
    }
    Some(taken)
}
