//! The ledger against a reference model: a map from root to the set of edges that are not settled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use typhoon_core::ack::{Blocks, Edges, Ledger, Lineage, Outcome, Relay, Root, Settled, Wheel};

const TIMEOUT: u64 = 1_000;

#[derive(Debug, Clone)]
enum Op {
    /// A tree of so many copies.
    Open(usize),
    /// A relay of so many copies.
    Relay(usize),
    /// A tuple of some live tree is settled, with so many children.
    Settle(usize, usize, usize),
    Fail(usize),
    Reset(usize),
    /// An ack, a fail and a reset for some tree that has ended.
    Late(usize, u64),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0usize..4).prop_map(Op::Open),
        1 => (0usize..4).prop_map(Op::Relay),
        8 => (any::<usize>(), any::<usize>(), 0usize..3).prop_map(|(t, e, n)| Op::Settle(t, e, n)),
        1 => any::<usize>().prop_map(Op::Fail),
        1 => any::<usize>().prop_map(Op::Reset),
        3 => (any::<usize>(), 1u64..).prop_map(|(t, e)| Op::Late(t, e)),
        2 => (0u64..3 * TIMEOUT / 2).prop_map(Op::Wait),
    ]
}

#[derive(Debug)]
struct Tree {
    token: Option<u64>,
    task: u32,
    born: u64,
    since: u64,
    open: Vec<u64>,
}

/// A ledger and what it ought to hold.
struct Bench {
    ledger: Ledger<u64>,
    wheel: Wheel,
    edges: Edges,
    now: u64,
    live: Vec<Root>,
    trees: HashMap<Root, Tree>,
    ended: Vec<Root>,
    roots: HashSet<Root>,
    opened: u64,
}

impl Bench {
    fn new(seed: u64) -> Self {
        Bench {
            ledger: Ledger::new((5, 0), 3, Arc::default(), seed),
            wheel: Wheel::new(Some(TIMEOUT), 0),
            edges: Edges::new(seed),
            now: 0,
            live: vec![],
            trees: HashMap::new(),
            ended: vec![],
            roots: HashSet::new(),
            opened: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        let n = self.live.len();
        match op {
            Op::Open(copies) => self.open(copies, false),
            Op::Relay(copies) => self.open(copies, true),
            Op::Settle(tree, edge, children) if n > 0 => self.settle(self.live[tree % n], edge, children),
            Op::Fail(tree) if n > 0 => {
                let root = self.live[tree % n];
                let settled = self.ledger.fail(root);
                self.expect_end(root, settled, Outcome::Failed);
            }
            Op::Reset(tree) if n > 0 => {
                let root = self.live[tree % n];
                assert!(self.ledger.reset(root, &self.wheel));
                self.trees.get_mut(&root).unwrap().since = self.now;
            }
            Op::Late(tree, edge) if !self.ended.is_empty() => {
                let root = self.ended[tree % self.ended.len()];
                assert!(matches!(self.ledger.settle(root, edge), Settled::Unknown));
                assert!(matches!(self.ledger.fail(root), Settled::Unknown));
                assert!(!self.ledger.reset(root, &self.wheel));
            }
            Op::Wait(time) => self.wait(time),
            _ => {}
        }
        self.check();
    }

    fn open(&mut self, copies: usize, relay: bool) {
        self.opened += 1;
        let (token, task) = (self.opened, self.opened as u32 % 3);
        let root = match relay {
            true => self.ledger.relay(&self.wheel, self.now),
            false => self.ledger.open(task, token, &self.wheel, self.now),
        };
        let root = root.unwrap();
        assert!(self.roots.insert(root), "{root:?} was handed out twice");
        if relay {
            let inputs = vec![(Lineage::one(root, token), token)];
            self.ledger.set_relay(root, Relay { inputs });
        }
        let open: Vec<u64> = (0..copies).map(|_| self.edges.draw()).collect();
        let made = open.iter().fold(0, |sum, edge| sum ^ edge);
        let token = (!relay).then_some(token);
        let tree = Tree {
            token,
            task,
            born: self.now,
            since: self.now,
            open,
        };
        self.live.push(root);
        self.trees.insert(root, tree);
        self.moved(root, made);
    }

    fn settle(&mut self, root: Root, edge: usize, children: usize) {
        let open = &mut self.trees.get_mut(&root).unwrap().open;
        let mut sum = open.swap_remove(edge % open.len());
        for _ in 0..children {
            let child = self.edges.draw();
            open.push(child);
            sum ^= child;
        }
        self.moved(root, sum);
    }

    /// Tell the ledger; it must say what the model says.
    fn moved(&mut self, root: Root, edges: u64) {
        let settled = self.ledger.settle(root, edges);
        if self.trees[&root].open.is_empty() {
            self.expect_end(root, settled, Outcome::Acked);
        } else {
            assert!(
                matches!(settled, Settled::Open),
                "{root:?} has open edges: {settled:?}"
            );
        }
    }

    fn expect_end(&mut self, root: Root, settled: Settled<u64>, expected: Outcome) {
        let tree = self.trees.remove(&root).unwrap();
        self.live.retain(|live| *live != root);
        self.ended.push(root);
        match settled {
            Settled::Finished(finished) => {
                assert_eq!(Some(finished.token), tree.token);
                assert_eq!((finished.task, finished.outcome), (tree.task, expected));
                assert_eq!(finished.born, tree.born);
            }
            Settled::Relay(relay, outcome) => {
                assert_eq!((tree.token, outcome), (None, expected));
                let [(lineage, _)] = relay.inputs.as_slice() else {
                    panic!("{relay:?}")
                };
                assert_eq!(
                    lineage.single().unwrap().0,
                    root,
                    "the relay's own inputs come back"
                );
            }
            other => panic!("{root:?} should have ended: {other:?}"),
        }
    }

    /// Time passes; what was left alone for two time-outs ends, and nothing that was for less than one.
    fn wait(&mut self, time: u64) {
        self.now += time;
        if let Some(due) = self.wheel.advance(self.now) {
            self.ledger.turned(due);
        }
        let mut ended = Vec::new();
        while self.ledger.sweep(|settled| ended.push(settled)) {}
        assert!(!self.ledger.is_sweeping());
        let (mut tokens, mut relays) = (HashMap::new(), 0);
        for settled in ended {
            match &settled {
                Settled::Finished(finished) => drop(tokens.insert(finished.token, settled)),
                Settled::Relay(relay, _) => {
                    let (root, _) = relay.inputs[0].0.single().unwrap();
                    relays += 1;
                    tokens.insert(root.bits(), settled);
                }
                other => panic!("{other:?}"),
            }
        }
        let now = self.now;
        for root in self.live.clone() {
            let tree = &self.trees[&root];
            let (age, key) = (now - tree.since, tree.token.unwrap_or(root.bits()));
            match tokens.remove(&key) {
                Some(settled) => {
                    assert!(age >= TIMEOUT, "{root:?} timed out after {age}");
                    self.expect_end(root, settled, Outcome::TimedOut);
                }
                None => assert!(age < 2 * TIMEOUT, "{root:?} is alive after {age}"),
            }
        }
        assert!(tokens.is_empty(), "{tokens:?} were not pending, {relays} relays");
    }

    fn check(&self) {
        assert_eq!(self.ledger.pending(), self.trees.len());
        for task in 0..3 {
            let of = |tree: &&Tree| tree.task == task && tree.token.is_some();
            let mut expected: Vec<_> = self
                .trees
                .values()
                .filter(of)
                .map(|t| (t.born, t.token))
                .collect();
            expected.sort_unstable();
            let born = |token: u64| self.trees.values().find(|t| t.token == Some(token)).unwrap().born;
            let found: Vec<_> = self
                .ledger
                .tokens(task)
                .into_iter()
                .map(|t| (born(*t), Some(*t)))
                .collect();
            assert!(found.is_sorted_by_key(|(born, _)| *born), "oldest first");
            let mut found = found;
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_ledger_does_what_the_model_does(seed: u64, ops in prop::collection::vec(op(), 1..150)) {
        let mut bench = Bench::new(seed);
        ops.into_iter().for_each(|op| bench.apply(op));
    }

    /// Whatever order trees end in, a slot rests until 1,024 others were taken; and roots are never the same.
    #[test]
    fn a_slot_is_not_taken_again_soon(
        seed: u64,
        bursts in prop::collection::vec((0usize..3_000, 0usize..3_000), 1..8),
    ) {
        let (mut ledger, wheel) = (Ledger::new((0, 0), 0, Arc::default(), seed), Wheel::new(None, 0));
        let mut choice = Edges::new(seed);
        let (mut live, mut left, mut roots, mut takes) = (vec![], HashMap::new(), HashSet::new(), 0u64);
        for (opens, ends) in bursts {
            for _ in 0..opens {
                let root = ledger.open(1, takes, &wheel, 0).unwrap();
                takes += 1;
                prop_assert!(roots.insert(root));
                if let Some(then) = left.remove(&slot(root)) {
                    prop_assert!(takes - then > 1024, "slot {} after {}", slot(root), takes - then);
                }
                live.push(root);
            }
            for _ in 0..ends.min(live.len()) {
                let root = live.swap_remove(choice.below(live.len()));
                prop_assert!(matches!(ledger.fail(root), Settled::Finished(_)));
                left.insert(slot(root), takes);
            }
        }
    }
}

fn slot(root: Root) -> u64 {
    root.bits() >> 28 & 0xFF_FFFF
}

fn generation(root: Root) -> u32 {
    root.bits() as u32 & (Root::GENERATIONS - 1)
}

/// The last generation but one comes first with this seed: each slot has two trees, then rests for two time-outs.
#[test]
fn a_slot_that_used_up_its_generations_rests() {
    let seed = u64::from(Root::GENERATIONS - 3);
    let (mut ledger, mut wheel) = (
        Ledger::new((0, 0), 0, Arc::default(), seed),
        Wheel::new(Some(TIMEOUT), 0),
    );
    let mut worn = HashMap::new();
    let mut now = 0;
    for n in 0..40_000 {
        now += 1;
        wheel.advance(now);
        let root = ledger.open(1, n, &wheel, now).unwrap();
        if let Some(then) = worn.get(&slot(root)) {
            assert_eq!(generation(root), 1);
            assert!(now - then > TIMEOUT, "{root:?} rested for {}", now - then);
        }
        assert!(matches!(ledger.fail(root), Settled::Finished(_)));
        if generation(root) == Root::GENERATIONS - 1 {
            worn.insert(slot(root), now);
        } else {
            worn.remove(&slot(root));
        }
        assert!(matches!(ledger.settle(root, 1), Settled::Unknown));
    }
    assert!(ledger.pending() == 0);
}

#[test]
fn ledgers_of_one_worker_know_their_own_roots() {
    let blocks: Arc<Blocks> = Arc::default();
    let wheel = Wheel::new(None, 0);
    let mut ledgers: Vec<Ledger<u64>> = (0..3)
        .map(|id| Ledger::new((7, 0), id, Arc::clone(&blocks), 9))
        .collect();
    let mut roots = Vec::new();
    for n in 0..20_000 {
        let id = n % 3;
        roots.push((id, ledgers[id].open(1, n as u64, &wheel, 0).unwrap()));
    }
    assert_eq!(
        roots.iter().map(|(_, root)| *root).collect::<HashSet<_>>().len(),
        roots.len()
    );
    for (id, root) in roots {
        assert_eq!(blocks.owner(root), Some(id as u16));
        assert!(matches!(
            ledgers[(id + 1) % 3].settle(root, 1),
            Settled::Elsewhere
        ));
        assert!(matches!(ledgers[(id + 2) % 3].fail(root), Settled::Elsewhere));
        assert!(matches!(ledgers[id].settle(root, 0), Settled::Finished(_)));
    }
    let stranger = Ledger::new((8, 0), 0, Arc::default(), 9)
        .open(1, 1, &wheel, 0)
        .unwrap();
    assert!(
        matches!(ledgers[0].settle(stranger, 1), Settled::Elsewhere),
        "of another worker"
    );
}

/// A thread that was busy when the wheel should have turned opens trees with an old wheel; they live as long as others.
#[test]
fn a_late_wheel_shortens_no_life() {
    let (mut ledger, mut wheel) = (
        Ledger::new((0, 0), 0, Arc::default(), 1),
        Wheel::new(Some(TIMEOUT), 0),
    );
    let early = ledger.open(1, 1u64, &wheel, 0).unwrap();
    let late = ledger.open(1, 2, &wheel, 5 * TIMEOUT / 2).unwrap();
    let mut ended = Vec::new();
    for now in [5 * TIMEOUT / 2, 7 * TIMEOUT / 2 - 1, 9 * TIMEOUT / 2] {
        wheel.advance(now).into_iter().for_each(|due| ledger.turned(due));
        while ledger.sweep(|settled| ended.push((now, settled))) {}
    }
    let [(first, Settled::Finished(one)), (second, Settled::Finished(two))] = ended.as_slice() else {
        panic!("{early:?} and {late:?} end once each: {ended:?}")
    };
    assert_eq!((one.token, *first), (1, 5 * TIMEOUT / 2));
    assert_eq!((two.token, *second), (2, 9 * TIMEOUT / 2));
}
