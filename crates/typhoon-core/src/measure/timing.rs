use std::sync::atomic::{AtomicU64, Ordering};

/// The mean of durations that any thread may add to. Reading it while somebody adds may miss the newest.
#[derive(Debug, Default)]
pub struct Timing {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Timing {
    pub fn record(&self, nanoseconds: u64) {
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were, and their sum in nanoseconds.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        (
            self.count.load(Ordering::Relaxed),
            self.nanoseconds.load(Ordering::Relaxed),
        )
    }
}
