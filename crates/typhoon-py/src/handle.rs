//! What a component, and a tuple that it keeps, hold of the engine.

use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use pyo3::prelude::*;

use typhoon_core::engine::{Clock, Desk, Mail, Shared};
use typhoon_core::flow::{Emits, TaskId};

use crate::clock::WorkerClock;
use crate::component::{Kit, Request};
use crate::python::{Raw, Ref, this_thread};
use crate::tuple::TupleObject;

/// So many names are kept to tell replays from first emits; a source that never replays must not fill the memory.
const MOST_NAMES: usize = 100_000;

/// One output stream of a task, as emit sees it.
pub struct Stream {
    pub name: String,
    pub fields: Vec<String>,
    pub direct: bool,
    pub subscribed: bool,
    /// Subscribed, and nothing else to say: not direct, no custom grouping, no receiver that wants rows, no watch.
    pub plain: AtomicBool,
    /// Positions that some subscriber groups by.
    pub keys: Vec<usize>,
    /// Custom groupings: number of the route, the object, the tasks that it may choose.
    pub custom: Vec<(usize, Ref, Vec<TaskId>)>,
    /// Some subscriber runs on a thread without the GIL.
    pub rows: bool,
    pub count: Arc<Emits>,
}

/// The way to the desk of a line that an event loop drives, between two steps of it: coroutines run there.
#[derive(Default)]
pub struct Aside {
    /// Null during a step.
    pub desk: AtomicPtr<Desk<Kit>>,
    pub owner: AtomicUsize,
    /// Something was done on the desk since the last step.
    pub touched: AtomicBool,
}

/// The link between a task's Python object and the engine that runs it.
///
/// It may outlive the engine; then it is not `live`. `desk` is set only while the owner's thread is in a call into
/// this executor's components: that, and the comparison of threads, is what makes the pointer good.
#[pyclass(frozen, module = "typhoon._core")]
pub struct Handle {
    pub shared: Arc<Shared<Kit>>,
    pub line: usize,
    /// Number of the executor within its loop, and within the worker.
    pub executor: usize,
    pub number: usize,
    pub slot: usize,
    pub task: TaskId,
    pub component: String,
    pub streams: Vec<Stream>,
    /// The stream called "default", if there is one.
    pub default: Option<usize>,
    /// The same for emits that have nothing to tell a watch.
    quick: AtomicUsize,
    /// Who is told of all that this task does, if anybody wants to know.
    watch: std::sync::Mutex<Option<Ref>>,
    watched: AtomicBool,
    pub clock: WorkerClock,
    pub acking: bool,
    /// Keep what a spout emitted until its tree ends.
    pub keep_values: bool,
    /// What nothing else can carry to another worker is pickled.
    pub pickle: bool,
    pub threaded: bool,
    /// For a bolt of coroutines; and how many of them its executor runs.
    pub aside: Option<Arc<Aside>>,
    pub in_flight: Arc<AtomicUsize>,
    pub high_water: usize,
    pub hard_limit: usize,
    /// The number of a call that seemed to wait for another thread's emit.
    pub stays_in: AtomicU64,
    pub desk: AtomicPtr<Desk<Kit>>,
    pub owner: AtomicUsize,
    /// The tuple that emits are anchored to by themselves.
    pub current: AtomicPtr<TupleObject>,
    /// A batch is being processed; its relay, once something was emitted for it.
    pub in_batch: AtomicBool,
    pub relay_root: AtomicU64,
    pub relay_made: AtomicU64,
    pub live: AtomicBool,
    /// Emits by other threads that have not been carried out.
    pub foreign: AtomicUsize,
    /// Its own thread waits in emit, for those who get its tuples.
    pub waits_for_room: AtomicBool,
    /// Acks and fails of tuples that were settled before.
    pub again: AtomicU64,
    /// It was said that emits of other threads are anchored to nothing.
    pub told_unanchored: AtomicBool,
    /// Tuples whose id somebody asked for: weak references.
    pub ids: std::sync::Mutex<HashMap<String, Ref>>,
    /// Names of trees that failed or timed out and were not emitted again yet, and how many were.
    pub to_replay: AtomicUsize,
    pub names: std::sync::Mutex<Option<Ref>>,
    pub replays: AtomicU64,
    edges: AtomicU64,
}

impl Handle {
    #[allow(clippy::too_many_arguments, reason = "one caller; every argument is a field")]
    pub fn new(
        shared: Arc<Shared<Kit>>,
        place: (usize, usize, usize, usize),
        task: TaskId,
        component: String,
        streams: Vec<Stream>,
        options: &crate::plan::Options,
        threaded: bool,
        (aside, in_flight): (Option<Arc<Aside>>, Arc<AtomicUsize>),
        seed: u64,
        clock: WorkerClock,
    ) -> Self {
        let (line, executor, number, slot) = place;
        let default = streams.iter().position(|stream| stream.name == "default");
        Handle {
            shared,
            line,
            executor,
            number,
            slot,
            task,
            component,
            default,
            quick: AtomicUsize::new(default.unwrap_or(usize::MAX)),
            watch: std::sync::Mutex::default(),
            watched: AtomicBool::new(false),
            clock,
            streams,
            acking: options.acking,
            keep_values: options.max_replays.is_some(),
            pickle: options.pickle,
            threaded,
            aside,
            in_flight,
            high_water: options.high_water,
            hard_limit: options.hard_limit,
            stays_in: AtomicU64::new(u64::MAX),
            desk: AtomicPtr::default(),
            owner: AtomicUsize::new(0),
            current: AtomicPtr::default(),
            in_batch: AtomicBool::new(false),
            relay_root: AtomicU64::new(0),
            relay_made: AtomicU64::new(0),
            live: AtomicBool::new(true),
            foreign: AtomicUsize::new(0),
            waits_for_room: AtomicBool::new(false),
            again: AtomicU64::new(0),
            told_unanchored: AtomicBool::new(false),
            ids: std::sync::Mutex::default(),
            to_replay: AtomicUsize::new(0),
            names: std::sync::Mutex::default(),
            replays: AtomicU64::new(0),
            edges: AtomicU64::new(seed),
        }
    }

    /// The desk, if this thread is in a call into this executor.
    #[inline(always)]
    pub fn desk(&self) -> Option<*mut Desk<Kit>> {
        let desk = self.desk.load(Ordering::Relaxed);
        (!desk.is_null() && self.owner.load(Ordering::Relaxed) == this_thread()).then_some(desk)
    }

    /// The desk, also between two steps of an event loop's line. A desk got this way serves until Python code runs.
    #[inline(always)]
    pub fn any_desk(&self) -> Option<*mut Desk<Kit>> {
        self.desk().or_else(|| self.desk_aside())
    }

    #[cold]
    fn desk_aside(&self) -> Option<*mut Desk<Kit>> {
        let aside = self.aside.as_ref()?;
        let desk = aside.desk.load(Ordering::Relaxed);
        if desk.is_null() || aside.owner.load(Ordering::Relaxed) != this_thread() {
            return None;
        }
        if !aside.touched.swap(true, Ordering::Relaxed) {
            self.shared.peers[self.line].ring();
        }
        Some(desk)
    }

    /// Say who calls, where there are no turns.
    ///
    /// # Safety
    /// `desk` came from this handle, in the same call.
    #[inline(always)]
    pub unsafe fn sit(&self, desk: *mut Desk<Kit>) {
        if self.aside.is_some() {
            // SAFETY: as above.
            unsafe { (*desk).sit(self.executor) }
        }
    }

    /// The default stream, where an emit on it has nothing to tell a watch.
    #[inline(always)]
    pub fn quick(&self) -> Option<usize> {
        let index = self.quick.load(Ordering::Relaxed);
        (index != usize::MAX).then_some(index)
    }

    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    pub fn watch(&self) -> Option<Ref> {
        let watch = self.watch.lock();
        watch.unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn set_watch(&self, watch: Option<Ref>) {
        let place = self.watch.lock();
        let old = std::mem::replace(
            &mut *place.unwrap_or_else(std::sync::PoisonError::into_inner),
            watch,
        );
        drop(old);
    }

    /// A tuple that is timed was acked: it was taken at this time. The GIL is held.
    pub fn time(&self, taken: u64) {
        let spent = self.clock.now().saturating_sub(taken);
        self.shared.figures[self.number].process.record(spent);
    }

    pub fn lend(&self, desk: *mut Desk<Kit>) {
        self.owner.store(this_thread(), Ordering::Relaxed);
        self.desk.store(desk, Ordering::Relaxed);
    }

    pub fn take_back(&self) {
        self.desk.store(ptr::null_mut(), Ordering::Relaxed);
        self.current.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The end: emit raises from now on, ack and fail do nothing.
    pub fn retire(&self) {
        self.live.store(false, Ordering::Relaxed);
        self.take_back();
        self.set_watch(None);
        let ids = std::mem::take(&mut *self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        drop(ids);
    }

    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    fn names(&self, py: Python<'_>) -> PyResult<Ref> {
        let mut place = self
            .names
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if place.is_none() {
            *place = Some(pyo3::types::PySet::empty(py)?.into_any().into());
        }
        place
            .clone()
            .ok_or_else(|| pyo3::exceptions::PyMemoryError::new_err(()))
    }

    /// A tree of this name failed: should the name be emitted again, that is a replay.
    pub fn expect_replay(&self, py: Python<'_>, name: &Ref) -> PyResult<()> {
        let waiting = self.to_replay.load(Ordering::Relaxed);
        if waiting < MOST_NAMES {
            self.names(py)?.bind(py).call_method1("add", (name.bind(py),))?;
            self.to_replay
                .store(self.names(py)?.bind(py).len()?, Ordering::Relaxed);
        }
        Ok(())
    }

    /// A tuple of this name is emitted, while some names wait for a replay.
    #[cold]
    pub fn note_replay(&self, py: Python<'_>, name: &Ref) -> PyResult<()> {
        let names = self.names(py)?;
        if names.bind(py).contains(name.bind(py))? {
            names.bind(py).call_method1("discard", (name.bind(py),))?;
            self.to_replay.store(names.bind(py).len()?, Ordering::Relaxed);
            self.replays.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// An edge drawn by a thread that does not own the engine's generator (splitmix64).
    pub fn foreign_edge(&self) -> u64 {
        loop {
            let mut z = self.edges.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            if z != 0 {
                return z;
            }
        }
    }

    /// Is the owner's thread in a call into this executor, and in code that might wait for anybody?
    pub fn owner_is_calling(&self) -> bool {
        !self.desk.load(Ordering::Relaxed).is_null() && !self.waits_for_room.load(Ordering::Relaxed)
    }

    /// What was emitted and has not left: by other threads, and by all threads together.
    pub fn unsent(&self) -> usize {
        self.foreign.load(Ordering::SeqCst) + self.shared.gauges[self.number].unsent()
    }

    /// Hand in a request for this task's executor.
    pub fn post(&self, request: Request) {
        self.shared.peers[self.line].post(vec![Mail::Request(self.executor, request)]);
    }

    pub fn remember(&self, id: String, tuple: Ref) {
        let old = self
            .ids
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(id, tuple);
        drop(old);
    }

    pub fn forget(&self, id: &str) {
        let old = self
            .ids
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(id);
        drop(old);
    }

    pub fn find(&self, id: &str) -> Option<Ref> {
        self.ids
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}

#[pymethods]
impl Handle {
    /// Tell this object of all that the task does from now on (see `typhoon.worker`). Only while the task is opened.
    #[pyo3(name = "watch")]
    fn begin_watch(&self, watch: Bound<'_, PyAny>) {
        self.set_watch(Some(watch.into()));
        self.watched.store(true, Ordering::Relaxed);
        self.quick.store(usize::MAX, Ordering::Relaxed);
        for stream in &self.streams {
            stream.plain.store(false, Ordering::Relaxed);
        }
    }

    /// How many acks and fails this task gave for tuples that were settled before.
    #[getter]
    fn settled_again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// How many tuples this task has emitted, on all its streams.
    #[getter]
    fn emitted(&self) -> u64 {
        self.streams.iter().map(|stream| stream.count.emitted()).sum()
    }

    /// A coroutine that was started for this tuple has ended: ack the tuple, fail it, or (None) leave it as it is.
    fn finish(&self, tup: Bound<'_, PyAny>, acked: Option<bool>) {
        crate::outward::finish(self, &tup, acked);
    }

    /// How many tuples were emitted again after their tree had failed or timed out.
    #[getter]
    fn replayed(&self) -> u64 {
        self.replays.load(Ordering::Relaxed)
    }
}

/// A handle held from C structs: a strong reference, and where the Rust value is.
#[derive(Clone, Copy)]
pub struct HandleRef {
    pub object: Raw,
    pub handle: *const Handle,
}

impl HandleRef {
    pub const NONE: HandleRef = HandleRef {
        object: ptr::null_mut(),
        handle: ptr::null(),
    };

    /// Borrows: whoever stores it takes a reference to `object`.
    pub fn of(handle: &Bound<'_, Handle>) -> Self {
        HandleRef {
            object: handle.as_ptr(),
            handle: ptr::from_ref(handle.get()),
        }
    }

    /// None before the component runs.
    #[inline(always)]
    pub fn get<'a>(self) -> Option<&'a Handle> {
        // SAFETY: null, or inside `object`, which the struct that this was read from keeps alive.
        unsafe { self.handle.as_ref() }
    }
}
