use std::collections::VecDeque;
use std::sync::Arc;

use super::{BLOCK, Blocks, Lineage, Root, Wheel};

/// A slot that a tree has left is not taken again before this many others were.
const SPARE: usize = 1024;
/// A time-out looks at this many slots per step, so that a million pending trees never hold up the loop.
const SWEEP: usize = 16 * BLOCK;

/// How a tree ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every tuple of the tree was acked.
    Acked,
    /// A bolt failed a tuple of it.
    Failed,
    /// It was not complete within one to two time-outs.
    TimedOut,
    /// A worker died, or could not be reached any more, that may have held a part of it.
    Lost,
}

/// A tree that ended: what its spout task is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished<T> {
    /// The task that emitted it.
    pub task: u32,
    /// What that task named it by.
    pub token: T,
    pub outcome: Outcome,
    /// When it was emitted, in nanoseconds of the clock.
    pub born: u64,
}

/// Input tuples that wait for the tuples which a bolt emitted for all of them together (`process_many`).
///
/// A relay is a tree within trees: one root stands for the whole batch, and the inputs are settled when it ends.
#[derive(Debug, Default)]
pub struct Relay {
    pub inputs: Vec<(Lineage, u64)>,
}

/// What settling an edge led to.
#[derive(Debug)]
pub enum Settled<T> {
    /// The tree is not complete yet.
    Open,
    /// The tree has ended before (or the ack is late by a whole generation): nothing to do, as in Storm.
    Unknown,
    /// The slot belongs to another ledger of this worker.
    Elsewhere,
    Finished(Finished<T>),
    /// A relay ended: settle its inputs, or fail them.
    Relay(Relay, Outcome),
}

enum Ticket<T> {
    Free,
    Spout(T),
    Relay(Box<Relay>),
}

struct Slot<T> {
    /// XOR of all edges made and settled.
    value: u64,
    ticket: Ticket<T>,
    /// When it was opened, in nanoseconds.
    born: u64,
    generation: u32,
    /// The wheel's turn at opening, or at the last `reset`.
    turn: u32,
    task: u32,
}

/// The pending trees that this thread's spouts began. `T` is what a spout task names its tuple by.
///
/// Not a map: a root carries the place of its entry. Everything is O(1) and allocates only when the number of pending
/// trees reaches a new height.
pub struct Ledger<T> {
    worker: u16,
    id: u16,
    blocks: Arc<Blocks>,
    pages: Vec<Option<Box<[Slot<T>; BLOCK]>>>,
    free: VecDeque<u32>,
    /// Slots whose generations are used up rest for two time-outs before they begin again at 1.
    resting: VecDeque<(u32, u32)>,
    first_generation: u32,
    pending: usize,
    sweep: Option<(u32, usize)>,
}

impl<T> Ledger<T> {
    /// `worker` is the worker's index and its incarnation: roots of its earlier starts are strangers. `seed` makes the
    /// first generation.
    #[must_use]
    pub fn new((worker, incarnation): (u16, u64), id: u16, blocks: Arc<Blocks>, seed: u64) -> Self {
        Ledger {
            worker,
            id,
            blocks,
            pages: Vec::new(),
            free: VecDeque::new(),
            resting: VecDeque::new(),
            first_generation: Root::first_generation(incarnation, seed),
            pending: 0,
            sweep: None,
        }
    }

    /// Trees that have not ended, relays included.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Begin a tree. Its edges are added by [`Ledger::seal`] before any of its tuples can be settled.
    /// None when 16 million trees are pending in this worker.
    #[inline]
    pub fn open(&mut self, task: u32, token: T, wheel: &Wheel, now: u64) -> Option<Root> {
        self.begin(task, Ticket::Spout(token), wheel, now)
    }

    /// Begin a relay; as [`Ledger::open`].
    pub fn relay(&mut self, wheel: &Wheel, now: u64) -> Option<Root> {
        self.begin(u32::MAX, Ticket::Relay(Box::default()), wheel, now)
    }

    #[inline]
    fn begin(&mut self, task: u32, ticket: Ticket<T>, wheel: &Wheel, now: u64) -> Option<Root> {
        if self.free.len() <= SPARE && !self.grow(wheel) {
            return None;
        }
        let number = self.free.pop_front()?;
        self.pending += 1;
        let page = self.pages[number as usize / BLOCK].as_mut()?;
        let slot = &mut page[number as usize % BLOCK];
        (slot.value, slot.ticket, slot.born, slot.turn, slot.task) =
            (0, ticket, now, wheel.turn_at(now), task);
        Some(Root::new(self.worker, number, slot.generation))
    }

    fn grow(&mut self, wheel: &Wheel) -> bool {
        while self
            .resting
            .front()
            .is_some_and(|(_, turn)| wheel.turn().wrapping_sub(*turn) > 2)
        {
            self.free
                .extend(self.resting.pop_front().map(|(number, _)| number));
        }
        if self.free.len() > SPARE {
            return true;
        }
        let Some(block) = self.blocks.claim(self.id) else {
            return !self.free.is_empty();
        };
        let generation = self.first_generation;
        let page: Vec<Slot<T>> = (0..BLOCK)
            .map(|_| Slot {
                value: 0,
                ticket: Ticket::Free,
                born: 0,
                generation,
                turn: 0,
                task: 0,
            })
            .collect();
        if self.pages.len() <= block {
            self.pages.resize_with(block + 1, || None);
        }
        self.pages[block] = page.into_boxed_slice().try_into().ok();
        self.free
            .extend((block * BLOCK..(block + 1) * BLOCK).map(|number| number as u32));
        true
    }

    /// The live entry of `root`: Err says why there is none.
    #[inline(always)]
    fn entry(&mut self, root: Root) -> Result<&mut Slot<T>, Settled<T>> {
        match self.pages.get_mut(root.block()) {
            Some(Some(page)) if root.worker() == self.worker => {
                let slot = &mut page[root.slot() as usize % BLOCK];
                if slot.generation == root.generation() && !matches!(slot.ticket, Ticket::Free) {
                    Ok(slot)
                } else {
                    Err(Settled::Unknown)
                }
            }
            _ => Err(Settled::Elsewhere),
        }
    }

    /// XOR `edges` into the tree: the edges of a spout's emit, or a settled tuple's own edge with those of its
    /// children. The tree ends when the value becomes zero.
    #[inline(always)]
    pub fn settle(&mut self, root: Root, edges: u64) -> Settled<T> {
        match self.entry(root) {
            Ok(slot) => {
                slot.value ^= edges;
                if slot.value == 0 {
                    self.finish(root, Outcome::Acked)
                } else {
                    Settled::Open
                }
            }
            Err(why) => why,
        }
    }

    /// The inputs of a relay, known once its batch was processed; then [`Ledger::settle`] adds the edges.
    pub fn set_relay(&mut self, root: Root, relay: Relay) {
        if let Ok(Slot {
            ticket: Ticket::Relay(place),
            ..
        }) = self.entry(root)
        {
            **place = relay;
        }
    }

    /// End the tree now, as failed.
    pub fn fail(&mut self, root: Root) -> Settled<T> {
        match self.entry(root) {
            Ok(_) => self.finish(root, Outcome::Failed),
            Err(why) => why,
        }
    }

    /// Give the tree a whole time-out again. False if it has ended or is another ledger's.
    pub fn reset(&mut self, root: Root, wheel: &Wheel) -> bool {
        self.entry(root).map(|slot| slot.turn = wheel.turn()).is_ok()
    }

    fn finish(&mut self, root: Root, outcome: Outcome) -> Settled<T> {
        let Some(Some(page)) = self.pages.get_mut(root.block()) else {
            return Settled::Elsewhere;
        };
        let slot = &mut page[root.slot() as usize % BLOCK];
        let ticket = std::mem::replace(&mut slot.ticket, Ticket::Free);
        let (task, born) = (slot.task, slot.born);
        let (next, again) = Root::next_generation(slot.generation);
        slot.generation = next;
        if again {
            self.resting.push_back((root.slot(), slot.turn));
        } else {
            self.free.push_back(root.slot());
        }
        self.pending -= 1;
        match ticket {
            Ticket::Spout(token) => Settled::Finished(Finished {
                task,
                token,
                outcome,
                born,
            }),
            Ticket::Relay(relay) => Settled::Relay(*relay, outcome),
            Ticket::Free => Settled::Unknown,
        }
    }

    /// End every tree now, as lost. `ended` is told of each.
    pub fn lose_all(&mut self, mut ended: impl FnMut(Settled<T>)) {
        for number in 0..self.pages.len() * BLOCK {
            if self.pending == 0 {
                return;
            }
            let Some(Some(page)) = self.pages.get(number / BLOCK) else {
                continue;
            };
            let slot = &page[number % BLOCK];
            if !matches!(slot.ticket, Ticket::Free) {
                let root = Root::new(self.worker, number as u32, slot.generation);
                ended(self.finish(root, Outcome::Lost));
            }
        }
    }

    /// The wheel turned: trees of `due` or an earlier turn time out, in slices, by [`Ledger::sweep`].
    pub fn turned(&mut self, due: u32) {
        self.sweep = Some((due, 0));
    }

    /// Look at the next slice of slots; true if there is more to look at. `ended` is told of each tree that timed out.
    pub fn sweep(&mut self, mut ended: impl FnMut(Settled<T>)) -> bool {
        let Some((due, from)) = self.sweep else {
            return false;
        };
        let until = (from + SWEEP).min(self.pages.len() * BLOCK);
        for number in from..until {
            let Some(Some(page)) = self.pages.get(number / BLOCK) else {
                continue;
            };
            let slot = &page[number % BLOCK];
            if !matches!(slot.ticket, Ticket::Free) && due.wrapping_sub(slot.turn) < u32::MAX / 2 {
                let root = Root::new(self.worker, number as u32, slot.generation);
                ended(self.finish(root, Outcome::TimedOut));
            }
        }
        self.sweep = (until < self.pages.len() * BLOCK).then_some((due, until));
        self.sweep.is_some()
    }

    /// The names of a task's pending tuples, oldest first. Looks at every slot.
    #[must_use]
    pub fn tokens(&self, task: u32) -> Vec<&T> {
        let slots = self.pages.iter().flatten().flat_map(|page| page.iter());
        let mut found: Vec<(u64, &T)> = slots
            .filter(|slot| slot.task == task)
            .filter_map(|slot| match &slot.ticket {
                Ticket::Spout(token) => Some((slot.born, token)),
                _ => None,
            })
            .collect();
        found.sort_by_key(|(born, _)| *born);
        found.into_iter().map(|(_, token)| token).collect()
    }

    /// True while a time-out is being looked for.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }
}
