use std::time::Duration;

/// A polled spout that has had nothing for so long is asked less often.
const LONG: u64 = 1_000_000_000;

/// When an executor of spouts is asked for tuples.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub active: bool,
    /// Which tasks have no more data.
    pub done: Vec<bool>,
    pub max_pending: u32,
    /// Which task is asked first next time.
    pub first: usize,
    /// It says by itself when it has data: it is not polled.
    pub rings: bool,
    last_data: u64,
    again: u64,
    /// Nanoseconds until it is asked again when it had nothing, and when it has had nothing for [`LONG`].
    poll: (u64, u64),
}

impl Asking {
    pub fn new(
        tasks: usize,
        max_pending: Option<usize>,
        active: bool,
        now: u64,
        poll: (Duration, Duration),
    ) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let max_pending = max_pending.map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX));
        Asking {
            active,
            done: vec![false; tasks],
            max_pending,
            first: 0,
            rings: false,
            last_data: now,
            again: now,
            poll: (nanoseconds(poll.0), nanoseconds(poll.1)),
        }
    }

    pub fn all_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// May it be asked now?
    pub fn is_due(&self, now: u64) -> bool {
        self.active && now >= self.again
    }

    /// When it has to be asked next, if by time at all.
    pub fn next(&self) -> Option<u64> {
        (self.active && !self.all_done() && self.again < u64::MAX).then_some(self.again)
    }

    pub fn gave(&mut self, now: u64) {
        (self.last_data, self.again) = (now, now);
    }

    pub fn had_nothing(&mut self, now: u64) {
        self.again = match now.saturating_sub(self.last_data) > LONG {
            _ if self.rings => u64::MAX,
            true => now.saturating_add(self.poll.1),
            false => now.saturating_add(self.poll.0),
        };
    }

    /// It says that it has data.
    pub fn wake(&mut self) {
        self.again = 0;
    }
}

/// When an executor's next tick is due.
#[derive(Debug)]
pub(super) struct Ticking {
    pub interval: u64,
    pub next: u64,
}

impl Ticking {
    pub fn new(interval: Duration, now: u64) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        Ticking {
            interval,
            next: now.saturating_add(interval),
        }
    }

    /// Is a tick due? Several that were missed count as one.
    pub fn advance(&mut self, now: u64) -> bool {
        if now < self.next {
            return false;
        }
        let missed = (now - self.next) / self.interval;
        self.next = self
            .next
            .saturating_add((missed + 1).saturating_mul(self.interval));
        true
    }
}
