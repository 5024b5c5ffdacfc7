use std::sync::atomic::Ordering;

use super::{Kit, Shared};

/// Samples in a window: with one every 10 ms, ten seconds.
const WINDOW: u32 = 1000;
/// Consecutive samples of one call before it is named while it lasts: half a second.
const LONG_CALL: u32 = 50;
/// A window is worth a word when one executor held its loop for more than this share of it.
const SHARE: f64 = 0.5;

/// An executor that holds up its loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its number in the worker.
    pub executor: usize,
    pub line: usize,
    /// Share of the window, or the seconds of the one call that is still going on.
    pub share: f64,
    pub call_seconds: Option<f64>,
    /// Share of that time in which the thread did not compute.
    pub waiting: f64,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    turn: u32,
    calls: u64,
    same: u32,
    same_cpu: u64,
    cpu: u64,
    told: bool,
}

/// Looks at all loops every 10 ms and names who holds one up: by sampling, so that the loops pay nothing for it.
///
/// The caller reads the clocks: [`Watchdog::sample`] gets the computing time of each loop's thread.
#[derive(Debug)]
pub struct Watchdog {
    seen: Vec<Seen>,
    /// By executor: samples in which one of its calls was going on that had been going on in the sample before, and
    /// computing time in them.
    held: Vec<(u32, u64)>,
    samples: u32,
    interval: u64,
}

impl Watchdog {
    /// `interval` between samples, in nanoseconds.
    #[must_use]
    pub fn new(lines: usize, executors: usize, interval: u64) -> Self {
        Watchdog {
            seen: vec![Seen::default(); lines],
            held: vec![(0, 0); executors],
            samples: 0,
            interval,
        }
    }

    /// `cpu`: nanoseconds that each loop's thread has computed so far. `alone[executor]`: it has a thread of its own,
    /// where it may wait as long as it likes.
    pub fn sample<K: Kit>(&mut self, shared: &Shared<K>, cpu: &[u64], alone: &[bool]) -> Vec<Held> {
        let mut found = Vec::new();
        for (line, seen) in self.seen.iter_mut().enumerate() {
            let turn = shared.peers[line].status.turn.load(Ordering::Relaxed);
            let used = cpu[line].saturating_sub(seen.cpu);
            seen.cpu = cpu[line];
            if turn == 0 {
                (seen.turn, seen.same, seen.told) = (0, 0, false);
                continue;
            }
            let executor = turn as usize - 1;
            let calls = shared.figures[executor].all_calls();
            let same = turn == seen.turn && calls == seen.calls;
            if same {
                seen.same += 1;
                seen.same_cpu += used;
            } else {
                (seen.turn, seen.calls, seen.same, seen.same_cpu, seen.told) = (turn, calls, 0, 0, false);
            }
            // Waiting in short calls shows as a turn in which the thread does not compute.
            if !alone[executor] && (same || used < self.interval / 2) {
                self.held[executor].0 += 1;
                self.held[executor].1 += used;
            }
            if seen.same >= LONG_CALL && !seen.told && !alone[executor] {
                seen.told = true;
                let wall = u64::from(seen.same) * self.interval;
                found.push(Held {
                    executor,
                    line,
                    share: 1.0,
                    call_seconds: Some(wall as f64 / 1e9),
                    waiting: waiting(wall, seen.same_cpu),
                });
            }
        }
        self.samples += 1;
        if self.samples == WINDOW {
            self.samples = 0;
            for (executor, (samples, cpu)) in self.held.iter_mut().enumerate() {
                let share = f64::from(*samples) / f64::from(WINDOW);
                if share > SHARE {
                    let wall = u64::from(*samples) * self.interval;
                    let line = shared
                        .places
                        .iter()
                        .find(|p| p.number as usize == executor)
                        .map_or(0, |p| p.line);
                    found.push(Held {
                        executor,
                        line: line.into(),
                        share,
                        call_seconds: None,
                        waiting: waiting(wall, *cpu),
                    });
                }
                (*samples, *cpu) = (0, 0);
            }
        }
        found
    }
}

fn waiting(wall: u64, cpu: u64) -> f64 {
    1.0 - (cpu as f64 / wall.max(1) as f64).min(1.0)
}
