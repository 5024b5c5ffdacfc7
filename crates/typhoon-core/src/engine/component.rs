use super::Desk;
use crate::flow::{Key, Parcel};

/// Nanoseconds of a clock that never goes back. Time comes in by this trait only.
pub trait Clock {
    fn now(&self) -> u64;
}

/// The types that an engine is made of; the loop is compiled once per kit, with no dynamic call per tuple.
pub trait Kit: Sized + 'static {
    /// The values of a tuple; cloning is cheap, since a copy goes to each receiving task.
    type Payload: Key + Parcel + Clone;
    /// What a spout task names its tuples by.
    type Token;
    /// What other threads may ask of a component (an emit from a thread pool, say).
    type Request;
    type Clock: Clock;
    type Component: Component<Self>;
}

/// What asking a spout task came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask again in a later round.
    More,
    /// This task has no more data: it is never asked again; acks and fails still arrive.
    Done,
}

/// The worker has to stop; the component has told its host why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// The instances of one component that one executor runs, as the loop sees them.
///
/// All calls come on the thread of the executor's loop, from `open` to `close`, one at a time. `slot` numbers the tasks
/// of the executor. An Err stops the worker.
pub trait Component<K: Kit<Component = Self>> {
    /// Once, before anything else. Spouts are asked for tuples only when every executor of the worker is open.
    ///
    /// # Errors
    /// When the component cannot start.
    fn open(&mut self, desk: &mut Desk<K>) -> Result<(), Stop>;

    /// Spouts: emit what there is, one call of the task's `next_tuple` for each time that [`Desk::wants`] says yes.
    ///
    /// # Errors
    /// When the worker has to stop.
    fn ask(&mut self, desk: &mut Desk<K>, slot: usize) -> Result<Next, Stop>;

    /// Bolts: take envelopes by [`Desk::take`] until it gives none, and settle each.
    ///
    /// # Errors
    /// When the worker has to stop.
    fn process(&mut self, desk: &mut Desk<K>) -> Result<(), Stop>;

    /// Spouts: trees that this executor began have ended; take them by [`Desk::next_settled`] until it gives none.
    ///
    /// # Errors
    /// When the worker has to stop.
    fn settled(&mut self, desk: &mut Desk<K>) -> Result<(), Stop>;

    /// Something that another thread handed in for this executor.
    ///
    /// # Errors
    /// When the worker has to stop.
    fn request(&mut self, desk: &mut Desk<K>, request: K::Request) -> Result<(), Stop>;

    /// Spouts: the topology was activated, or deactivated. Spouts begin activated: the first call is `true`.
    ///
    /// # Errors
    /// When the worker has to stop.
    fn active(&mut self, desk: &mut Desk<K>, active: bool) -> Result<(), Stop>;

    /// The values of a tick tuple; asked for only if the plan gives this executor a tick interval.
    fn tick(&mut self) -> Option<K::Payload>;

    /// Last call, on every orderly way out.
    fn close(&mut self, desk: &mut Desk<K>);
}
