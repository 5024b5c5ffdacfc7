use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::Kit;
use crate::ack::{Blocks, Root};
use crate::flow::{Envelope, Mailbox, Outlet, Places, TaskId, Waker};
use crate::measure::{Counter, Latency, Timing};
use crate::wire::Letter;

/// What an executor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Spout,
    Bolt,
}

/// One executor, as its loop is told about it.
pub struct ExecutorPlan {
    pub kind: Kind,
    /// Its number in the worker: the index of its gauge and figures.
    pub number: usize,
    pub tasks: Vec<TaskId>,
    /// Output streams of each task.
    pub outlets: Vec<Vec<Outlet>>,
    pub max_pending: Option<usize>,
    pub tick: Option<Duration>,
}

/// The executors of one loop, spouts first, then down-stream; and what holds for all of them.
pub struct Plan {
    pub line: u16,
    /// The worker's index in the topology, and which start of it this is.
    pub worker: u16,
    pub incarnation: u64,
    pub executors: Vec<ExecutorPlan>,
    /// None: trees never time out.
    pub message_timeout: Option<Duration>,
    /// Tuples that an inbox takes before those who feed it have to wait.
    pub high_water: usize,
    /// Shuffle leaves out executors that have much waiting.
    pub load_aware: bool,
    /// Tuples that one call may emit beyond that, before emit refuses.
    pub hard_limit: usize,
    pub seed: u64,
    pub active: bool,
    /// How soon a polled spout that had nothing is asked again, and how soon when it has had nothing for a second.
    pub poll: (Duration, Duration),
    /// One tuple in so many is timed on its way through a bolt; 0: none is.
    pub timed_every: u32,
}

/// What may be on its way to an executor of another worker, in terms of the high water of its inbox: so much that
/// credit has come back before it is used up, though three threads have to be woken for that.
pub const WINDOW: usize = 8;

/// How full an executor's inbox is, for threads that feed it.
#[derive(Debug, Default)]
pub struct Gauge {
    /// In its inbox; written by its own thread.
    inbox: AtomicUsize,
    /// On the way to it from other threads.
    coming: AtomicUsize,
    /// In its outbox, when it last tried to empty that; written by its own thread.
    unsent: AtomicUsize,
    /// Somebody waits for room.
    awaited: AtomicBool,
    /// The loop in the topology that it is part of; 0 for none.
    pub ring: AtomicU32,
}

impl Gauge {
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inbox.load(Ordering::SeqCst) + self.coming.load(Ordering::SeqCst)
    }

    /// What the executor emitted that found no room yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    pub(super) fn set_unsent(&self, tuples: usize) {
        self.unsent.store(tuples, Ordering::Relaxed);
    }

    pub(crate) fn expect(&self, tuples: usize) {
        self.coming.fetch_add(tuples, Ordering::SeqCst);
    }

    /// So many of those that were expected are not on the way any more.
    pub(crate) fn arrive(&self, tuples: usize) {
        let coming = self.coming.fetch_sub(tuples, Ordering::SeqCst);
        debug_assert!(coming >= tuples, "more came than was on the way");
    }

    pub(super) fn set(&self, queued: usize) {
        self.inbox.store(queued, Ordering::SeqCst);
    }

    pub(crate) fn wait(&self) {
        self.awaited.store(true, Ordering::SeqCst);
    }

    pub(crate) fn take_awaited(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) && self.awaited.swap(false, Ordering::SeqCst)
    }
}

/// What is measured per executor; counters are exact.
#[derive(Default)]
pub struct Figures {
    /// Calls that are for no tuple of a stream: ticks, or calls of `next_tuple`.
    pub calls: Counter,
    /// Bolts: tuples taken, by number of their stream.
    pub inputs: Arc<[Counter]>,
    /// Bolts: tuples acked and failed. Spouts: trees.
    pub acked: Counter,
    pub failed: Counter,
    /// Spouts: trees that timed out, and those that a dead worker may have had a part of.
    pub timed_out: Counter,
    pub lost: Counter,
    /// Nanoseconds spent in turns, but for opening and closing.
    pub busy: Counter,
    /// Spouts: trees that have not ended.
    pub pending: Counter,
    /// Spouts: from emit to ack, of every tree.
    pub complete: Latency,
    /// Bolts: from taking a tuple to its ack, of those that were timed.
    pub process: Timing,
}

impl Figures {
    fn new(streams: usize) -> Self {
        Figures {
            inputs: (0..streams).map(|_| Counter::default()).collect(),
            ..Figures::default()
        }
    }

    /// Calls of `next_tuple`, or tuples and ticks taken.
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        self.calls.get() + self.inputs.iter().map(Counter::get).sum::<u64>()
    }
}

/// What a loop says of itself to other threads.
#[derive(Default)]
pub struct Status {
    /// Mail that was put into its box, and mail that it has dealt with.
    posted: AtomicU64,
    pub(super) handled: AtomicU64,
    /// Rounds in which something happened.
    pub(super) rounds: AtomicU64,
    /// Waiting, with every queue empty.
    pub(super) quiet: AtomicBool,
    /// No spout task here has more data, and no tree is pending.
    pub(super) ended: AtomicBool,
    /// Number of the executor whose turn it is, plus one; 0 while it waits.
    pub(super) turn: AtomicU32,
}

/// Who empties a mailbox, and how that one is woken.
enum Bell {
    /// A loop of this worker, which waits with it.
    Loop(Waker),
    /// The thread that carries mail to other workers.
    Links(Arc<dyn Fn() + Send + Sync>),
}

/// How others reach a loop, or another worker.
pub struct Peer<K: Kit> {
    pub mailbox: Mailbox<Mail<K>>,
    /// None once its loop has ended, or before there are links.
    bell: RwLock<Option<Bell>>,
    pub status: Status,
}

impl<K: Kit> Peer<K> {
    /// What its loop waits with; None once that has ended.
    pub fn waker(&self) -> Option<Waker> {
        match &*self.bell.read().unwrap_or_else(PoisonError::into_inner) {
            Some(Bell::Loop(waker)) => Some(waker.clone()),
            _ => None,
        }
    }

    /// Wake the loop, if there still is one.
    pub fn ring(&self) {
        match &*self.bell.read().unwrap_or_else(PoisonError::into_inner) {
            Some(Bell::Loop(waker)) => waker.ring(),
            Some(Bell::Links(ring)) => ring(),
            None => {}
        }
    }

    /// The loop has ended: give its descriptor back, however long somebody keeps a handle.
    pub fn hang_up(&self) {
        self.bell.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// From now on this rings for mail to another worker.
    pub fn ring_by(&self, ring: Arc<dyn Fn() + Send + Sync>) {
        *self.bell.write().unwrap_or_else(PoisonError::into_inner) = Some(Bell::Links(ring));
    }

    /// Hand in, and ring if the loop may be asleep.
    pub fn post(&self, mail: Vec<Mail<K>>) {
        self.status.posted.fetch_add(mail.len() as u64, Ordering::SeqCst);
        if self.mailbox.post(mail) {
            self.ring();
        }
    }
}

/// What travels between loops.
pub enum Mail<K: Kit> {
    Tuples(Vec<Envelope<K::Payload>>),
    /// Tuples for another worker, as they go over the link.
    Letter(Letter),
    Settle(Vec<(Root, u64)>),
    Fail(Root),
    Reset(Root),
    /// Other workers run other executors than before.
    Relayout(Arc<Relayout>),
    /// A worker is gone, or out of reach, that may have held a part of any tree that is pending now.
    Lost(Cause),
    /// For the component of an executor (its number in the loop).
    Request(usize, K::Request),
    Order(Order),
}

/// Which death, or loss of a session, made trees fail: the same number in every worker.
pub type Cause = u64;

/// Where the tasks of other workers are from now on. What this worker runs does not change.
pub struct Relayout {
    pub places: Places,
    /// By number of the executor, by task, stream and route: the targets, and how many of them are near.
    pub routes: Vec<Vec<Vec<Vec<Targets>>>>,
}

pub type Targets = (Box<[TaskId]>, usize);

/// What the worker's host asks of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Activate,
    Deactivate,
    /// A spout (its executor's number in the loop) has data: ask it now.
    Wake(usize),
    /// That spout will say when it has data: do not poll it.
    Rings(usize),
    /// One tick for each task of this executor, whatever its interval.
    Tick(usize),
    /// Look at the clock again.
    Look,
}

/// How much there is of everything in a worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    /// Loops, one per thread, and executors.
    pub lines: usize,
    pub executors: usize,
    /// Workers of the topology, this one too; 0 for a topology in one process.
    pub workers: usize,
    /// Numbers for executors of other workers, behind those of our own: one for each task, of which each executor
    /// uses that of its first.
    pub elsewhere: usize,
    /// (component, stream) pairs.
    pub streams: usize,
}

const RUN: u8 = 0;
const STOP: u8 = 1;

/// What the loops of one worker share.
pub struct Shared<K: Kit> {
    pub places: Places,
    pub blocks: Arc<Blocks>,
    /// The loops of this worker, then one for each worker of the topology.
    pub peers: Vec<Peer<K>>,
    /// How many of them are loops.
    pub lines: usize,
    /// The executors of this worker, then those of others.
    pub gauges: Vec<Gauge>,
    pub figures: Vec<Arc<Figures>>,
    /// Members (executor numbers) of each loop in the topology, by ring number; 0 is unused.
    pub rings: Vec<Vec<usize>>,
    stop: AtomicU8,
    open: AtomicUsize,
}

impl<K: Kit> Shared<K> {
    /// # Errors
    /// When the process has no file descriptors left for wakers.
    pub fn new(places: Places, extent: Extent, rings: Vec<Vec<usize>>) -> std::io::Result<Self> {
        let peer = |number| {
            Ok(Peer {
                mailbox: Mailbox::default(),
                bell: RwLock::new(match number < extent.lines {
                    true => Some(Bell::Loop(Waker::new()?)),
                    false => None,
                }),
                status: Status::default(),
            })
        };
        let gauges: Vec<Gauge> = (0..extent.executors + extent.elsewhere)
            .map(|_| Gauge::default())
            .collect();
        for (ring, members) in rings.iter().enumerate() {
            members
                .iter()
                .for_each(|member| gauges[*member].ring.store(ring as u32, Ordering::Relaxed));
        }
        Ok(Shared {
            places,
            blocks: Arc::default(),
            peers: (0..extent.lines + extent.workers)
                .map(peer)
                .collect::<std::io::Result<_>>()?,
            lines: extent.lines,
            gauges,
            figures: (0..extent.executors)
                .map(|_| Arc::new(Figures::new(extent.streams)))
                .collect(),
            rings,
            stop: AtomicU8::new(RUN),
            open: AtomicUsize::new(0),
        })
    }

    /// Every loop ends its present call, closes its components and returns.
    pub fn stop(&self) {
        self.stop.store(STOP, Ordering::SeqCst);
        self.ring_all();
    }

    #[inline(always)]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) != RUN
    }

    pub fn ring_all(&self) {
        self.peers.iter().for_each(|peer| peer.ring());
    }

    /// A loop has opened its executors.
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.ring_all();
    }

    pub fn all_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) >= self.lines
    }

    /// The loops of this worker.
    pub fn loops(&self) -> &[Peer<K>] {
        &self.peers[..self.lines]
    }

    /// Where mail to a worker goes. None for an index that the topology does not have.
    pub fn abroad(&self, worker: u16) -> Option<&Peer<K>> {
        self.peers.get(self.lines + usize::from(worker))
    }

    /// Give the same order to every loop.
    pub fn order(&self, order: Order) {
        self.loops()
            .iter()
            .for_each(|peer| peer.post(vec![Mail::Order(order)]));
    }

    /// Tell every loop where tasks are from now on.
    pub fn relayout(&self, relayout: Relayout) {
        let relayout = Arc::new(relayout);
        self.loops()
            .iter()
            .for_each(|peer| peer.post(vec![Mail::Relayout(Arc::clone(&relayout))]));
    }

    /// Every tree that is pending in this worker may have lost a part: fail them.
    pub fn lose_all(&self, cause: Cause) {
        self.loops()
            .iter()
            .for_each(|peer| peer.post(vec![Mail::Lost(cause)]));
    }

    /// A stamp of everything that happened so far if nothing is happening now: all loops wait with empty queues and no
    /// mail is under way. Two equal stamps in succession mean that nothing happened between them.
    #[must_use]
    pub fn quiet(&self) -> Option<u64> {
        let mut stamp = 0u64;
        for Peer { status, .. } in self.loops() {
            let handled = status.handled.load(Ordering::SeqCst);
            if !status.quiet.load(Ordering::SeqCst) || status.posted.load(Ordering::SeqCst) != handled {
                return None;
            }
            stamp = stamp
                .wrapping_add(status.rounds.load(Ordering::SeqCst))
                .wrapping_add(handled);
        }
        let under_way = self.peers[self.lines..]
            .iter()
            .any(|peer| peer.mailbox.is_filled());
        (self.all_open() && !under_way).then_some(stamp)
    }

    /// Has every spout task run out of data, with no tree pending?
    #[must_use]
    pub fn ended(&self) -> bool {
        self.loops()
            .iter()
            .all(|peer| peer.status.ended.load(Ordering::SeqCst))
    }
}
