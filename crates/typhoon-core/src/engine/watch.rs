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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::engine::Extent;
    use crate::engine::{Clock, Component, Desk, Next, Stop};
    use crate::flow::{Key, Parcel, Place};

    /// Types for an engine in which nothing runs: only what its loops say of themselves is looked at.
    enum Nothing {}

    #[derive(Clone)]
    enum NoPayload {}

    impl Key for NoPayload {
        type Error = ();
        fn hash(&self, _: &[usize]) -> Result<u64, ()> {
            match *self {}
        }
    }

    impl Parcel for NoPayload {
        type Store = ();
        fn pack(self) -> Option<Self> {
            match self {}
        }
        fn is_packed(&self) -> bool {
            match *self {}
        }
        fn packed(&self) -> &[u8] {
            match *self {}
        }
        fn arrived(_: &[u8], (): &mut ()) -> Self {
            unreachable!("nothing is sent")
        }
        fn store(_: usize) -> Self::Store {}
    }

    impl Clock for Nothing {
        fn now(&self) -> u64 {
            match *self {}
        }
    }

    impl Kit for Nothing {
        type Payload = NoPayload;
        type Token = ();
        type Request = ();
        type Clock = Nothing;
        type Component = Nothing;
    }

    impl Component<Nothing> for Nothing {
        fn open(&mut self, _: &mut Desk<Nothing>) -> Result<(), Stop> {
            match *self {}
        }
        fn ask(&mut self, _: &mut Desk<Nothing>, _: usize) -> Result<Next, Stop> {
            match *self {}
        }
        fn process(&mut self, _: &mut Desk<Nothing>) -> Result<(), Stop> {
            match *self {}
        }
        fn settled(&mut self, _: &mut Desk<Nothing>) -> Result<(), Stop> {
            match *self {}
        }
        fn request(&mut self, _: &mut Desk<Nothing>, (): ()) -> Result<(), Stop> {
            match *self {}
        }
        fn active(&mut self, _: &mut Desk<Nothing>, _: bool) -> Result<(), Stop> {
            match *self {}
        }
        fn tick(&mut self) -> Option<NoPayload> {
            match *self {}
        }
        fn close(&mut self, _: &mut Desk<Nothing>) {
            match *self {}
        }
    }

    const INTERVAL: u64 = 10_000_000;
    const EXTENT: Extent = Extent {
        lines: 1,
        executors: 2,
        workers: 0,
        elsewhere: 0,
        streams: 0,
    };

    /// One loop with two executors, seen by a watchdog.
    struct Seen {
        shared: Shared<Nothing>,
        watchdog: Watchdog,
        cpu: u64,
        alone: [bool; 2],
    }

    impl Seen {
        fn new() -> Self {
            let place = |number| Place {
                number,
                line: 0,
                ..Place::default()
            };
            let places = vec![place(0), place(1)];
            Seen {
                shared: Shared::new(places.into(), EXTENT, vec![]).unwrap(),
                watchdog: Watchdog::new(1, 2, INTERVAL),
                cpu: 0,
                alone: [false; 2],
            }
        }

        /// The next sample: whose turn it is, whether another call has begun, and the share of the time that was
        /// computed.
        fn sample(&mut self, executor: Option<u32>, another_call: bool, computed: f64) -> Vec<Held> {
            let turn = executor.map_or(0, |number| number + 1);
            self.shared.peers[0].status.turn.store(turn, Ordering::Relaxed);
            if let Some(number) = executor.filter(|_| another_call) {
                self.shared.figures[number as usize].calls.add(1);
            }
            self.cpu += (INTERVAL as f64 * computed) as u64;
            self.watchdog.sample(&self.shared, &[self.cpu], &self.alone)
        }
    }

    #[test]
    fn one_call_is_named_once_after_half_a_second() {
        let mut seen = Seen::new();
        let mut found = Vec::new();
        for number in 0..300 {
            for held in seen.sample(Some(1), false, 0.25) {
                found.push((number, held));
            }
        }
        let [(number, held)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((*number, held.executor, held.line), (50, 1, 0));
        assert_eq!(held.call_seconds, Some(0.5));
        assert!((held.waiting - 0.75).abs() < 0.01);
        // The next long call is another story.
        seen.sample(None, false, 0.0);
        assert_eq!(
            (0..60)
                .map(|_| seen.sample(Some(1), false, 1.0).len())
                .sum::<usize>(),
            1
        );
    }

    #[test]
    fn short_calls_that_wait_are_named_at_the_end_of_the_window() {
        let mut seen = Seen::new();
        let mut found = Vec::new();
        for number in 0..2 * WINDOW {
            // In 93 of 100 samples it is in a call, each time in another one, and computes a tenth of the time.
            let executor = (number % 100 < 93).then_some(0);
            found.extend(
                seen.sample(executor, true, 0.1)
                    .into_iter()
                    .map(|held| (number, held)),
            );
        }
        let named: Vec<_> = found
            .iter()
            .map(|(number, held)| (*number, held.executor, held.line))
            .collect();
        assert_eq!(named, [(WINDOW - 1, 0, 0), (2 * WINDOW - 1, 0, 0)]);
        for (_, held) in found {
            assert!((held.share - 0.93).abs() < 1e-9);
            assert_eq!(held.call_seconds, None);
            assert!((held.waiting - 0.9).abs() < 0.01);
        }
    }

    #[test]
    fn who_computes_in_short_calls_is_not_named() {
        let mut seen = Seen::new();
        let found: usize = (0..WINDOW).map(|_| seen.sample(Some(0), true, 1.0).len()).sum();
        assert_eq!(found, 0);
    }

    #[test]
    fn half_of_the_window_is_not_more_than_half() {
        let mut seen = Seen::new();
        let turn = |number: u32| number.is_multiple_of(2).then_some(0);
        let found: usize = (0..WINDOW).map(|n| seen.sample(turn(n), true, 0.0).len()).sum();
        assert_eq!(found, 0);
    }

    #[test]
    fn a_window_begins_anew() {
        let mut seen = Seen::new();
        let waits = |number: u32| (number < WINDOW).then_some(0);
        let found: Vec<u32> = (0..2 * WINDOW)
            .filter(|number| !seen.sample(waits(*number), true, 0.0).is_empty())
            .collect();
        assert_eq!(found, [WINDOW - 1]);
    }

    #[test]
    fn a_thread_of_its_own_may_wait() {
        let mut seen = Seen::new();
        seen.alone = [true; 2];
        let found: usize = (0..WINDOW)
            .map(|n| seen.sample(Some(0), n % 200 == 0, 0.0).len())
            .sum();
        assert_eq!(found, 0);
    }
}
