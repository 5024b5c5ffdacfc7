use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

/// The longest time that is told apart from longer ones: one hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// A histogram of nanoseconds in two significant digits, made at its first record (it is some 30 kB).
#[derive(Default)]
pub struct Latency(Mutex<Option<Histogram<u64>>>);

impl Latency {
    /// Record many at once: the lock is taken once per call, so call it once per batch.
    pub fn record(&self, nanoseconds: impl IntoIterator<Item = u64>) {
        let mut place = self.lock();
        for value in nanoseconds {
            let histogram = match &mut *place {
                Some(histogram) => histogram,
                empty => match Histogram::new_with_bounds(1, LONGEST, 2) {
                    Ok(histogram) => empty.insert(histogram),
                    Err(_) => return,
                },
            };
            histogram.saturating_record(value.max(1));
        }
    }

    /// A copy of what was recorded so far, if anything was.
    pub fn snapshot(&self) -> Option<Histogram<u64>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Histogram<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn percentiles_are_within_one_per_cent() {
        let latency = Latency::default();
        assert!(latency.snapshot().is_none());
        latency.record((1..=1000).map(|n| n * 1000));
        let histogram = latency.snapshot().unwrap();
        for (quantile, expected) in [(0.5, 500_000.0), (0.99, 990_000.0), (1.0, 1_000_000.0)] {
            let got = histogram.value_at_quantile(quantile) as f64;
            assert!((got / expected - 1.0).abs() < 0.011, "{got} for {expected}");
        }
    }
}
