//! What workers do: spouts, bolts, ledgers, links; and what happens to them.

use std::cell::Cell;

use super::bounds::{Bounds, Rules, Step};
use super::explore::{self, Broken, Model};
use super::state::{End, Frame, Kind, PROCESSES, State, Status, TREES, Tree, WORKERS, bit};

pub type Steps = explore::Steps<Workers>;

pub struct Workers {
    pub rules: Rules,
    pub bounds: Bounds,
    pub counts: Counts,
}

/// In states where nothing is left to happen: trees of live workers that were lost, those of them that touched nothing
/// dead, and the most that one worker lost.
#[derive(Debug, Default)]
pub struct Counts {
    pub rests: Cell<usize>,
    pub ended: Cell<usize>,
    pub lost: Cell<usize>,
    pub innocent: Cell<usize>,
    pub most: Cell<usize>,
}

fn add(cell: &Cell<usize>, number: usize) {
    cell.set(cell.get() + number);
}

impl Model for Workers {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let mut state = State {
            deaths: self.bounds.deaths,
            restarts: self.bounds.restarts,
            breaks: self.bounds.breaks,
            ..State::default()
        };
        for worker in 0..WORKERS {
            let process = usize::from(worker);
            state.status[process] = Status::Live;
            state.worker[process] = worker;
            state.links[process] = 0b111 & !bit(process);
        }
        state
    }

    fn steps(&self, state: &State) -> Result<Steps, Broken> {
        let mut next = Vec::new();
        for a in (0..state.started()).filter(|a| state.runs(*a)) {
            self.emit(state, a, &mut next)?;
            self.release(state, a, &mut next)?;
            for b in 0..state.started() {
                self.read(state, a, b, &mut next)?;
                if a != b {
                    self.lose(state, a, b, &mut next)?;
                }
            }
            self.pay(state, a, &mut next)?;
        }
        self.open(state, &mut next);
        self.end_processes(state, &mut next);
        for (_, state) in &mut next {
            self.tidy(state);
        }
        Ok(next)
    }

    fn rest(&self, state: &State, steps: &[(Step, State)]) -> Result<(), Broken> {
        if !steps.iter().all(|(step, _)| step.is_chance()) {
            return Ok(());
        }
        let begun = usize::from(state.begun);
        let lives = |tree: &Tree| state.status[usize::from(tree.owner)] == Status::Live;
        for (number, tree) in state.trees[..begun].iter().enumerate() {
            if lives(tree) && tree.end == End::Pending && !state.waits_for_nobody(number) {
                return Err(format!("tree {number} never ends"));
            }
        }
        if self.bounds.count {
            let dead = (0..PROCESSES)
                .filter(|p| state.declared(*p))
                .fold(0, |dead, p| dead | bit(p));
            let live = || state.trees[..begun].iter().filter(|tree| lives(tree));
            let lost = || live().filter(|tree| tree.end == End::Lost);
            add(&self.counts.rests, 1);
            add(&self.counts.ended, live().count());
            add(&self.counts.lost, lost().count());
            add(
                &self.counts.innocent,
                lost().filter(|tree| tree.touched & dead == 0).count(),
            );
            let most = (0..PROCESSES).map(|p| lost().filter(|tree| usize::from(tree.owner) == p).count());
            self.counts
                .most
                .set(self.counts.most.get().max(most.max().unwrap_or(0)));
        }
        Ok(())
    }
}

/// Components.
impl Workers {
    fn targets(&self, state: &State, a: usize) -> impl Iterator<Item = u8> {
        let own = state.worker[a];
        let near = self.bounds.near;
        (0..WORKERS).filter(move |index| near || *index != own)
    }

    fn emit(&self, state: &State, a: usize, next: &mut Steps) -> Result<(), Broken> {
        let busy = || self.pending(state, a).next().is_some();
        if state.begun >= self.bounds.trees
            || self.bounds.spouts & bit(usize::from(state.worker[a])) == 0
            || self.bounds.again && busy()
        {
            return Ok(());
        }
        let tree = usize::from(state.begun);
        let slot = (0..TREES as u8)
            .find(|slot| self.pending(state, a).all(|tree| state.trees[tree].slot != *slot))
            .unwrap_or(0);
        let same = |tree: &&Tree| usize::from(tree.owner) == a && tree.slot == slot;
        let generation = state.trees[..tree].iter().filter(same).count() as u8;
        for first in self.targets(state, a) {
            let second = (first + 1..WORKERS).filter(|_| self.bounds.copies > 1);
            for second in std::iter::once(first).chain(second) {
                let mut state = state.clone();
                state.begun += 1;
                state.trees[tree] = Tree {
                    owner: a as u8,
                    slot,
                    generation,
                    ..Tree::default()
                };
                let to: &[u8] = if first == second {
                    &[first]
                } else {
                    &[first, second]
                };
                let edges: Vec<u8> = to.iter().map(|_| draw(&mut state, tree)).collect();
                state.trees[tree].value = edges.iter().sum();
                if self.bounds.count {
                    state.trees[tree].touched = bit(a);
                }
                for (to, edge) in to.iter().zip(edges) {
                    self.send(&mut state, a, *to, Frame::new(Kind::Tuple, tree, edge, 0))?;
                }
                next.push((
                    Step::Emit {
                        by: a,
                        to: [first, second],
                    },
                    state,
                ));
            }
        }
        Ok(())
    }

    /// `by` takes the oldest frame that came from `from`.
    fn read(&self, state: &State, by: usize, from: usize, next: &mut Steps) -> Result<(), Broken> {
        let Some(frame) = state.front(from, by) else {
            return Ok(());
        };
        let mut taken = state.clone();
        taken.pop(from, by);
        match frame.kind() {
            Kind::Tuple => return self.process(&taken, by, from, frame, next),
            Kind::Marker => {
                self.fail_all(&mut taken, by)?;
                next.push((Step::ReadMarker { by, from }, taken));
            }
            Kind::Ack => {
                self.settle(&mut taken, by, frame)?;
                next.push((Step::ReadAck { by, from }, taken));
            }
            Kind::Fail => {
                self.fail(&mut taken, by, frame)?;
                next.push((Step::ReadFail { by, from }, taken));
            }
        }
        Ok(())
    }

    fn process(
        &self,
        taken: &State,
        by: usize,
        from: usize,
        tuple: Frame,
        next: &mut Steps,
    ) -> Result<(), Broken> {
        let (tree, edge, depth) = (tuple.tree(), tuple.edges(), tuple.depth());
        let mut state = taken.clone();
        self.ack(&mut state, by, tree, edge, edge)?;
        next.push((Step::Ack { by, from }, state));
        if depth < self.bounds.depth {
            for to in self.targets(taken, by) {
                let mut state = taken.clone();
                let child = draw(&mut state, tree);
                self.send(
                    &mut state,
                    by,
                    to,
                    Frame::new(Kind::Tuple, tree, child, depth + 1),
                )?;
                if self.bounds.held.is_some_and(|deepest| depth <= deepest) {
                    let mut state = state.clone();
                    state.hold(by, Frame::new(Kind::Ack, tree, edge | child, 0));
                    next.push((Step::HoldAndChild { by, from, to }, state));
                }
                self.ack(&mut state, by, tree, edge, edge | child)?;
                next.push((Step::Child { by, from, to }, state));
            }
        }
        if self.bounds.fails {
            let mut state = taken.clone();
            let index = state.worker[usize::from(state.trees[tree].owner)];
            self.send(&mut state, by, index, Frame::new(Kind::Fail, tree, 0, 0))?;
            next.push((Step::FailTuple { by, from }, state));
        }
        Ok(())
    }

    /// A bolt acks what it held.
    fn release(&self, state: &State, by: usize, next: &mut Steps) -> Result<(), Broken> {
        for frame in state.held(by) {
            let mut state = state.clone();
            state.release(frame);
            // The input's edge was drawn before its child's.
            let edge = frame.edges() & frame.edges().wrapping_neg();
            self.ack(&mut state, by, frame.tree(), edge, frame.edges())?;
            next.push((Step::Release { by }, state));
        }
        Ok(())
    }

    fn ack(&self, state: &mut State, by: usize, tree: usize, edge: u8, edges: u8) -> Result<(), Broken> {
        state.trees[tree].open &= !edge;
        let index = state.worker[usize::from(state.trees[tree].owner)];
        self.send(state, by, index, Frame::new(Kind::Ack, tree, edges, 0))
    }

    fn send(&self, state: &mut State, by: usize, index: u8, frame: Frame) -> Result<(), Broken> {
        if self.bounds.count && frame.kind() == Kind::Tuple {
            let target = (0..state.started()).rfind(|p| state.worker[*p] == index && !state.knows(by, *p));
            state.trees[frame.tree()].touched |= target.map_or(0, bit);
        }
        if state.worker[by] == index {
            match frame.kind() {
                Kind::Tuple => state.push(by, by, frame),
                Kind::Fail => self.fail(state, by, frame)?,
                _ => self.settle(state, by, frame)?,
            }
            return Ok(());
        }
        match self.peer(state, by, index) {
            Some(to) if state.linked(by, to) => self.push(state, by, to, frame),
            _ => state.wait(by, index, frame),
        }
        Ok(())
    }
}

/// Ledgers.
impl Workers {
    fn pending(&self, state: &State, owner: usize) -> impl Iterator<Item = usize> + use<> {
        let trees = state.trees;
        (0..usize::from(state.begun))
            .filter(move |tree| usize::from(trees[*tree].owner) == owner && trees[*tree].end == End::Pending)
    }

    /// The live tree in the ledger of `by` that a frame is for.
    fn find(&self, state: &State, by: usize, frame: Frame) -> Result<Option<usize>, Broken> {
        let name = &state.trees[frame.tree()];
        let found = self.pending(state, by).find(|tree| {
            let tree = &state.trees[*tree];
            tree.slot == name.slot
                && (tree.owner == name.owner || self.rules == Rules::NoIncarnation)
                && (tree.generation == name.generation || self.rules == Rules::NoGenerations)
        });
        match found {
            Some(tree) if tree != frame.tree() => Err(format!("tree {tree} is credited with {frame:?}")),
            found => Ok(found),
        }
    }

    fn settle(&self, state: &mut State, by: usize, frame: Frame) -> Result<(), Broken> {
        let Some(tree) = self.find(state, by, frame)? else {
            return Ok(());
        };
        state.trees[tree].value ^= frame.edges();
        match state.trees[tree].value {
            0 => self.end(state, tree, End::Acked),
            _ => Ok(()),
        }
    }

    fn fail(&self, state: &mut State, by: usize, frame: Frame) -> Result<(), Broken> {
        match self.find(state, by, frame)? {
            Some(tree) => self.end(state, tree, End::Failed),
            None => Ok(()),
        }
    }

    pub fn fail_all(&self, state: &mut State, by: usize) -> Result<(), Broken> {
        for tree in self.pending(state, by) {
            self.end(state, tree, End::Lost)?;
        }
        Ok(())
    }

    fn end(&self, state: &mut State, number: usize, end: End) -> Result<(), Broken> {
        let tree = &mut state.trees[number];
        if end == End::Acked && tree.open != 0 {
            return Err(format!("tree {number} is acked, but {:03b} are open", tree.open));
        }
        match std::mem::replace(&mut tree.end, end) {
            End::Pending => Ok(()),
            before => Err(format!("tree {number} ended twice: {before:?}, {end:?}")),
        }
    }
}

fn draw(state: &mut State, tree: usize) -> u8 {
    let tree = &mut state.trees[tree];
    let edge = 1 << tree.drawn;
    tree.drawn += 1;
    tree.open |= edge;
    edge
}
