//! What goes wrong, and how often. Each seed has odds of its own, and many of them are zero: what
//! hides behind frequent faults shows where there are few.

use super::random::Random;
use crate::store::Operation;
use esker_format::names;

/// Kinds of calls, as far as the counters tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    PutPack,
    PutSegment,
    PutManifest,
    PutEntry,
    PutOther,
    Barrier,
    Get,
    List,
    Delete,
}

impl Step {
    pub fn of(operation: Operation, name: &str) -> Self {
        match operation {
            Operation::PutNew if name.starts_with(names::PACKS) => Self::PutPack,
            Operation::PutNew if name.starts_with(names::INDEX) => Self::PutSegment,
            Operation::PutNew if name.starts_with(names::SNAPSHOTS) => Self::PutManifest,
            Operation::PutNew if name.starts_with(names::LOG) => Self::PutEntry,
            Operation::PutNew => Self::PutOther,
            Operation::Barrier => Self::Barrier,
            Operation::Get | Operation::GetRange | Operation::Size => Self::Get,
            Operation::List => Self::List,
            Operation::Delete => Self::Delete,
        }
    }

    /// Whether it changes the store.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Barrier | Self::Get | Self::List)
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done.
    Good,
    /// It never arrives, and fails.
    Lost,
    /// It is done, and fails.
    AnswerLost,
    /// It fails, and is done some time later.
    Late,
    /// It is done, and once more some time later.
    Repeated,
    /// The process is killed before.
    KilledBefore,
    /// The process is killed behind it.
    KilledAfter,
    /// The machine of the process sleeps for a week before.
    Suspended,
    /// The power of the store fails, and all who use it die.
    PowerCut,
}

/// How often each of them happens, of ten thousand calls.
pub struct Odds {
    lost: u64,
    answer_lost: u64,
    late: u64,
    repeated: u64,
    killed: u64,
    suspended: u64,
    power_cut: u64,
}

impl Odds {
    pub fn draw(random: &mut Random) -> Self {
        let mut odds = |all: &[u64]| random.pick(all);
        Self {
            lost: odds(&[0, 10, 60]),
            answer_lost: odds(&[0, 20, 200]),
            late: odds(&[0, 20, 200]),
            repeated: odds(&[0, 100, 500]),
            killed: odds(&[0, 20, 80, 200]),
            suspended: odds(&[0, 20, 60]),
            power_cut: odds(&[0, 0, 0, 5, 15]),
        }
    }

    pub fn fate(&self, step: Step, random: &mut Random) -> Fate {
        let writes = step.writes();
        let of_writes = |odds| if writes { odds } else { 0 };
        // What can be interrupted in interesting places is.
        let killed = if step == Step::Get { self.killed / 4 } else { self.killed };
        let all = [
            (self.lost, Fate::Lost),
            (of_writes(self.answer_lost), Fate::AnswerLost),
            (of_writes(self.late), Fate::Late),
            (of_writes(self.repeated), Fate::Repeated),
            (killed / 2, Fate::KilledBefore),
            (killed / 2, Fate::KilledAfter),
            (self.suspended, Fate::Suspended),
            (self.power_cut, Fate::PowerCut),
        ];
        let mut at = random.below(10_000);
        for (odds, fate) in all {
            match at.checked_sub(odds) {
                Some(rest) => at = rest,
                None => return fate,
            }
        }
        Fate::Good
    }
}
