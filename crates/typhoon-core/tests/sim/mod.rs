//! A worker in one thread: loops that are stepped in a seeded random order, a clock that moves when told, and
//! components that misbehave at random.

pub mod chaos;
pub mod truth;
pub mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use typhoon_core::ack::Finished;
use typhoon_core::engine::{Clock, Component, Desk, Kit, Next, Stop};
use typhoon_core::flow::{Key, Parcel};
use typhoon_core::native::{Native, Value, Values};

/// Time moves by this much whenever somebody looks.
const GLANCE: u64 = 100;

#[derive(Clone, Default)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    pub fn pass(&self, nanoseconds: u64) {
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub fn peek(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clock for SimClock {
    fn now(&self) -> u64 {
        self.0.fetch_add(GLANCE, Ordering::Relaxed) + GLANCE
    }
}

/// A small tuple, and its bytes once it has been packed. A float cannot be a key.
#[derive(Debug, Clone)]
pub struct Row(Arc<[Value]>, Option<Arc<[u8]>>);

impl Row {
    pub fn ints(values: &[i64]) -> Self {
        Self::from_values(values.iter().map(|n| Value::Int(*n)).collect())
    }

    pub fn int(&self, position: usize) -> i64 {
        match self.0[position] {
            Value::Int(n) => n,
            ref other => panic!("{other:?} is not a number"),
        }
    }
}

impl Values for Row {
    fn from_values(values: Vec<Value>) -> Self {
        Row(values.into(), None)
    }

    fn at<R>(&self, position: usize, read: impl FnOnce(Option<&Value>) -> R) -> R {
        read(self.0.get(position))
    }
}

/// Only whole numbers travel.
impl Parcel for Row {
    type Store = ();

    fn pack(self) -> Option<Self> {
        let bytes: Vec<u8> = (0..self.0.len())
            .flat_map(|position| self.int(position).to_le_bytes())
            .collect();
        Some(Row(self.0, Some(bytes.into())))
    }

    fn is_packed(&self) -> bool {
        self.1.is_some()
    }

    fn packed(&self) -> &[u8] {
        self.1.as_deref().unwrap_or_default()
    }

    fn arrived(bytes: &[u8], _: &mut ()) -> Self {
        let int = |number: &[u8; 8]| Value::Int(i64::from_le_bytes(*number));
        Row(bytes.as_chunks().0.iter().map(int).collect(), Some(bytes.into()))
    }

    fn store(_: usize) {}
}

impl Key for Row {
    type Error = ();

    fn hash(&self, positions: &[usize]) -> Result<u64, ()> {
        positions.iter().try_fold(7u64, |sum, position| {
            let bytes: &[u8] = match &self.0[*position] {
                Value::Int(n) => &n.to_le_bytes(),
                Value::Text(text) => text.as_bytes(),
                _ => return Err(()),
            };
            Ok(bytes.iter().fold(sum, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
            }))
        })
    }
}

pub struct SimKit;

impl Kit for SimKit {
    type Payload = Row;
    type Token = u64;
    type Request = ();
    type Clock = SimClock;
    type Component = Sim;
}

/// Ends of trees as a spout was told, and what `Count` bolts counted.
#[derive(Default)]
pub struct Told {
    pub finished: Vec<Finished<u64>>,
    pub counts: std::collections::HashMap<Box<str>, i64>,
}

/// A component of one purpose: what it does with each call.
pub type Play = Box<dyn FnMut(&mut Desk<SimKit>, Call) -> Next>;

/// A call of the engine.
pub enum Call {
    Next,
    Process,
    Settled(Finished<u64>),
}

pub enum Sim {
    Native(Native<Row>, usize, Rc<RefCell<Told>>),
    Spout(chaos::Spout),
    Bolt(chaos::Bolt),
    Play(Play),
}

impl Component<SimKit> for Sim {
    fn open(&mut self, _: &mut Desk<SimKit>) -> Result<(), Stop> {
        Ok(())
    }

    fn ask(&mut self, desk: &mut Desk<SimKit>, slot: usize) -> Result<Next, Stop> {
        if let Sim::Native(native, ..) = self {
            return Ok(native.ask(desk, slot, |number| number));
        }
        while desk.wants(slot) {
            let next = match self {
                Sim::Spout(spout) => spout.next_tuple(desk, slot),
                Sim::Play(play) => play(desk, Call::Next),
                Sim::Native(..) | Sim::Bolt(_) => unreachable!("a bolt is not asked for tuples"),
            };
            if next == Next::Done {
                return Ok(next);
            }
        }
        Ok(Next::More)
    }

    fn process(&mut self, desk: &mut Desk<SimKit>) -> Result<(), Stop> {
        match self {
            Sim::Native(native, ..) => native.process(desk),
            Sim::Bolt(bolt) => bolt.process(desk),
            Sim::Play(play) => drop(play(desk, Call::Process)),
            Sim::Spout(_) => unreachable!("a spout has no input"),
        }
        Ok(())
    }

    fn settled(&mut self, desk: &mut Desk<SimKit>) -> Result<(), Stop> {
        while let Some(finished) = desk.next_settled() {
            match self {
                Sim::Native(_, _, told) => told.borrow_mut().finished.push(finished),
                Sim::Spout(spout) => spout.settled(&finished),
                Sim::Play(play) => drop(play(desk, Call::Settled(finished))),
                Sim::Bolt(_) => unreachable!("a bolt has no trees"),
            }
        }
        Ok(())
    }

    fn request(&mut self, desk: &mut Desk<SimKit>, (): ()) -> Result<(), Stop> {
        match self {
            Sim::Bolt(bolt) => bolt.let_go(desk),
            Sim::Spout(spout) => spout.left.fill(spout.again),
            Sim::Native(..) | Sim::Play(_) => {}
        }
        Ok(())
    }

    fn active(&mut self, _: &mut Desk<SimKit>, _: bool) -> Result<(), Stop> {
        Ok(())
    }

    fn tick(&mut self) -> Option<Row> {
        Some(Row::ints(&[]))
    }

    fn close(&mut self, _: &mut Desk<SimKit>) {
        if let Sim::Native(native, tasks, told) = self {
            for slot in 0..*tasks {
                for (text, count) in native.counts(slot) {
                    *told.borrow_mut().counts.entry(text.clone()).or_insert(0) += count;
                }
            }
        }
    }
}
