use std::collections::{HashMap, HashSet};

use typhoon_core::ack::{Finished, Lineage, Outcome, Root};

/// What really happened: for each tree the tuples that were sent and not acked, and how it ended.
pub struct Truth {
    /// Tuples that were sent and not acked, by tree or relay.
    open: HashMap<Root, i64>,
    tokens: HashMap<u64, Root>,
    /// Trees with a tuple that was failed, or forgotten.
    spoiled: HashSet<Root>,
    /// The trees of each input of a relay.
    relays: HashMap<Root, Vec<Vec<Root>>>,
    pub ended: HashMap<u64, Outcome>,
    /// The last stamp by source and destination, the latter in one start of its worker.
    stamps: HashMap<(u32, (u32, u64)), i64>,
    /// Nothing gets lost.
    pub calm: bool,
    /// Trees that began while it was calm.
    begun_in_calm: HashSet<Root>,
    /// Trees that began, tuples that came, acks and fails.
    pub acts: u64,
    /// The fullest that an inbox or an outbox was.
    pub fullest_inbox: usize,
    pub fullest_outbox: usize,
}

pub fn roots(lineage: &Lineage) -> Vec<Root> {
    let mut roots = Vec::new();
    lineage.each(|root, _| roots.push(root));
    roots
}

impl Default for Truth {
    fn default() -> Self {
        Truth {
            open: HashMap::new(),
            tokens: HashMap::new(),
            spoiled: HashSet::new(),
            relays: HashMap::new(),
            ended: HashMap::new(),
            stamps: HashMap::new(),
            calm: true,
            begun_in_calm: HashSet::new(),
            acts: 0,
            fullest_inbox: 0,
            fullest_outbox: 0,
        }
    }
}

impl Truth {
    /// A name for the next tree of a task, in this start of its worker.
    pub fn token(&self, task: u32, start: u64) -> u64 {
        u64::from(task) << 32 | start << 24 | self.tokens.len() as u64
    }

    /// Trees that were begun in a start of a worker, and how many of them have not ended.
    pub fn begun(&self, start: u64) -> (usize, usize) {
        let of_start = self.tokens.keys().filter(|token| *token >> 24 & 0xFF == start);
        of_start.fold((0, 0), |(all, open), token| {
            (all + 1, open + usize::from(!self.ended.contains_key(token)))
        })
    }

    pub fn began(&mut self, root: Root, token: u64) {
        self.acts += 1;
        assert!(self.tokens.insert(token, root).is_none());
        assert!(
            self.open.insert(root, 0).is_none(),
            "{root:?} was handed out twice"
        );
        if self.calm {
            self.begun_in_calm.insert(root);
        }
    }

    pub fn began_relay(&mut self, root: Root, inputs: &[(Lineage, u64)]) {
        // One more, until all children were sent.
        assert!(
            self.open.insert(root, 1).is_none(),
            "{root:?} was handed out twice"
        );
        self.relays
            .insert(root, inputs.iter().map(|(lineage, _)| roots(lineage)).collect());
    }

    pub fn sent(&mut self, roots: &HashSet<Root>, copies: usize) {
        for root in roots {
            *self.open.get_mut(root).unwrap() += copies as i64;
        }
    }

    pub fn acked(&mut self, roots: Vec<Root>) {
        self.acts += 1;
        for root in roots {
            let open = self.open.get_mut(&root).unwrap();
            *open -= 1;
            assert!(*open >= 0);
            if *open == 0 && !self.spoiled.contains(&root) {
                for input in self.relays.remove(&root).unwrap_or_default() {
                    self.acked(input);
                }
            }
        }
    }

    pub fn spoiled(&mut self, roots: Vec<Root>) {
        self.acts += 1;
        for root in roots {
            self.spoiled.insert(root);
            for input in self.relays.remove(&root).unwrap_or_default() {
                self.spoiled(input);
            }
        }
    }

    pub fn told(&mut self, finished: &Finished<u64>) {
        let (token, outcome) = (finished.token, finished.outcome);
        assert_eq!(u64::from(finished.task), token >> 32, "told another task");
        if let Some(before) = self.ended.insert(token, outcome) {
            panic!("{token:x} ended twice: {before:?}, {outcome:?}");
        }
        let root = self.tokens[&token];
        if outcome == Outcome::Acked {
            assert_eq!(self.open[&root], 0, "{token:x} was acked with open tuples");
            assert!(
                !self.spoiled.contains(&root),
                "{token:x} was acked though a tuple of it was not"
            );
        } else if outcome != Outcome::TimedOut && self.begun_in_calm.contains(&root) && self.calm {
            assert!(
                self.spoiled.contains(&root),
                "{token:x}: {outcome:?} without a reason"
            );
        }
    }

    pub fn arrived(&mut self, source: u32, destination: (u32, u64), stamp: i64) {
        self.acts += 1;
        if let Some(before) = self.stamps.insert((source, destination), stamp) {
            assert!(
                before < stamp,
                "{source} -> {destination:?}: {stamp} came after {before}"
            );
        }
    }

    pub fn trees(&self) -> usize {
        self.tokens.len()
    }

    /// Every tree has ended, and as `Acked` exactly if nothing of it was failed; for runs without a time-out.
    pub fn check_exact(&self) {
        assert_eq!(self.ended.len(), self.tokens.len());
        for (token, root) in &self.tokens {
            let expected = if self.spoiled.contains(root) {
                Outcome::Failed
            } else {
                Outcome::Acked
            };
            assert_eq!(self.ended[token], expected, "{token:x}");
        }
    }
}
