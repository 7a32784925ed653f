//! Who does the next step. Exactly one actor runs at a time, and every call to the store ends with
//! a choice of the next one. Time passes with the steps.

use super::random::Random;

/// A step takes so many seconds at most.
const STEP: u64 = 900;
/// After so many steps the weights are drawn anew.
const SEASON: u64 = 150;

/// What an actor is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It waits for its turn, and not before this moment.
    Waits(u64),
    Runs,
    Over,
}

/// All actors, and the time.
pub struct Schedule {
    standings: Vec<Standing>,
    weights: Vec<u64>,
    /// How often, of ten thousand, the actor that ran last goes on.
    stickiness: u64,
    /// Seconds since the beginning.
    pub now: u64,
    pub steps: u64,
    /// Whose turn it is.
    pub turn: Option<usize>,
}

impl Schedule {
    pub fn new(actors: usize, random: &mut Random) -> Self {
        Self {
            standings: vec![Standing::Waits(0); actors],
            weights: vec![1; actors],
            stickiness: random.pick(&[0, 5_000, 8_500, 9_500]),
            now: 0,
            steps: 0,
            turn: None,
        }
    }

    /// The actor lets others go on, and wants to itself at `moment` or later.
    pub fn wait(&mut self, actor: usize, moment: u64) {
        self.standings[actor] = Standing::Waits(moment);
    }

    pub fn over(&mut self, actor: usize) {
        self.standings[actor] = Standing::Over;
    }

    pub fn is_over(&self) -> bool {
        self.standings.iter().all(|standing| *standing == Standing::Over)
    }

    /// Passes the turn on; to nobody when all are over.
    pub fn choose(&mut self, last: Option<usize>, random: &mut Random) {
        self.steps += 1;
        self.now += random.below(STEP);
        if self.steps.is_multiple_of(SEASON) {
            self.weights.iter_mut().for_each(|weight| *weight = random.pick(&[1, 1, 4, 16]));
        }
        let wakes = self.standings.iter().filter_map(|standing| match standing {
            Standing::Waits(moment) => Some(*moment),
            Standing::Runs | Standing::Over => None,
        });
        let Some(first) = wakes.min() else {
            self.turn = None;
            return;
        };
        // When all sleep, the night is short.
        self.now = self.now.max(first);
        let chosen = match last.filter(|last| self.is_ready(*last)) {
            Some(last) if random.chance(self.stickiness) => last,
            _ => self.draw(random),
        };
        self.standings[chosen] = Standing::Runs;
        self.turn = Some(chosen);
    }

    fn is_ready(&self, actor: usize) -> bool {
        matches!(self.standings[actor], Standing::Waits(moment) if moment <= self.now)
    }

    /// One of those who are ready, of which there is one.
    fn draw(&self, random: &mut Random) -> usize {
        let ready: Vec<usize> = (0..self.weights.len()).filter(|a| self.is_ready(*a)).collect();
        let total = ready.iter().map(|a| self.weights[*a]).sum();
        let mut at = random.below(total);
        for actor in &ready {
            match at.checked_sub(self.weights[*actor]) {
                Some(rest) => at = rest,
                None => return *actor,
            }
        }
        ready[0]
    }
}
