use std::sync::Arc;

use super::TaskId;
use crate::ack::Edges;
use crate::measure::Counter;

/// Where a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The loop (one per thread); behind the loops of this worker, one more for each worker.
    pub line: u16,
    /// Which task of its executor it is.
    pub slot: u16,
    /// The executor's number within its loop.
    pub local: u32,
    /// The executor's number in the worker; of one elsewhere, the number of this worker's executors plus its first task.
    pub number: u32,
}

impl Default for Place {
    /// Nowhere: of an id that no task has.
    fn default() -> Self {
        Place {
            line: u16::MAX,
            slot: 0,
            local: 0,
            number: u32::MAX,
        }
    }
}

/// The places of all tasks of the topology, by task id.
pub type Places = Arc<[Place]>;

/// What a grouping by key asks of the values of a tuple.
pub trait Key {
    type Error;

    /// A hash of the fields at `positions` that is the same in every process and on every machine, and equal for keys
    /// that are equal.
    ///
    /// # Errors
    /// When a value cannot be a key.
    fn hash(&self, positions: &[usize]) -> Result<u64, Self::Error>;

    /// Can these fields be a key? For a grouping with one task to choose from, where the hash itself is of no use.
    ///
    /// # Errors
    /// As [`Key::hash`].
    #[inline(always)]
    fn check(&self, positions: &[usize]) -> Result<(), Self::Error> {
        self.hash(positions).map(drop)
    }
}

/// How a route chooses among its tasks.
#[derive(Debug, Clone)]
pub enum Pick {
    /// Shuffle: each of the first `near` tasks in turn, or the one that has least to do if that has much.
    Turn { next: usize, near: usize },
    /// The same key, the same task.
    Key(Box<[usize]>),
    /// Each key on two tasks at most; of the two the one that was sent less so far.
    PartialKey(Box<[usize]>, Box<[u64]>),
    /// A copy for each.
    All,
    /// The task with the lowest id.
    Global,
    /// Any, independently each time: Storm's `none`.
    Random,
    /// The emitter names the task.
    Direct,
    /// A user's object chooses; the number is the component's own.
    Custom(usize),
}

impl Pick {
    /// Each task in turn.
    pub const EVEN: Pick = Pick::Turn {
        next: 0,
        near: usize::MAX,
    };
}

/// The subscription of one component to one stream, as seen by one emitting task.
#[derive(Debug, Clone)]
pub struct Route {
    pub pick: Pick,
    /// In ascending order, those first that are preferred.
    pub targets: Box<[TaskId]>,
}

/// One output stream of one task.
pub struct Outlet {
    /// The task.
    pub source: TaskId,
    /// Number of the (component, stream) pair.
    pub stream: u16,
    pub routes: Vec<Route>,
    pub count: Arc<Emits>,
}

/// What was emitted on an outlet.
#[derive(Debug, Default)]
pub struct Emits {
    /// Tuples of which exactly one task got one.
    pub single: Counter,
    /// Other tuples, and the copies of them that went to tasks.
    pub other: Counter,
    pub copies: Counter,
}

impl Emits {
    /// Tuples emitted.
    #[must_use]
    pub fn emitted(&self) -> u64 {
        self.single.get() + self.other.get()
    }

    /// Copies that went to tasks.
    #[must_use]
    pub fn transferred(&self) -> u64 {
        self.single.get() + self.copies.get()
    }
}

/// Scale a hash to `0..n` without a division.
#[inline(always)]
fn scale(hash: u64, n: usize) -> usize {
    ((u128::from(hash) * n as u128) >> 64) as usize
}

/// Finish a hash, so that keys that differ in few bits fall on different tasks.
#[inline(always)]
fn mix(hash: u64) -> u64 {
    let wide = u128::from(hash ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xa076_1d64_78bd_642f);
    (wide >> 64) as u64 ^ wide as u64
}

impl Route {
    /// The same tasks as before, others of which may be near.
    pub fn turn_to(&mut self, tasks: &[TaskId], close: usize) {
        self.targets = tasks.into();
        if let Pick::Turn { next, near } = &mut self.pick {
            *near = if close > 0 { close } else { tasks.len() };
            *next %= (*near).max(1);
        }
    }

    /// The index in `targets` of the task that gets this tuple. Not for [`Pick::All`], `Direct` and `Custom`, which
    /// may choose none or several.
    ///
    /// # Errors
    /// When the key cannot be hashed.
    #[inline(always)]
    pub fn choose<P: Key>(&mut self, payload: &P, edges: &mut Edges) -> Result<usize, P::Error> {
        let n = self.targets.len();
        Ok(match &mut self.pick {
            Pick::Turn { next, near } => {
                let index = *next;
                *next = if index + 1 >= n.min(*near) { 0 } else { index + 1 };
                index
            }
            Pick::Key(positions) if n == 1 => payload.check(positions).map(|()| 0)?,
            Pick::Key(positions) => scale(mix(payload.hash(positions)?), n),
            Pick::PartialKey(positions, sent) => {
                let (first, second) = two_choices(mix(payload.hash(positions)?), n);
                let index = if sent[second] < sent[first] { second } else { first };
                sent[index] += 1;
                index
            }
            Pick::Random => edges.below(n),
            Pick::All | Pick::Global | Pick::Direct | Pick::Custom(_) => 0,
        })
    }
}

/// The two tasks of a key; different ones if there are two.
fn two_choices(hash: u64, n: usize) -> (usize, usize) {
    let first = scale(hash, n);
    if n < 2 {
        return (first, first);
    }
    let second = (first + 1 + scale(mix(hash), n - 1)) % n;
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    struct Number(u64);

    impl Key for Number {
        type Error = ();
        fn hash(&self, _: &[usize]) -> Result<u64, ()> {
            Ok(self.0)
        }
    }

    fn route(pick: Pick, n: usize) -> Route {
        Route {
            pick,
            targets: (1..=n as u32).collect(),
        }
    }

    proptest! {
        #[test]
        fn a_key_stays_on_its_task(keys in prop::collection::vec(0u64..50, 1..300), n in 1usize..20) {
            let (mut route, mut edges) = (route(Pick::Key([0].into()), n), Edges::new(1));
            let mut seen = HashMap::new();
            for key in keys {
                let chosen = route.choose(&Number(key), &mut edges).unwrap();
                prop_assert!(chosen < n);
                prop_assert_eq!(*seen.entry(key).or_insert(chosen), chosen);
            }
        }

        #[test]
        fn a_partial_key_stays_on_two_tasks(keys in prop::collection::vec(0u64..9, 1..300), n in 1usize..20) {
            let pick = Pick::PartialKey([0].into(), vec![0; n].into());
            let (mut route, mut edges) = (route(pick, n), Edges::new(1));
            let mut seen: HashMap<u64, HashSet<usize>> = HashMap::new();
            for key in keys {
                let chosen = route.choose(&Number(key), &mut edges).unwrap();
                prop_assert!(chosen < n);
                seen.entry(key).or_default().insert(chosen);
                prop_assert!(seen[&key].len() <= 2);
            }
        }

        #[test]
        fn turns_are_even(count in 0usize..500, n in 1usize..20) {
            let (mut route, mut edges) = (route(Pick::EVEN, n), Edges::new(1));
            let mut sent = vec![0usize; n];
            for _ in 0..count {
                sent[route.choose(&Number(0), &mut edges).unwrap()] += 1;
            }
            prop_assert!(sent.iter().max().unwrap() - sent.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn one_hot_key_is_shared_by_two_tasks() {
        let mut route = route(Pick::PartialKey([0].into(), vec![0; 8].into()), 8);
        let mut edges = Edges::new(1);
        let mut sent = HashMap::new();
        for _ in 0..1000 {
            *sent
                .entry(route.choose(&Number(7), &mut edges).unwrap())
                .or_insert(0) += 1;
        }
        assert_eq!(sent.values().copied().collect::<Vec<_>>(), [500, 500]);
    }

    #[test]
    fn successive_keys_spread() {
        let mut route = route(Pick::Key([0].into()), 16);
        let mut edges = Edges::new(1);
        let hit: HashSet<_> = (0..200)
            .map(|k| route.choose(&Number(k), &mut edges).unwrap())
            .collect();
        assert_eq!(hit.len(), 16);
    }
}
