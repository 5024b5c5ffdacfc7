/// The rotating time-out of Storm's spouts, as a count of turns: it turns once per time-out, and an entry made in turn
/// `n` is due when turn `n + 2` begins. So an entry lives between one and two time-outs.
#[derive(Debug, Clone)]
pub struct Wheel {
    interval: u64,
    next: u64,
    turn: u32,
}

impl Wheel {
    /// `interval` in nanoseconds; None never turns.
    #[must_use]
    pub fn new(interval: Option<u64>, now: u64) -> Self {
        let interval = interval.unwrap_or(u64::MAX).max(1);
        Wheel {
            interval,
            next: now.saturating_add(interval),
            turn: 2,
        }
    }

    /// The present turn: what an entry made now remembers.
    #[inline(always)]
    #[must_use]
    pub fn turn(&self) -> u32 {
        self.turn
    }

    /// The turn that it is at `now`, even if the wheel has not been told of the time yet (a call took long).
    #[inline(always)]
    #[must_use]
    pub fn turn_at(&self, now: u64) -> u32 {
        if now < self.next {
            self.turn
        } else {
            self.turn.wrapping_add(self.turns(now) as u32)
        }
    }

    fn turns(&self, now: u64) -> u64 {
        (now - self.next) / self.interval + 1
    }

    /// When the wheel turns next, in nanoseconds.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Turn as often as `now` asks for. If it turned: entries made in the returned turn or before it are due.
    pub fn advance(&mut self, now: u64) -> Option<u32> {
        if now < self.next {
            return None;
        }
        let turns = self.turns(now);
        self.turn = self.turn.wrapping_add(turns as u32);
        self.next = self.next.saturating_add(turns.saturating_mul(self.interval));
        Some(self.turn - 2)
    }
}

#[cfg(test)]
mod tests {
    use super::Wheel;
    use proptest::prelude::*;

    proptest! {
        /// However time jumps, an entry is found due after more than one interval and at most two.
        #[test]
        fn entries_live_between_one_and_two_intervals(
            interval in 1u64..1_000,
            steps in prop::collection::vec(0u64..3_000, 1..200),
        ) {
            let mut wheel = Wheel::new(Some(interval), 0);
            let (mut now, mut entries): (u64, Vec<(u64, u32)>) = (0, vec![]);
            for step in steps {
                entries.push((now, wheel.turn()));
                now += step;
                if let Some(due) = wheel.advance(now) {
                    let (gone, kept): (Vec<_>, Vec<_>) = entries.iter().partition(|(_, turn)| *turn <= due);
                    for (born, _) in gone {
                        prop_assert!(now - born >= interval, "{born} died at {now}");
                    }
                    entries = kept;
                }
                for (born, _) in &entries {
                    prop_assert!(now - born < 2 * interval, "{born} is alive at {now}");
                }
            }
        }
    }

    #[test]
    fn without_an_interval_it_never_turns() {
        assert_eq!(Wheel::new(None, 5).advance(u64::MAX - 1), None);
    }
}
