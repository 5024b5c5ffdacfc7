use crate::ack::Lineage;

/// A task's number, from 1 as in Storm; at most 20 bits.
pub type TaskId = u32;

const TASK_BITS: u32 = 20;
const TASK_MASK: u64 = (1 << TASK_BITS) - 1;

/// The stream number of tick tuples.
pub const STREAM_TICK: u16 = u16::MAX;

/// Where a tuple goes and where it comes from, in one word: destination task, source task, and the number of the
/// (component, stream) pair that it was emitted on. The highest bits mark a tuple that is timed, and one that was sent
/// on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way(u64);

impl Way {
    pub const MAX_TASK: TaskId = TASK_MASK as TaskId;
    const TIMED: u64 = 1 << 63;
    const FORWARDED: u64 = 1 << 62;

    #[inline(always)]
    #[must_use]
    pub fn new(destination: TaskId, source: TaskId, stream: u16) -> Self {
        Way(u64::from(destination) | u64::from(source) << TASK_BITS | u64::from(stream) << (2 * TASK_BITS))
    }

    /// As another worker of the topology understands it.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0 & !Self::TIMED
    }

    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Way(bits & !Self::TIMED)
    }

    #[inline(always)]
    #[must_use]
    pub fn destination(self) -> TaskId {
        (self.0 & TASK_MASK) as TaskId
    }

    #[inline(always)]
    #[must_use]
    pub fn source(self) -> TaskId {
        (self.0 >> TASK_BITS & TASK_MASK) as TaskId
    }

    #[inline(always)]
    #[must_use]
    pub fn stream(self) -> u16 {
        (self.0 >> (2 * TASK_BITS)) as u16
    }

    /// The same way, marked: the worker that it led to does not run the task any more, and has sent it on.
    #[must_use]
    pub fn forwarded(self) -> Self {
        Way(self.0 | Self::FORWARDED)
    }

    #[must_use]
    pub fn is_forwarded(self) -> bool {
        self.0 & Self::FORWARDED != 0
    }

    /// The same way, marked.
    #[must_use]
    pub fn timed(self) -> Self {
        Way(self.0 | Self::TIMED)
    }

    /// Is this one of the tuples whose way through its component is timed?
    #[inline(always)]
    #[must_use]
    pub fn is_timed(self) -> bool {
        self.0 & Self::TIMED != 0
    }
}

/// A tuple on its way: 32 bytes when the payload is one word.
#[derive(Debug)]
pub struct Envelope<P> {
    pub payload: P,
    pub lineage: Lineage,
    pub way: Way,
}

#[cfg(test)]
mod tests {
    use super::{STREAM_TICK, Way};

    #[test]
    fn the_mark_changes_nothing_else() {
        let way = Way::new(Way::MAX_TASK, 7, STREAM_TICK);
        let marked = way.timed().forwarded();
        assert!(marked.is_timed() && !way.is_timed());
        assert!(marked.is_forwarded() && !way.is_forwarded());
        assert_eq!(
            (marked.destination(), marked.source(), marked.stream()),
            (Way::MAX_TASK, 7, STREAM_TICK)
        );
    }
}
