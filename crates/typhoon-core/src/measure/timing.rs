use super::Counter;

/// The mean of durations. Any thread may read it; those who record take turns (they hold the same lock). Reading it while
/// somebody records may miss the newest.
#[derive(Debug, Default)]
pub struct Timing {
    count: Counter,
    nanoseconds: Counter,
}

impl Timing {
    pub fn record(&self, nanoseconds: u64) {
        self.nanoseconds.add(nanoseconds);
        self.count.add(1);
    }

    /// How many there were, and their sum in nanoseconds.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        (self.count.get(), self.nanoseconds.get())
    }
}
