use std::fmt;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 28;
/// Of a generation, what counts; the bits above it are the worker's incarnation.
const COUNT_BITS: u32 = 20;

/// Slots are handed to ledgers in blocks of this many.
pub const BLOCK: usize = 4096;
const BLOCKS: usize = (1 << SLOT_BITS) / BLOCK;

/// The name of a tuple tree: worker (12 bits), slot in that worker's ledgers (24), generation of the slot (28: the low
/// 8 bits of the worker's incarnation, then 20 that count).
///
/// The slot says where the entry is, so that completing a tree needs no hash look-up; the generation tells a late ack
/// for an earlier tree of the same slot, or for one of an earlier start of the worker, from one for the present tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Root(u64);

impl Root {
    /// A slot has one fewer than this many generations; the count begins at 1.
    pub const GENERATIONS: u32 = 1 << COUNT_BITS;
    /// Worker indices end one below this; the last is a mark that [`super::Lineage`] uses.
    pub const WORKERS: u16 = 0xFFF;

    #[inline(always)]
    pub(super) fn new(worker: u16, slot: u32, generation: u32) -> Self {
        debug_assert!(worker < Self::WORKERS && generation < 1 << GENERATION_BITS && generation != 0);
        Root(u64::from(worker) << 52 | u64::from(slot) << GENERATION_BITS | u64::from(generation))
    }

    /// The root behind a number that [`Root::bits`] gave.
    #[inline(always)]
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Root(bits)
    }

    #[inline(always)]
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    #[inline(always)]
    #[must_use]
    pub fn worker(self) -> u16 {
        (self.0 >> 52) as u16
    }

    #[inline(always)]
    pub(super) fn slot(self) -> u32 {
        (self.0 >> GENERATION_BITS) as u32 & ((1 << SLOT_BITS) - 1)
    }

    #[inline(always)]
    pub(super) fn generation(self) -> u32 {
        self.0 as u32 & ((1 << GENERATION_BITS) - 1)
    }

    /// The first generation of the slots of a ledger: `count`, brought into range, under the worker's incarnation.
    pub(super) fn first_generation(incarnation: u64, count: u64) -> u32 {
        let counted = count as u32 % (Self::GENERATIONS - 1) + 1;
        (incarnation as u32 & 0xFF) << COUNT_BITS | counted
    }

    /// The generation after this one, and whether the count had to begin again.
    pub(super) fn next_generation(generation: u32) -> (u32, bool) {
        let next = generation.wrapping_add(1);
        match next & (Self::GENERATIONS - 1) {
            0 => (generation & !(Self::GENERATIONS - 1) | 1, true),
            _ => (next, false),
        }
    }

    #[inline(always)]
    pub(super) fn block(self) -> usize {
        self.slot() as usize / BLOCK
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({}/{}/{})", self.worker(), self.slot(), self.generation())
    }
}

/// Which ledger of this worker owns which block of slots. Shared by the worker's threads: a ledger claims a block when
/// it grows, anyone may ask who owns the block of a root.
pub struct Blocks {
    owners: Box<[AtomicU16]>,
    next: AtomicUsize,
}

impl Default for Blocks {
    fn default() -> Self {
        Blocks {
            owners: (0..BLOCKS).map(|_| AtomicU16::new(u16::MAX)).collect(),
            next: AtomicUsize::new(0),
        }
    }
}

impl Blocks {
    /// A block for `ledger`, or None when 16 million trees are pending in this worker.
    pub fn claim(&self, ledger: u16) -> Option<usize> {
        let block = self.next.fetch_add(1, Ordering::Relaxed);
        self.owners.get(block)?.store(ledger, Ordering::Release);
        Some(block)
    }

    /// The ledger that owns the slot of `root`, if any does.
    #[must_use]
    pub fn owner(&self, root: Root) -> Option<u16> {
        match self.owners[root.block()].load(Ordering::Acquire) {
            u16::MAX => None,
            ledger => Some(ledger),
        }
    }
}
