//! The rules of acking, checked in every interleaving of a small topology.
//!
//! A spout with its ledger, a bolt `Near` on the same loop (its acks reach the ledger at once) and a bolt `Far` on
//! another (its acks travel). Messages are in order per pair of sender and receiver and otherwise as late as they like.
//! An XOR is a set of edges, so nothing cancels out by luck. Each [`Rules`] but the right ones breaks one rule, and the
//! checker must notice.

mod explore;

use std::collections::VecDeque;

use explore::{Broken, check};

/// At most so many trees.
const TREES: usize = 3;

/// A set of edges; XOR is the symmetric difference.
type Set = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Right,
    /// Each copy is sealed and sent by itself.
    SealByCopy,
    /// An ack or fail is for the tree that has the slot now.
    NoGenerations,
    /// A slot begins its generations again without a rest.
    NoRest,
    /// A bolt acks its input first and adds the edges of the children afterwards.
    ChildrenLater,
    /// A tree that timed out keeps its slot.
    TimeOutKeepsSlot,
    /// A child is sent without an edge of its own.
    ForgetChild,
}

/// What may happen.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    trees: usize,
    /// Copies per emit of the spout, and children per tuple.
    fan_out: usize,
    children: usize,
    slots: usize,
    generations: u8,
    fails: bool,
    drops: bool,
    time_outs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    slot: u8,
    generation: u8,
    /// For the checker only: no rule looks at it.
    tree: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Message {
    Tuple { name: Name, edge: Set, child: bool },
    Settle { name: Name, edges: Set },
    Fail { name: Name },
}

impl Message {
    fn slot(&self) -> u8 {
        let (Message::Tuple { name, .. } | Message::Settle { name, .. } | Message::Fail { name }) = self;
        name.slot
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Acked,
    Failed,
    TimedOut,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Slot {
    generation: u8,
    tree: Option<u8>,
    value: Set,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Tree {
    end: Option<End>,
    /// Tuples that exist and were not acked: the truth that the ledger must agree with.
    open: Set,
    drawn: u8,
}

const NEAR: usize = 0;
const FAR: usize = 1;
/// Queues: to a bolt from the spout, to a bolt from the other bolt, and from `Far` to the ledger.
const SPOUT_TO: [usize; 2] = [0, 1];
const BOLT_TO: [usize; 2] = [2, 3];
const TO_LEDGER: usize = 4;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct State {
    slots: Vec<Slot>,
    free: VecDeque<u8>,
    resting: Vec<u8>,
    trees: Vec<Tree>,
    queues: [VecDeque<Message>; 5],
    /// What broken rules do later.
    unfinished: Vec<Message>,
}

struct Model {
    rules: Rules,
    bounds: Bounds,
}

impl explore::Model for Model {
    type State = State;
    type Step = &'static str;

    fn start(&self) -> State {
        State {
            slots: vec![Slot::default(); self.bounds.slots],
            free: (0..self.bounds.slots as u8).collect(),
            ..State::default()
        }
    }

    fn steps(&self, state: &State) -> Result<explore::Steps<Self>, Broken> {
        let mut next = Vec::new();
        let mut found = Vec::new();
        self.emit(state, &mut found)?;
        next.extend(found.drain(..).map(|state| ("emit", state)));
        for (bolt, name) in [(NEAR, "near"), (FAR, "far")] {
            for queue in [SPOUT_TO[bolt], BOLT_TO[bolt]] {
                self.process(state, bolt, queue, &mut found)?;
            }
            next.extend(found.drain(..).map(|state| (name, state)));
        }
        self.read_mail(state, &mut found)?;
        next.extend(found.drain(..).map(|state| ("mail", state)));
        self.time_out(state, &mut found)?;
        next.extend(found.drain(..).map(|state| ("time-out", state)));
        self.rest_is_over(state, &mut found);
        next.extend(found.drain(..).map(|state| ("rest is over", state)));
        for index in 0..state.unfinished.len() {
            let mut state = state.clone();
            let message = state.unfinished.remove(index);
            match message {
                Message::Settle { name, edges } => self.settle(&mut state, name, edges)?,
                message => state.queues[SPOUT_TO[FAR]].push_back(message),
            }
            next.push(("unfinished", state));
        }
        Ok(next)
    }

    /// Nothing can happen any more.
    fn rest(&self, state: &State, steps: &[(&'static str, State)]) -> Result<(), Broken> {
        for (number, tree) in state.trees.iter().enumerate().filter(|_| steps.is_empty()) {
            match tree.end {
                None => return Err(format!("tree {number} never ended")),
                Some(End::Acked) => {}
                Some(_) if self.bounds.fails || self.bounds.time_outs => {}
                Some(end) => return Err(format!("tree {number} {end:?}, and nobody failed it")),
            }
        }
        Ok(())
    }
}

impl Model {
    fn draw(state: &mut State, tree: usize) -> Set {
        let tree_state = &mut state.trees[tree];
        let edge = 1 << (tree * 10 + tree_state.drawn as usize);
        tree_state.drawn += 1;
        tree_state.open |= edge;
        edge
    }

    /// The spout emits to one bolt, or to both.
    fn emit(&self, state: &State, next: &mut Vec<State>) -> Result<(), Broken> {
        if state.trees.len() == self.bounds.trees || state.free.is_empty() {
            return Ok(());
        }
        let choices: &[&[usize]] = &[&[NEAR], &[FAR], &[NEAR, FAR]];
        for targets in choices
            .iter()
            .filter(|targets| targets.len() <= self.bounds.fan_out)
        {
            let mut state = state.clone();
            let tree = state.trees.len();
            let slot = state.free.pop_front().unwrap();
            state.trees.push(Tree::default());
            let generation = state.slots[slot as usize].generation;
            state.slots[slot as usize] = Slot {
                generation,
                tree: Some(tree as u8),
                value: 0,
            };
            let name = Name {
                slot,
                generation,
                tree: tree as u8,
            };
            let edges: Vec<Set> = targets.iter().map(|_| Self::draw(&mut state, tree)).collect();
            let sealed_at_once = if self.rules == Rules::SealByCopy {
                1
            } else {
                edges.len()
            };
            let made = edges[..sealed_at_once].iter().fold(0, |sum, edge| sum ^ edge);
            self.settle(&mut state, name, made)?;
            for (index, (target, edge)) in targets.iter().zip(edges).enumerate() {
                let tuple = Message::Tuple {
                    name,
                    edge,
                    child: false,
                };
                if index < sealed_at_once {
                    state.queues[SPOUT_TO[*target]].push_back(tuple);
                } else {
                    state.unfinished.push(Message::Settle { name, edges: edge });
                    state.unfinished.push(tuple);
                }
            }
            next.push(state);
        }
        Ok(())
    }

    /// A bolt takes the oldest tuple of a queue and acks it with some children, fails it, or forgets it.
    fn process(&self, state: &State, bolt: usize, queue: usize, next: &mut Vec<State>) -> Result<(), Broken> {
        let Some(Message::Tuple { name, edge, child }) = state.queues[queue].front().cloned() else {
            return Ok(());
        };
        let mut taken = state.clone();
        taken.queues[queue].pop_front();
        let most = if child { 0 } else { self.bounds.children };
        for children in 0..=most {
            let mut state = taken.clone();
            let mut made = 0;
            for _ in 0..children {
                let edge = Self::draw(&mut state, name.tree as usize);
                if self.rules != Rules::ForgetChild {
                    made |= edge;
                }
                state.queues[BOLT_TO[1 - bolt]].push_back(Message::Tuple {
                    name,
                    edge,
                    child: true,
                });
            }
            state.trees[name.tree as usize].open &= !edge;
            if self.rules == Rules::ChildrenLater && made != 0 {
                state.unfinished.push(Message::Settle { name, edges: made });
                made = 0;
            }
            self.send(
                &mut state,
                bolt,
                Message::Settle {
                    name,
                    edges: edge ^ made,
                },
            )?;
            next.push(state);
        }
        if self.bounds.fails {
            let mut state = taken.clone();
            self.send(&mut state, bolt, Message::Fail { name })?;
            next.push(state);
        }
        if self.bounds.drops {
            next.push(taken);
        }
        Ok(())
    }

    fn send(&self, state: &mut State, bolt: usize, message: Message) -> Result<(), Broken> {
        if bolt == FAR {
            state.queues[TO_LEDGER].push_back(message);
            return Ok(());
        }
        self.read(state, message)
    }

    fn read_mail(&self, state: &State, next: &mut Vec<State>) -> Result<(), Broken> {
        let mut state = state.clone();
        if let Some(message) = state.queues[TO_LEDGER].pop_front() {
            self.read(&mut state, message)?;
            next.push(state);
        }
        Ok(())
    }

    fn read(&self, state: &mut State, message: Message) -> Result<(), Broken> {
        match message {
            Message::Settle { name, edges } => self.settle(state, name, edges),
            Message::Fail { name } => match self.find(state, name)? {
                Some(tree) => self.end(state, tree, name.slot, End::Failed),
                None => Ok(()),
            },
            Message::Tuple { .. } => Err("a tuple in the ledger's mail".into()),
        }
    }

    /// The live tree that a message is for.
    fn find(&self, state: &State, name: Name) -> Result<Option<u8>, Broken> {
        let slot = &state.slots[name.slot as usize];
        let known = self.rules == Rules::NoGenerations || slot.generation == name.generation;
        let tree = slot.tree.filter(|_| known);
        match tree {
            Some(tree) if tree != name.tree => Err(format!("tree {tree} is credited with mail for {name:?}")),
            tree => Ok(tree),
        }
    }

    fn settle(&self, state: &mut State, name: Name, edges: Set) -> Result<(), Broken> {
        let Some(tree) = self.find(state, name)? else {
            return Ok(());
        };
        let slot = &mut state.slots[name.slot as usize];
        slot.value ^= edges;
        if slot.value == 0 {
            self.end(state, tree, name.slot, End::Acked)
        } else {
            Ok(())
        }
    }

    fn time_out(&self, state: &State, next: &mut Vec<State>) -> Result<(), Broken> {
        for (slot, tree) in state
            .slots
            .iter()
            .enumerate()
            .filter_map(|(n, slot)| Some((n, slot.tree?)))
        {
            if self.bounds.time_outs {
                let mut state = state.clone();
                self.end(&mut state, tree, slot as u8, End::TimedOut)?;
                next.push(state);
            }
        }
        Ok(())
    }

    fn end(&self, state: &mut State, tree: u8, slot: u8, end: End) -> Result<(), Broken> {
        let ended = &mut state.trees[tree as usize];
        if end == End::Acked && ended.open != 0 {
            return Err(format!("tree {tree} is acked, but {:b} are open", ended.open));
        }
        if let Some(before) = ended.end.replace(end) {
            return Err(format!("tree {tree} ended twice: {before:?}, {end:?}"));
        }
        if end == End::TimedOut && self.rules == Rules::TimeOutKeepsSlot {
            return Ok(());
        }
        let place = &mut state.slots[slot as usize];
        *place = Slot {
            generation: (place.generation + 1) % self.bounds.generations,
            tree: None,
            value: 0,
        };
        match place.generation {
            0 if self.rules != Rules::NoRest => state.resting.push(slot),
            _ => state.free.push_back(slot),
        }
        Ok(())
    }

    /// Two time-outs have passed: nothing that concerns the slot is under way any more.
    fn rest_is_over(&self, state: &State, next: &mut Vec<State>) {
        for index in 0..state.resting.len() {
            let slot = state.resting[index];
            if !state
                .queues
                .iter()
                .flatten()
                .any(|message| message.slot() == slot)
            {
                let mut state = state.clone();
                state.free.push_back(state.resting[index]);
                state.resting.remove(index);
                next.push(state);
            }
        }
    }
}

const WIDE: Bounds = Bounds {
    trees: 2,
    fan_out: 2,
    children: 1,
    slots: 1,
    generations: 4,
    fails: true,
    drops: true,
    time_outs: true,
};

const LONG: Bounds = Bounds {
    trees: TREES,
    fan_out: 1,
    children: 1,
    generations: 2,
    drops: false,
    ..WIDE
};

const KIND: Bounds = Bounds {
    children: 2,
    slots: 2,
    fails: false,
    drops: false,
    time_outs: false,
    ..WIDE
};

fn states(bounds: Bounds) -> usize {
    match check(&Model {
        rules: Rules::Right,
        bounds,
    }) {
        Ok(states) => states,
        Err(why) => panic!("{why}"),
    }
}

fn breaks(rules: Rules, bounds: Bounds, how: &str) {
    match check(&Model { rules, bounds }) {
        Ok(states) => panic!("{rules:?} was not noticed in {states} states"),
        Err(why) => assert!(why.contains(how), "{rules:?} was noticed as: {why}"),
    }
}

#[test]
fn wide_trees_end_once_and_are_acked_when_settled() {
    assert!(states(WIDE) > 1_000);
}

#[test]
fn slots_are_reused_through_all_generations() {
    assert!(states(LONG) > 1_000);
}

#[test]
fn two_slots_go_round() {
    assert!(
        states(Bounds {
            slots: 2,
            fails: false,
            ..LONG
        }) > 1_000
    );
}

#[test]
fn without_fails_and_time_outs_every_tree_is_acked() {
    assert!(states(KIND) > 1_000);
}

#[test]
fn sealing_copy_by_copy_is_noticed() {
    breaks(Rules::SealByCopy, WIDE, "is acked, but");
}

#[test]
fn ignoring_the_generation_is_noticed() {
    breaks(Rules::NoGenerations, WIDE, "is credited with");
}

#[test]
fn generations_without_a_rest_are_noticed() {
    breaks(Rules::NoRest, LONG, "is credited with");
}

#[test]
fn children_after_the_ack_are_noticed() {
    breaks(Rules::ChildrenLater, WIDE, "is acked, but");
}

#[test]
fn a_slot_kept_after_a_time_out_is_noticed() {
    breaks(Rules::TimeOutKeepsSlot, WIDE, "ended twice");
}

#[test]
fn a_child_without_an_edge_is_noticed() {
    breaks(Rules::ForgetChild, WIDE, "is acked, but");
}
