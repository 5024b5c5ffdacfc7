use crate::ack::Lineage;

/// A task's number, from 1 as in Storm; at most 20 bits.
pub type TaskId = u32;

const TASK_BITS: u32 = 20;
const TASK_MASK: u64 = (1 << TASK_BITS) - 1;

/// The stream number of tick tuples.
pub const STREAM_TICK: u16 = u16::MAX;

/// Where a tuple goes and where it comes from, in one word: destination task, source task, and the number of the
/// (component, stream) pair that it was emitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way(u64);

impl Way {
    pub const MAX_TASK: TaskId = TASK_MASK as TaskId;

    #[inline(always)]
    #[must_use]
    pub fn new(destination: TaskId, source: TaskId, stream: u16) -> Self {
        Way(u64::from(destination) | u64::from(source) << TASK_BITS | u64::from(stream) << (2 * TASK_BITS))
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
}

/// A tuple on its way: 32 bytes when the payload is one word.
pub struct Envelope<P> {
    pub payload: P,
    pub lineage: Lineage,
    pub way: Way,
}
