//! Trying out what a store does, before anything relies on it.
//!
//! ```text
//! 1  five rounds: sixteen at once put different bytes under one new name, exactly one is told that it stored
//!    them, and they are read back
//! 2  ranges of what one puts alone are what was put
//! 3  a listing shows all of it
//! 4  what was put is deleted, where that is the caller's business
//! ```
//! It can only show that a store is unfit. Two machines far apart may see what sixteen threads here do not: that is
//! why [`Nature`](super::Nature) counts too.

mod round;
#[cfg(test)]
mod tests;

use self::round::{Outcome, payload, round};
use super::{Durability, Store, StoreError, StoreErrorKind};

/// The folder where probes put something.
pub const FOLDER: &str = "probe";

/// How often sixteen race.
const ROUNDS: usize = 5;
/// How often a round that tells nothing is made again.
const TRIES: usize = 4;

/// What is tried, and as what.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The time, in seconds since 1970. Names of objects begin with it, so that whoever finds one later knows that
    /// it is over.
    pub time: u64,
    /// Whether to delete what was put. Who is no business of that leaves some small objects.
    pub delete: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether of many puts under one name exactly one has its way.
    pub put_if_absent: Verdict,
    /// Whether a listing shows what was put.
    pub listing: Verdict,
    /// Whether ranges are what was put.
    pub ranges: Verdict,
    /// Whether objects can be deleted; none when that was not tried.
    pub deletes: Option<bool>,
    /// By how many seconds the store's clock is ahead of ours; none when it does not tell.
    pub clock_ahead: Option<i64>,
}

/// Whether a store does one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As far as can be seen.
    Good,
    /// It does not, for this reason.
    Bad(String),
    /// It could not be found out, for this reason.
    Unclear(String),
}

impl Verdict {
    /// Whether nothing speaks against it.
    pub fn is_good(&self) -> bool {
        *self == Self::Good
    }

    /// What speaks against it.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Good => None,
            Self::Bad(why) | Self::Unclear(why) => Some(why),
        }
    }
}

impl Probe {
    /// Tries out `store`.
    ///
    /// # Errors
    /// When the store cannot be reached, or lets us not write, read or list. Nothing is known then.
    pub fn run(self, store: &dyn Store) -> Result<Report, StoreError> {
        let mut made = Made { probe: self, names: Vec::new() };
        let found = made.try_out(store);
        let deleted = match self.delete {
            true => made.delete(store).map(Some),
            false => Ok(None),
        };
        let (put_if_absent, listing, ranges) = found?;
        let deletes = deleted?;
        let clock_ahead = store.nature().clock_ahead;
        Ok(Report { put_if_absent, listing, ranges, deletes, clock_ahead })
    }
}

/// When the probe was made that left this object, by the clock of whoever made it; none for what no probe left.
pub fn time_of(name: &str) -> Option<u64> {
    let (time, random) = name.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('-')?;
    let is_random = random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit());
    time.parse().ok().filter(|_| is_random)
}

/// Whether a probe left this in its folder: a place with nothing else in it is as good as new.
pub(super) fn is_left(name: &str) -> bool {
    time_of(&format!("{FOLDER}/{name}")).is_some()
}

/// What a probe has put, or may have.
struct Made {
    probe: Probe,
    names: Vec<String>,
}

impl Made {
    fn try_out(&mut self, store: &dyn Store) -> Result<(Verdict, Verdict, Verdict), StoreError> {
        let (race, mut shown) = self.race(store)?;
        // Whatever the race says, one that puts alone must find what it has put.
        let (name, bytes) = (self.new_name(), payload::of(round::random(), 0));
        let _ = store.put_new(&name, &[&bytes], Durability::Now)?;
        let ranges = ranges(store, &name, &bytes)?;
        shown.push(name);
        Ok((race, listing(store, &shown)?, ranges))
    }

    /// Whether exactly one of many has its way, each time; and the names that were raced for.
    fn race(&mut self, store: &dyn Store) -> Result<(Verdict, Vec<String>), StoreError> {
        let mut raced = Vec::new();
        for _ in 0..ROUNDS {
            match self.settled_round(store)? {
                (name, Outcome::Good) => raced.push(name),
                (_, Outcome::Bad(why)) => return Ok((Verdict::Bad(why), raced)),
                (_, Outcome::Unclear(why)) => return Ok((Verdict::Unclear(why), raced)),
            }
        }
        Ok((Verdict::Good, raced))
    }

    /// A round, made again as long as it tells nothing.
    fn settled_round(&mut self, store: &dyn Store) -> Result<(String, Outcome), StoreError> {
        let mut left = TRIES;
        loop {
            left -= 1;
            let name = self.new_name();
            match round(store, &name) {
                Ok(Outcome::Unclear(_)) if left > 0 => {}
                Err(error) if left > 0 && error.is_temporary() => {}
                done => return Ok((name, done?)),
            }
        }
    }

    /// A name that nobody has used before.
    fn new_name(&mut self) -> String {
        let name = format!("{FOLDER}/{}-{:016x}", self.probe.time, round::random());
        self.names.push(name.clone());
        name
    }

    /// Deletes all that was put; false when the store does not let us.
    fn delete(&self, store: &dyn Store) -> Result<bool, StoreError> {
        for name in &self.names {
            match store.delete(name) {
                Ok(()) => {}
                // One refusal is enough to know, and to be noted in somebody's log.
                Err(e) if is_refusal(e.kind) => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

fn is_refusal(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Permission | StoreErrorKind::ReadOnly | StoreErrorKind::Other)
}

/// Whether a listing shows these objects, each once.
fn listing(store: &dyn Store, names: &[String]) -> Result<Verdict, StoreError> {
    let mut found = Vec::new();
    store.list(&format!("{FOLDER}/"), &mut |listed| {
        if names.contains(&listed.name) {
            found.push(listed);
        }
    })?;
    for name in names {
        let sizes: Vec<u64> = found.iter().filter(|f| f.name == *name).map(|f| f.size).collect();
        let len = payload::LEN as u64;
        let why = match sizes[..] {
            [size] if size == len => continue,
            [size] => format!("a listing says that an object of {len} bytes has {size}"),
            [] => "a listing does not show an object that was just put".to_owned(),
            _ => format!("a listing shows one object {} times", sizes.len()),
        };
        return Ok(Verdict::Bad(why));
    }
    Ok(Verdict::Good)
}

/// Whether ranges of the object are what was put.
fn ranges(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<Verdict, StoreError> {
    let mut out = Vec::new();
    for (offset, len) in [(0, 1), (0, bytes.len()), (payload::LEN / 3, 57), (bytes.len() - 1, 1)] {
        match store.get_range(name, offset as u64, len, &mut out) {
            Ok(()) if out == bytes[offset..offset + len] => {}
            Err(e) if e.kind != StoreErrorKind::Truncated => return Err(e),
            _ => {
                let why = format!("{len} bytes from byte {offset} on are not those that were put");
                return Ok(Verdict::Bad(why));
            }
        }
    }
    Ok(match store.get_range(name, bytes.len() as u64 - 1, 2, &mut out) {
        Err(e) if e.kind == StoreErrorKind::Truncated => Verdict::Good,
        Err(e) => return Err(e),
        Ok(()) => Verdict::Bad("bytes behind the end of an object can be read".to_owned()),
    })
}
