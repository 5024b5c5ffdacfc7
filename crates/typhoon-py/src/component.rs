//! The types that the engine is compiled for, and its `Component`: an executor of Python objects, or a native one.

use std::os::fd::RawFd;
use std::sync::mpsc::SyncSender;

use typhoon_core::ack::Lineage;
use typhoon_core::engine::{self, Desk, Next, Stop};
use typhoon_core::native::Native;

use crate::clock::WorkerClock;
use crate::executor::{Executor, tick_payload};
use crate::outward::Foreign;
use crate::payload::Payload;
use crate::python::Ref;

/// The engine, as compiled for Python objects.
pub struct Kit;

impl engine::Kit for Kit {
    type Payload = Payload;
    type Token = Token;
    type Request = Request;
    type Clock = WorkerClock;
    type Component = Component;
}

/// What a spout task names its tuple by.
pub enum Token {
    /// A native spout's.
    Number(#[allow(dead_code, reason = "a native spout is not told what became of a tuple")] u64),
    Object(Ref),
    /// With what was emitted, for a tuple that may have to go to `__dead_letter`.
    Kept(Box<Kept>),
}

pub struct Kept {
    pub id: Ref,
    pub values: Ref,
    pub stream: usize,
}

/// What other threads hand in.
pub enum Request {
    Emit(usize, Foreign),
    Ack(Lineage, u64),
    Fail(Lineage),
    Reset(Lineage),
    /// A coroutine has ended.
    ComeBack,
    /// Ask the spout when this descriptor is readable.
    WakeOn(RawFd),
    /// What is pending here? The names go to the sender.
    Pending(SyncSender<Vec<Ref>>),
}

pub enum Component {
    Python(Executor),
    Native(Native<Payload>),
}

impl engine::Component<Kit> for Component {
    fn open(&mut self, desk: &mut Desk<Kit>) -> Result<(), Stop> {
        match self {
            Component::Python(executor) => executor.open(desk),
            Component::Native(_) => Ok(()),
        }
    }

    fn ask(&mut self, desk: &mut Desk<Kit>, slot: usize) -> Result<Next, Stop> {
        match self {
            Component::Python(executor) => executor.ask(desk, slot),
            Component::Native(native) => Ok(native.ask(desk, slot, Token::Number)),
        }
    }

    fn process(&mut self, desk: &mut Desk<Kit>) -> Result<(), Stop> {
        match self {
            Component::Python(executor) => executor.process(desk),
            Component::Native(native) => {
                native.process(desk);
                Ok(())
            }
        }
    }

    fn settled(&mut self, desk: &mut Desk<Kit>) -> Result<(), Stop> {
        match self {
            Component::Python(executor) => executor.settled(desk),
            Component::Native(_) => {
                Native::settled(desk);
                Ok(())
            }
        }
    }

    fn request(&mut self, desk: &mut Desk<Kit>, request: Request) -> Result<(), Stop> {
        let number = desk.executor();
        match self {
            Component::Python(executor) => executor.request(desk, number, request),
            Component::Native(_) => Ok(()),
        }
    }

    fn active(&mut self, desk: &mut Desk<Kit>, active: bool) -> Result<(), Stop> {
        match self {
            Component::Python(executor) => {
                executor.notify(desk, if active { "activate" } else { "deactivate" }, active)
            }
            Component::Native(_) => Ok(()),
        }
    }

    fn tick(&mut self) -> Option<Payload> {
        match self {
            Component::Python(executor) => tick_payload(executor.tick?),
            Component::Native(_) => None,
        }
    }

    fn close(&mut self, desk: &mut Desk<Kit>) {
        if let Component::Python(executor) = self {
            executor.close(desk);
        }
    }
}
