use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use typhoon_core::ack::{Edges, Finished, Lineage, Root};
use typhoon_core::engine::{Anchor, Anchors, Desk, EmitError, Input, Next};
use typhoon_core::flow::{Envelope, Parcel, Pick, STREAM_TICK};

use super::truth::{Truth, roots};
use super::{Row, SimKit};

/// In a thousand: how often a bolt does what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Temper {
    pub fail: usize,
    /// Forget the tuple: neither ack nor fail.
    pub drop: usize,
    /// Ack later, out of order.
    pub hold: usize,
    /// Anchor a child in several inputs.
    pub join: usize,
    /// Handle several inputs as one batch.
    pub relay: usize,
    pub reset: usize,
    /// Children per tuple at most; none once a tuple has come so far.
    pub children: usize,
    pub depth: i64,
}

/// Says in which order a task emitted, in this start of it.
fn stamped(stamps: &mut HashMap<usize, i64>, start: u64, slot: usize, depth: i64) -> Row {
    let stamp = stamps.entry(slot).or_insert((start << 32) as i64);
    *stamp += 1;
    Row::ints(&[*stamp, depth])
}

/// Emit on the first stream, each way in turn; the number of copies.
fn emit<A: Anchor>(desk: &mut Desk<SimKit>, slot: usize, row: Row, mut anchor: A) -> usize {
    let routes = &desk.outlet(slot, 0).routes;
    let single = matches!(routes.as_slice(), [route] if !matches!(route.pick, Pick::All));
    let copies = if single && row.int(0) % 2 == 0 {
        match desk.emit(slot, 0, row, &mut anchor) {
            Err(EmitError::Abroad(row, target)) => {
                desk.emit_abroad(slot, 0, row.pack().unwrap(), &mut anchor, target)
            }
            other => other,
        }
        .map(|()| 1)
    } else {
        let packed = desk.goes_abroad(slot, 0).then(|| row.clone().pack().unwrap());
        let tasks = desk.emit_to(slot, 0, row, packed, &mut anchor, None, &[]);
        tasks.map(|tasks| tasks.len())
    };
    match copies {
        Ok(copies) => copies,
        Err(EmitError::Full) => 0,
        Err(error) => panic!("{error:?}"),
    }
}

pub struct Spout {
    pub truth: Rc<RefCell<Truth>>,
    pub dice: Edges,
    pub tasks: Vec<u32>,
    /// Trees of each task, and those that it begins when it is requested to.
    pub left: Vec<u64>,
    pub again: u64,
    /// In a thousand: how often it emits a tuple that is in no tree.
    pub loose: usize,
    /// A spout without trees left has no more data.
    pub over: Rc<Cell<bool>>,
    /// Which start of a worker this is of, among all of the topology.
    pub start: u64,
    stamps: HashMap<usize, i64>,
}

impl Spout {
    pub fn new(truth: Rc<RefCell<Truth>>, seed: u64, tasks: Vec<u32>, trees: u64) -> Self {
        let left = vec![trees; tasks.len()];
        Spout {
            truth,
            dice: Edges::new(seed),
            tasks,
            left,
            again: trees,
            loose: 100,
            over: Rc::new(Cell::new(true)),
            start: 0,
            stamps: HashMap::new(),
        }
    }

    pub fn next_tuple(&mut self, desk: &mut Desk<SimKit>, slot: usize) -> Next {
        if self.left[slot] == 0 {
            return self.nothing();
        }
        if self.dice.below(10) == 0 {
            return Next::More;
        }
        if self.dice.below(1000) < self.loose {
            emit(
                desk,
                slot,
                stamped(&mut self.stamps, self.start, slot, 0),
                Input(&Lineage::NONE, &mut 0),
            );
            return Next::More;
        }
        let token = self.truth.borrow_mut().token(self.tasks[slot], self.start);
        self.left[slot] -= 1;
        let root = desk.open_tree(slot, token).unwrap();
        self.truth.borrow_mut().began(root, token);
        let mut made = 0;
        let row = stamped(&mut self.stamps, self.start, slot, 0);
        let copies = emit(desk, slot, row, Input(&Lineage::one(root, 0), &mut made));
        self.truth.borrow_mut().sent(&HashSet::from([root]), copies);
        desk.seal(root, made);
        self.truth.borrow_mut().fullest_outbox.max_with(desk.held_back());
        if self.left[slot] == 0 {
            self.nothing()
        } else {
            Next::More
        }
    }

    fn nothing(&self) -> Next {
        if self.over.get() { Next::Done } else { Next::More }
    }

    pub fn settled(&mut self, finished: &Finished<u64>) {
        self.truth.borrow_mut().told(finished);
    }
}

trait MaxWith {
    fn max_with(&mut self, other: Self);
}

impl MaxWith for usize {
    fn max_with(&mut self, other: usize) {
        *self = (*self).max(other);
    }
}

struct Held {
    slot: usize,
    depth: i64,
    lineage: Lineage,
    made: u64,
}

pub struct Bolt {
    pub truth: Rc<RefCell<Truth>>,
    pub dice: Edges,
    pub temper: Temper,
    /// As that of a spout.
    pub start: u64,
    /// Called in the midst of its calls: what other threads do meanwhile.
    pub meanwhile: Rc<dyn Fn()>,
    held: Vec<Held>,
    /// Of tuples that were settled long ago, for a late word about them.
    past: Vec<Lineage>,
    stamps: HashMap<usize, i64>,
}

impl Bolt {
    pub fn new(truth: Rc<RefCell<Truth>>, seed: u64, temper: Temper) -> Self {
        Bolt {
            truth,
            dice: Edges::new(seed),
            temper,
            start: 0,
            meanwhile: Rc::new(|| {}),
            held: vec![],
            past: vec![],
            stamps: HashMap::new(),
        }
    }

    fn luck(&mut self, in_a_thousand: usize) -> bool {
        self.dice.below(1000) < in_a_thousand
    }

    pub fn process(&mut self, desk: &mut Desk<SimKit>) {
        self.truth.borrow_mut().fullest_inbox.max_with(desk.waiting());
        while let Some(envelope) = desk.take() {
            self.take(desk, envelope);
            self.truth.borrow_mut().fullest_outbox.max_with(desk.held_back());
        }
        while !self.held.is_empty() && self.luck(500) {
            self.finish_one(desk);
        }
    }

    fn take(&mut self, desk: &mut Desk<SimKit>, envelope: Envelope<Row>) {
        let Envelope {
            payload,
            lineage,
            way,
        } = envelope;
        let slot = desk.slot(way.destination());
        if way.stream() == STREAM_TICK {
            desk.ticked(slot);
            return self.let_go(desk);
        }
        (self.meanwhile)();
        // What was sent on has been overtaken.
        if !way.is_forwarded() {
            self.truth
                .borrow_mut()
                .arrived(way.source(), (way.destination(), self.start), payload.int(0));
        }
        if self.luck(self.temper.reset) {
            desk.reset_timeout(&lineage);
            self.past.iter().for_each(|past| desk.reset_timeout(past));
        }
        if self.luck(self.temper.fail) {
            self.truth.borrow_mut().spoiled(roots(&lineage));
            return desk.fail(&lineage);
        }
        if self.luck(self.temper.drop) {
            return self.truth.borrow_mut().spoiled(roots(&lineage));
        }
        self.held.push(Held {
            slot,
            depth: payload.int(1),
            lineage,
            made: 0,
        });
        if self.luck(self.temper.relay) {
            self.relay(desk);
        } else if self.luck(self.temper.join) {
            self.join(desk);
        } else if !self.luck(self.temper.hold) {
            self.finish_one(desk);
        }
    }

    /// All that was held back is acked now.
    pub fn let_go(&mut self, desk: &mut Desk<SimKit>) {
        while !self.held.is_empty() {
            self.finish_one(desk);
        }
    }

    /// Emit the children of a held tuple, and ack it.
    fn finish_one(&mut self, desk: &mut Desk<SimKit>) {
        let mut held = self.held.swap_remove(self.dice.below(self.held.len()));
        for _ in 0..self.children(desk, &held) {
            let row = stamped(&mut self.stamps, self.start, held.slot, held.depth + 1);
            let copies = match held.lineage.single() {
                Some(_) => emit(desk, held.slot, row, Input(&held.lineage, &mut held.made)),
                None => {
                    let mut anchors = [(held.lineage.clone(), 0)];
                    let copies = emit(desk, held.slot, row, Anchors(&mut anchors));
                    held.made ^= anchors[0].1;
                    copies
                }
            };
            self.truth
                .borrow_mut()
                .sent(&roots(&held.lineage).into_iter().collect(), copies);
        }
        self.ack(desk, held);
    }

    fn ack(&mut self, desk: &mut Desk<SimKit>, held: Held) {
        (self.meanwhile)();
        self.truth.borrow_mut().acked(roots(&held.lineage));
        desk.ack(&held.lineage, held.made);
        if self.past.len() < 20 {
            self.past.push(held.lineage);
        }
    }

    fn children(&mut self, desk: &Desk<SimKit>, held: &Held) -> usize {
        let leaf = held.depth >= self.temper.depth || desk.outlet(held.slot, 0).routes.is_empty();
        if leaf {
            0
        } else {
            self.dice.below(self.temper.children + 1)
        }
    }

    /// One child of several tuples, which stay open a while longer.
    fn join(&mut self, desk: &mut Desk<SimKit>) {
        let Some(last) = self.held.last() else { return };
        let (slot, depth) = (last.slot, last.depth + 1);
        if desk.outlet(slot, 0).routes.is_empty() || depth > self.temper.depth {
            return;
        }
        let from = self.held.len().saturating_sub(3);
        let mut anchors: Vec<_> = self.held[from..]
            .iter()
            .map(|held| (held.lineage.clone(), 0))
            .collect();
        let all: HashSet<Root> = anchors.iter().flat_map(|(lineage, _)| roots(lineage)).collect();
        let copies = emit(
            desk,
            slot,
            stamped(&mut self.stamps, self.start, slot, depth),
            Anchors(&mut anchors),
        );
        self.truth.borrow_mut().sent(&all, copies);
        for (held, (_, made)) in self.held[from..].iter_mut().zip(anchors) {
            held.made ^= made;
        }
    }

    /// The held tuples as one batch: what is emitted stands for all of them.
    fn relay(&mut self, desk: &mut Desk<SimKit>) {
        let batch: Vec<Held> = self.held.drain(..).collect();
        let Some(last) = batch.last() else { return };
        let (slot, depth) = (last.slot, last.depth + 1);
        let root = desk.open_relay().unwrap();
        let leaf = desk.outlet(slot, 0).routes.is_empty() || depth > self.temper.depth;
        let inputs: Vec<(Lineage, u64)> = batch.into_iter().map(|held| (held.lineage, held.made)).collect();
        self.truth.borrow_mut().began_relay(root, &inputs);
        let mut made = 0;
        for _ in 0..if leaf { 0 } else { self.dice.below(3) } {
            let copies = emit(
                desk,
                slot,
                stamped(&mut self.stamps, self.start, slot, depth),
                Input(&Lineage::one(root, 0), &mut made),
            );
            self.truth.borrow_mut().sent(&HashSet::from([root]), copies);
        }
        inputs.iter().for_each(|_| desk.count_ack());
        self.truth.borrow_mut().acked(vec![root]);
        desk.seal_relay(root, inputs, made);
    }
}
