//! Opening frames before they are wanted: for whoever reads a file from its front to its back.

use super::file::File;
use crossbeam_channel::{Sender, bounded};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are made ready at most.
pub const MOST: u64 = 16 << 20;

/// Bytes that one thread makes ready at a time: about a frame.
const STEP: u64 = 1 << 20;

/// Requests of the kernel overtake each other by so much.
const SLACK: u64 = 1 << 20;

/// Requests in a row until it counts.
const ROW: u32 = 2;

/// Steps that are ahead at most, of which most are zeros then.
const STEPS: usize = 256;

/// How a file is read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Where the next request begins when it goes on.
    next: u64,
    /// Requests in a row.
    row: u32,
    /// What was made ready ends here.
    ready: u64,
    /// Where each step ends that was made ready and not read yet, and the bytes of data in it: all, until it
    /// is known how many are zeros.
    steps: VecDeque<(u64, u64)>,
}

impl Reading {
    /// Takes a request down; returns what is to be made ready: `most` bytes of data behind it at most.
    pub fn note(&mut self, request: Range<u64>, len: u64, most: u64) -> Vec<Range<u64>> {
        let goes_on = request.start + SLACK >= self.next && request.start <= self.next + SLACK;
        if !goes_on {
            *self = Self { next: request.end, ready: request.end, ..Self::default() };
            return Vec::new();
        }
        self.row += 1;
        self.next = self.next.max(request.end);
        self.ready = self.ready.max(self.next);
        while self.steps.front().is_some_and(|(end, _)| *end <= self.next) {
            self.steps.pop_front();
        }
        // A little more at a time: frames that nobody wants drive out those that somebody does.
        let reach = most.min(STEP << self.row.min(8));
        let mut data: u64 = self.steps.iter().map(|(_, data)| data).sum();
        let mut ranges = Vec::new();
        while self.row >= ROW && self.ready < len && self.steps.len() < STEPS {
            let until = (self.ready + STEP).min(len);
            data += until - self.ready;
            if data > reach {
                break;
            }
            self.steps.push_back((until, until - self.ready));
            ranges.push(self.ready..until);
            self.ready = until;
        }
        ranges
    }

    /// Takes down that a step has so many bytes of data.
    pub fn found(&mut self, step: &Range<u64>, data: u64) {
        let at = self.steps.partition_point(|(end, _)| *end < step.end);
        if let Some(found) = self.steps.get_mut(at).filter(|(end, _)| *end == step.end) {
            found.1 = data;
        }
    }
}

/// Threads that open frames.
pub struct Ahead {
    queue: Sender<(Arc<File>, Range<u64>)>,
}

impl Ahead {
    /// So many. They end when this does.
    pub fn new(threads: usize) -> Self {
        let (queue, work) = bounded::<(Arc<File>, Range<u64>)>(64);
        for _ in 0..threads {
            let work = work.clone();
            // A thread that cannot be had is none that is needed.
            let _ = std::thread::Builder::new().name("ahead".to_owned()).spawn(move || {
                for (file, range) in work {
                    file.prepare(range);
                }
            });
        }
        Self { queue }
    }

    /// Has a range made ready, unless there is more to do than that.
    pub fn push(&self, file: Arc<File>, range: Range<u64>) {
        let _ = self.queue.try_send((file, range));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_next_is_made_ready_once_and_no_further_than_allowed() {
        let (mut reading, len) = (Reading::default(), 100 << 20);
        let mut ready: Vec<Range<u64>> = Vec::new();
        for at in (0..20u64 << 20).step_by(128 << 10) {
            let ranges = reading.note(at..at + (128 << 10), len, 4 << 20);
            assert!(ranges.iter().all(|range| range.end <= at + (5 << 20)), "{at}: {ranges:?}");
            ready.extend(ranges);
        }
        assert!(ready.windows(2).all(|pair| pair[0].end == pair[1].start), "{ready:?}");
        assert!(ready.first().is_some_and(|first| first.start <= 1 << 20));
        assert!(ready.last().is_some_and(|last| last.end >= 20 << 20));
    }

    #[test]
    fn who_jumps_about_has_nothing_made_ready() {
        let mut reading = Reading::default();
        for at in [50u64, 10, 90, 30, 70].map(|at| at << 20) {
            assert_eq!(reading.note(at..at + 4096, 100 << 20, 8 << 20), []);
        }
    }

    #[test]
    fn requests_that_overtake_each_other_still_go_on() {
        let (mut reading, mut ready) = (Reading::default(), 0);
        for at in [0u64, 2, 1, 3, 5, 4, 6, 8, 7].map(|at| at * (128 << 10)) {
            ready += reading.note(at..at + (128 << 10), 100 << 20, 8 << 20).len();
        }
        assert!(ready > 0);
    }

    #[test]
    fn zeros_are_no_reason_to_wait() {
        let (mut reading, len) = (Reading::default(), 1 << 40);
        let mut furthest = 0;
        for at in (0..200u64).map(|at| at * STEP) {
            for range in reading.note(at..at + STEP, len, 4 << 20) {
                furthest = range.end;
                let is_data = range.start < 100 * STEP || range.start > 900 * STEP;
                reading.found(&range, if is_data { STEP } else { 0 });
            }
            if at <= 90 * STEP {
                assert!(furthest <= at + 5 * STEP, "{at}: {furthest}");
            }
            assert!(furthest <= at + (STEPS as u64 + 1) * STEP, "{at}: {furthest}");
        }
        assert_eq!(furthest, (200 + STEPS as u64) * STEP);
    }

    #[test]
    fn nothing_is_made_ready_behind_the_end() {
        let (mut reading, len) = (Reading::default(), 2_500_000);
        let all: Vec<_> = (0..len)
            .step_by(100_000)
            .flat_map(|at| reading.note(at..at + 100_000, len, 8 << 20))
            .collect();
        assert_eq!(all.last().map(|range| range.end), Some(len));
    }
}
