//! What there is: workers and their processes, sessions, frames, trees.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Indices of workers.
pub const WORKERS: u8 = 3;
/// Processes: a worker that is started again is a new one.
pub const PROCESSES: usize = 5;
pub const TREES: usize = 4;

/// `owes`: the process has yet to fail what is pending in its own ledger. The lower bits: it owes a marker to a worker.
pub const OWN: u8 = 0x80;

/// Where a frame is that has no session to be in: with its sender, for the worker of this index.
const WAITING: u8 = 8;
/// Input that a bolt has taken and not settled.
const HELD: u8 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Status {
    #[default]
    NotStarted,
    Live,
    /// Declared DOWN, and still at work.
    Zombie,
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum End {
    #[default]
    Pending,
    Acked,
    /// A bolt failed a tuple of it.
    Failed,
    /// By a death, a lost session or a marker.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tuple,
    Ack,
    Fail,
    Marker,
}

/// One number, since every state has several: from, to, kind, tree, depth, edges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame(u32);

impl Frame {
    pub const MARKER: Frame = Frame::new(Kind::Marker, 0, 0, 0);

    pub const fn new(kind: Kind, tree: usize, edges: u8, depth: u8) -> Self {
        Frame((kind as u32) << 16 | (tree as u32) << 12 | (depth as u32) << 8 | edges as u32)
    }

    fn placed(self, from: usize, to: u8) -> Self {
        Frame(self.0 & 0xFF_FFFF | (from as u32) << 28 | u32::from(to) << 24)
    }

    pub fn kind(self) -> Kind {
        [Kind::Tuple, Kind::Ack, Kind::Fail, Kind::Marker][(self.0 >> 16 & 3) as usize]
    }

    pub fn tree(self) -> usize {
        (self.0 >> 12 & 0xF) as usize
    }

    pub fn depth(self) -> u8 {
        (self.0 >> 8 & 0xF) as u8
    }

    pub fn edges(self) -> u8 {
        self.0 as u8
    }

    fn place(self) -> u32 {
        self.0 >> 24
    }

    fn from(self) -> usize {
        (self.0 >> 28) as usize
    }

    fn to(self) -> u8 {
        (self.0 >> 24 & 0xF) as u8
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, tree, edges) = (self.kind(), self.tree(), self.edges());
        match self.to() {
            HELD => write!(f, "{} holds {tree}:{edges:03b}", self.from()),
            to if to >= WAITING => write!(f, "{} keeps for worker {}: ", self.from(), to - WAITING),
            to => write!(f, "{}->{to}: ", self.from()),
        }?;
        write!(f, "{kind:?} {tree}:{edges:03b}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tree {
    pub owner: u8,
    pub slot: u8,
    pub generation: u8,
    /// What the ledger knows: XOR as symmetric difference.
    pub value: u8,
    /// The truth: tuples that exist, or are lost, and were not settled.
    pub open: u8,
    pub drawn: u8,
    /// Processes that its tuples were sent to. Only where somebody counts them.
    pub touched: u8,
    pub end: End,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub status: [Status; PROCESSES],
    pub worker: [u8; PROCESSES],
    /// `links[a]` has bit `b`: a is in a session with b. The other end may have left it.
    pub links: [u8; PROCESSES],
    /// `knows[a]` has bit `b`: a was told DOWN(b).
    pub knows: [u8; PROCESSES],
    pub owes: [u8; PROCESSES],
    /// Broken rules only: a has failed its trees and is about to drop what is for b.
    pub about: [u8; PROCESSES],
    pub deaths: u8,
    pub restarts: u8,
    pub breaks: u8,
    pub begun: u8,
    pub trees: [Tree; TREES],
    /// Sorted by place, in order of sending in each.
    pub frames: Vec<Frame>,
}

/// In few numbers: derived, it would be most of the time that the checker takes.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let (started, frames) = (self.started(), self.frames.len() as u8);
        let head = [
            self.deaths,
            self.restarts,
            self.breaks,
            self.begun,
            started as u8,
            frames,
        ];
        let [a, b, c, d, e, f] = head;
        hasher.write_u64(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
        for p in 0..started {
            let (status, worker, about) = (self.status[p] as u8, self.worker[p], self.about[p]);
            let (links, knows, owes) = (self.links[p], self.knows[p], self.owes[p]);
            hasher.write_u64(u64::from_le_bytes([
                status, worker, about, links, knows, owes, 0, 0,
            ]));
        }
        for tree in &self.trees[..usize::from(self.begun)] {
            let Tree {
                owner,
                slot,
                generation,
                value,
                open,
                drawn,
                touched,
                end,
            } = *tree;
            let bytes = [owner, slot, generation, value, open, drawn, touched, end as u8];
            hasher.write_u64(u64::from_le_bytes(bytes));
        }
        for pair in self.frames.chunks(2) {
            let second = pair.get(1).map_or(0, |frame| frame.0);
            hasher.write_u64(u64::from(pair[0].0) << 32 | u64::from(second));
        }
    }
}

pub fn bit(number: usize) -> u8 {
    1 << number
}

fn place(from: usize, to: u8) -> u32 {
    (from as u32) << 4 | u32::from(to)
}

impl State {
    pub fn runs(&self, process: usize) -> bool {
        matches!(self.status[process], Status::Live | Status::Zombie)
    }

    pub fn declared(&self, process: usize) -> bool {
        matches!(self.status[process], Status::Zombie | Status::Dead)
    }

    pub fn linked(&self, a: usize, b: usize) -> bool {
        self.links[a] & bit(b) != 0
    }

    pub fn knows(&self, a: usize, down: usize) -> bool {
        self.knows[a] & bit(down) != 0
    }

    pub fn started(&self) -> usize {
        self.status
            .iter()
            .filter(|status| **status != Status::NotStarted)
            .count()
    }

    pub fn is_last(&self, process: usize) -> bool {
        (process + 1..self.started()).all(|later| self.worker[later] != self.worker[process])
    }

    /// The process that `a` takes for worker `index`.
    pub fn peer(&self, a: usize, index: u8) -> Option<usize> {
        (0..self.started()).find(|b| self.worker[*b] == index && !self.knows(a, *b))
    }

    fn push_at(&mut self, frame: Frame) {
        let at = self
            .frames
            .iter()
            .position(|other| other.place() > frame.place())
            .unwrap_or(self.frames.len());
        self.frames.insert(at, frame);
    }

    pub fn push(&mut self, from: usize, to: usize, frame: Frame) {
        self.push_at(frame.placed(from, to as u8));
    }

    pub fn wait(&mut self, from: usize, index: u8, frame: Frame) {
        self.push_at(frame.placed(from, WAITING + index));
    }

    pub fn hold(&mut self, by: usize, frame: Frame) {
        self.push_at(frame.placed(by, HELD));
        self.frames.sort_by_key(|frame| match frame.to() {
            HELD => (frame.place(), *frame),
            _ => (frame.place(), Frame(0)),
        });
    }

    pub fn front(&self, from: usize, to: usize) -> Option<Frame> {
        let place = place(from, to as u8);
        self.frames.iter().copied().find(|frame| frame.place() == place)
    }

    pub fn pop(&mut self, from: usize, to: usize) {
        let place = place(from, to as u8);
        if let Some(at) = self.frames.iter().position(|frame| frame.place() == place) {
            self.frames.remove(at);
        }
    }

    pub fn queued(&self, from: usize, to: usize) -> usize {
        let place = place(from, to as u8);
        self.frames.iter().filter(|frame| frame.place() == place).count()
    }

    /// Keep the first `kept` frames of a queue.
    pub fn cut(&mut self, from: usize, to: usize, kept: usize) {
        let place = place(from, to as u8);
        let mut left = kept;
        self.frames.retain(|frame| {
            if frame.place() != place {
                return true;
            }
            let keep = left > 0;
            left = left.saturating_sub(1);
            keep
        });
    }

    /// Take all that waits for a session with worker `index`.
    pub fn take_waiting(&mut self, from: usize, index: u8) -> Vec<Frame> {
        self.take(|frame| frame.place() == place(from, WAITING + index))
    }

    pub fn take_queue(&mut self, from: usize, to: usize) -> Vec<Frame> {
        self.take(|frame| frame.place() == place(from, to as u8))
    }

    fn take(&mut self, which: impl Fn(Frame) -> bool) -> Vec<Frame> {
        let taken: Vec<Frame> = self
            .frames
            .iter()
            .copied()
            .filter(|frame| which(*frame))
            .collect();
        if !taken.is_empty() {
            self.frames.retain(|frame| !which(*frame));
        }
        taken
    }

    pub fn held(&self, by: usize) -> impl Iterator<Item = Frame> {
        self.frames
            .iter()
            .copied()
            .filter(move |frame| frame.place() == place(by, HELD))
    }

    pub fn release(&mut self, frame: Frame) {
        if let Some(at) = self.frames.iter().position(|other| *other == frame) {
            self.frames.remove(at);
        }
    }

    /// Nobody will hear of this tree again.
    pub fn purge(&mut self, tree: usize) {
        self.frames
            .retain(|frame| frame.kind() == Kind::Marker || frame.tree() != tree);
        let tree = &mut self.trees[tree];
        (tree.value, tree.open, tree.drawn) = (0, 0, 0);
    }

    /// A process is no more. What it put into sockets may still be read.
    pub fn bury(&mut self, dead: usize) {
        self.status[dead] = Status::Dead;
        (
            self.links[dead],
            self.knows[dead],
            self.owes[dead],
            self.about[dead],
        ) = (0, 0, 0, 0);
        self.frames.retain(|frame| {
            let inside = frame.from() == dead && (frame.to() >= WAITING || usize::from(frame.to()) == dead);
            !inside && usize::from(frame.to()) != dead
        });
    }

    /// Something of the tree waits for a worker that was not started again.
    pub fn waits_for_nobody(&self, tree: usize) -> bool {
        self.frames.iter().any(|frame| {
            let to = frame.to();
            let nobody = |index| (0..self.started()).all(|p| self.worker[p] != index || self.declared(p));
            (WAITING..HELD).contains(&to) && frame.tree() == tree && nobody(to - WAITING)
        })
    }
}
