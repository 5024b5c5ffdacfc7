//! The engine's `Component`, by calling Python: one executor's instances of a spout or a bolt.

use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use typhoon_core::ack::{Finished, Lineage, Outcome, Root};
use typhoon_core::engine::{self, Desk, Next, Stop};
use typhoon_core::flow::{Envelope, STREAM_TICK};
use typhoon_core::native::Native;

use crate::base;
use crate::clock::WorkerClock;
use crate::handle::{Handle, HandleRef};
use crate::outward::Foreign;
use crate::payload::Payload;
use crate::python::{Raw, Ref};
use crate::tuple::{State, TupleObject};

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
    Pending(std::sync::mpsc::SyncSender<Vec<Ref>>),
}

pub enum Component {
    Python(Executor),
    Native(Native<Payload>),
}

/// The Python half of an executor, and its tasks.
pub struct Executor {
    pub shell: Ref,
    pub handles: Vec<Py<Handle>>,
    tasks: Vec<Task>,
    /// (component, stream, fields) by stream number; the last is that of ticks.
    pub schemas: Arc<Vec<Ref>>,
    pub max_replays: Option<u32>,
    /// Descriptors that spouts want to be woken by, with the executor's number in its loop; shared by the loop.
    pub wake_on: Arc<Mutex<Vec<(RawFd, usize)>>>,
    pub spout: bool,
    pub tick: Option<f64>,
    /// A bolt of coroutines: how many inputs it works on at once.
    pub in_flight: Option<usize>,
}

struct Task {
    handle: HandleRef,
    object: Ref,
    /// `next_tuple` or `process`: the class's function, called with the object, or a bound method.
    main: Method,
    many: Option<Method>,
    ticked: Option<Method>,
    ack: Option<Method>,
    fail: Option<Method>,
    auto_ack: bool,
    auto_anchor: bool,
    auto_fail: bool,
    /// Tuples that nobody kept, to be bound again.
    spares: Vec<*mut TupleObject>,
    /// How often each pending name has failed, if that matters.
    failures: Option<Ref>,
}

// SAFETY: everything in it is used with the GIL held, by one thread.
unsafe impl Send for Task {}

/// A method to be called by vectorcall.
struct Method {
    function: Ref,
    bound: bool,
}

impl Method {
    /// The class's plain function if the instance has no method of its own, else the bound method.
    ///
    /// Never looks at `__dict__`: asking for it would make one, and every later look-up on the instance slower.
    fn of(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        let bound = object.getattr(name)?;
        if let (Ok(function), Ok(owner)) = (bound.getattr("__func__"), bound.getattr("__self__")) {
            // SAFETY: alive.
            if owner.is(object) && unsafe { ffi::PyFunction_Check(function.as_ptr()) } != 0 {
                return Ok(Method {
                    function: function.into(),
                    bound: false,
                });
            }
        }
        Ok(Method {
            function: bound.into(),
            bound: true,
        })
    }

    /// Anything that is called with the argument alone.
    fn plain(py: Python<'_>, function: Py<PyAny>) -> Self {
        Method {
            function: function.into_bound(py).into(),
            bound: true,
        }
    }

    /// Is it this very function?
    fn is(&self, function: &Bound<'_, PyAny>) -> bool {
        self.function.as_ptr() == function.as_ptr()
    }

    /// Call with one argument, or none for null. A null result means that an exception is set.
    #[inline(always)]
    unsafe fn call(&self, object: Raw, argument: Raw) -> Raw {
        let mut arguments = [ptr::null_mut(), object, argument];
        let first = if self.bound { 2 } else { 1 };
        let count = (if argument.is_null() { 2 } else { 3 }) - first;
        // SAFETY: the array has a spare place before the first argument, as the flag promises.
        unsafe {
            ffi::PyObject_Vectorcall(
                self.function.as_ptr(),
                arguments.as_mut_ptr().add(first),
                count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                ptr::null_mut(),
            )
        }
    }
}

impl Task {
    fn new(
        py: Python<'_>,
        handle: &Py<Handle>,
        object: Bound<'_, PyAny>,
        spout: bool,
        counts: bool,
    ) -> PyResult<Self> {
        let method = |name: &str| match object.hasattr(name)? {
            true => Method::of(&object, name).map(Some),
            false => Ok(None),
        };
        // The base class's own ack and fail do nothing: not worth a call per tuple.
        let base = py.import("typhoon.topology")?.getattr("Spout")?;
        let callback = |name: &str| {
            let inherited = base.getattr(name)?;
            Ok::<_, PyErr>(method(name)?.filter(|method| !method.is(&inherited)))
        };
        let flag = |name: &str| object.getattr(name).map_or(Ok(true), |value| value.is_truthy());
        let missing =
            || pyo3::exceptions::PyAttributeError::new_err(if spout { "next_tuple" } else { "process" });
        let many = if spout { None } else { method("process_many")? };
        Ok(Task {
            handle: HandleRef::of(handle.bind(py)),
            main: match (method(if spout { "next_tuple" } else { "process" })?, &many) {
                (Some(main), _) => main,
                (None, Some(_)) => Method::of(&object, "process_many")?,
                (None, None) => return Err(missing()),
            },
            many,
            ticked: if spout { None } else { method("process_tick")? },
            ack: if spout { callback("ack")? } else { None },
            fail: if spout { callback("fail")? } else { None },
            auto_ack: flag("auto_ack")?,
            auto_anchor: flag("auto_anchor")?,
            auto_fail: flag("auto_fail")?,
            spares: Vec::new(),
            failures: counts.then(|| PyDict::new(py).into_any().into()),
            object: object.into(),
        })
    }

    fn watch(&mut self, watch: &Bound<'_, PyAny>, spout: bool) -> PyResult<()> {
        let object = self.object.bind(watch.py());
        let around = |name: &str, method: Option<&Method>| {
            let method = match method {
                Some(method) if method.bound => Some(method.function.bind(watch.py())),
                Some(_) => Some(object.getattr(name)?),
                None => None,
            };
            Ok::<_, PyErr>(Method {
                function: watch.call_method1("around", (name, method))?.into(),
                bound: true,
            })
        };
        if spout {
            self.ack = Some(around("ack", self.ack.as_ref())?);
            self.fail = Some(around("fail", self.fail.as_ref())?);
        } else if let Some(many) = &self.many {
            self.many = Some(around("process_many", Some(many))?);
        } else {
            self.main = around("process", Some(&self.main))?;
        }
        Ok(())
    }

    fn handle(&self) -> &Handle {
        // SAFETY: the executor's `handles` keep it alive.
        unsafe { &*self.handle.handle }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        for tuple in self.spares.drain(..) {
            // SAFETY: ours; GIL held.
            unsafe { TupleObject::discard(tuple) }
        }
    }
}

/// A loop with a Python component is run with the GIL held.
fn attached<'py>() -> Python<'py> {
    // SAFETY: only called from the components' methods, see above.
    unsafe { Python::assume_attached() }
}

/// Handles that have the desk: it is taken back at the end of the call, a panic included.
struct Lent(*const [Py<Handle>]);

impl Drop for Lent {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the executor outlives the call, and its list of handles never changes.
        unsafe { &*self.0 }
            .iter()
            .for_each(|handle| handle.get().take_back());
    }
}

/// What `on_error` says of an exception.
enum Verdict {
    Fail,
    Drop,
    Exit,
}

impl Executor {
    pub fn new(
        shell: Ref,
        handles: Vec<Py<Handle>>,
        schemas: Arc<Vec<Ref>>,
        wake_on: Arc<Mutex<Vec<(RawFd, usize)>>>,
        max_replays: Option<u32>,
        (spout, tick, in_flight): (bool, Option<f64>, Option<usize>),
    ) -> Self {
        Executor {
            shell,
            handles,
            tasks: Vec::new(),
            schemas,
            max_replays,
            wake_on,
            spout,
            tick,
            in_flight,
        }
    }

    /// Let the tasks' objects reach the desk while `call` runs.
    #[inline(always)]
    fn lend<R>(&mut self, desk: *mut Desk<Kit>, call: impl FnOnce(&mut Self) -> R) -> R {
        self.handles.iter().for_each(|handle| handle.get().lend(desk));
        let _lent = Lent(&raw const *self.handles);
        call(self)
    }

    /// An exception is set: report it, and learn what to do. `tuple` is what was being processed.
    #[cold]
    fn failed(&self, slot: usize, phase: &str, tuple: Option<Raw>) -> Verdict {
        let py = attached();
        let error = PyErr::fetch(py);
        // SAFETY: alive during the call that processes it.
        let tuple = tuple.map(|tuple| unsafe { Bound::from_borrowed_ptr(py, tuple) });
        let verdict = self
            .shell
            .bind(py)
            .call_method1("failed", (slot, phase, error.into_value(py), tuple))
            .and_then(|verdict| verdict.extract::<String>());
        match verdict {
            Ok(verdict) => match verdict.as_str() {
                "drop" => Verdict::Drop,
                "exit" => Verdict::Exit,
                _ => Verdict::Fail,
            },
            Err(error) => {
                error.write_unraisable(py, None);
                Verdict::Fail
            }
        }
    }

    /// Call a method that is not about a tuple.
    fn call(&self, slot: usize, phase: &str, method: &Method, argument: Raw) -> Result<(), Stop> {
        // SAFETY: alive; GIL held.
        let result = unsafe { method.call(self.tasks[slot].object.as_ptr(), argument) };
        if result.is_null() {
            return match self.failed(slot, phase, None) {
                Verdict::Exit => Err(Stop),
                _ => Ok(()),
            };
        }
        // SAFETY: a new reference.
        unsafe { ffi::Py_DECREF(result) };
        Ok(())
    }

    fn open(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        let py = attached();
        let made = self
            .shell
            .bind(py)
            .call_method0("create")
            .and_then(|made| made.extract::<Vec<Py<PyAny>>>());
        let instances = made.map_err(|error| self.cannot_start(error))?;
        for (slot, instance) in instances.into_iter().enumerate() {
            let task = self.task(py, slot, instance.into_bound(py));
            self.tasks.push(task.map_err(|error| self.cannot_start(error))?);
        }
        self.lend(desk, |this| {
            (0..this.tasks.len()).try_for_each(|slot| {
                let started = this
                    .shell
                    .bind(py)
                    .call_method1("initialize", (slot, this.handles[slot].bind(py)));
                let watched = started.and_then(|_| this.watch(py, slot));
                watched.map_err(|error| this.cannot_start(error))
            })
        })
    }

    fn task(&self, py: Python<'_>, slot: usize, instance: Bound<'_, PyAny>) -> PyResult<Task> {
        let handle = &self.handles[slot];
        base::bind(&instance, handle.bind(py));
        let mut task = Task::new(py, handle, instance, self.spout, self.max_replays.is_some())?;
        if self.in_flight.is_some() {
            let starters = self.shell.bind(py).call_method1("starters", (slot,))?;
            let (main, ticked): (Py<PyAny>, Py<PyAny>) = starters.extract()?;
            (task.main, task.ticked) = (Method::plain(py, main), Some(Method::plain(py, ticked)));
        }
        Ok(task)
    }

    /// If the task is watched, its methods are called through the watch.
    fn watch(&mut self, py: Python<'_>, slot: usize) -> PyResult<()> {
        match self.handles[slot].get().watch() {
            Some(watch) => self.tasks[slot].watch(&watch.bind(py), self.spout),
            None => Ok(()),
        }
    }

    fn cannot_start(&self, error: PyErr) -> Stop {
        let py = attached();
        if let Err(error) = self
            .shell
            .bind(py)
            .call_method1("cannot_start", (error.into_value(py),))
        {
            error.write_unraisable(py, None);
        }
        Stop
    }

    fn ask(&mut self, desk: *mut Desk<Kit>, slot: usize) -> Result<Next, Stop> {
        self.lend(desk, |this| {
            // SAFETY: the desk is lent to us; no reference to it lives across a call into Python.
            while unsafe { (*desk).wants(slot) } {
                let task = &this.tasks[slot];
                // SAFETY: alive; GIL held.
                let result = unsafe { task.main.call(task.object.as_ptr(), ptr::null_mut()) };
                if result.is_null() {
                    if this.no_tuple(slot)? == Next::Done {
                        return Ok(Next::Done);
                    }
                } else {
                    // SAFETY: a new reference.
                    unsafe { ffi::Py_DECREF(result) };
                }
            }
            Ok(Next::More)
        })
    }

    /// `next_tuple` raised: StopIteration ends the task.
    #[cold]
    fn no_tuple(&self, slot: usize) -> Result<Next, Stop> {
        let py = attached();
        let error = PyErr::fetch(py);
        if error.is_instance_of::<PyStopIteration>(py) {
            if let Err(error) = self.shell.bind(py).call_method1("ended", (slot,)) {
                error.write_unraisable(py, None);
            }
            return Ok(Next::Done);
        }
        error.restore(py);
        match self.failed(slot, "next_tuple", None) {
            Verdict::Exit => Err(Stop),
            _ => Ok(Next::More),
        }
    }

    fn process(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        self.lend(desk, |this| {
            if this.tasks.iter().any(|task| task.many.is_some()) {
                return this.process_batches(desk);
            }
            // SAFETY: the desk is lent to us; no reference to it lives across a call into Python.
            while let Some(envelope) = unsafe { this.has_free(desk).then(|| (*desk).take()).flatten() } {
                let slot = match this.tasks.len() {
                    1 => 0,
                    // SAFETY: as above.
                    _ => unsafe { (*desk).slot(envelope.way.destination()) },
                };
                this.process_one(desk, slot, envelope)?;
            }
            Ok(())
        })
    }

    /// May one more be taken? Always, but where coroutines go on after the turn.
    #[inline(always)]
    fn has_free(&self, desk: *mut Desk<Kit>) -> bool {
        let Some(limit) = self.in_flight else {
            return true;
        };
        let free = self.handles[0].get().in_flight.load(Ordering::Relaxed) < limit;
        if !free {
            // SAFETY: lent; no Python code runs.
            unsafe { (*desk).shut() }
        }
        free
    }

    /// A coroutine has been started for an input.
    fn went_away(&self, desk: *mut Desk<Kit>) {
        self.handles[0].get().in_flight.fetch_add(1, Ordering::Relaxed);
        // SAFETY: lent; no Python code runs.
        unsafe { (*desk).go_away() }
    }

    /// Fill a Tuple for this envelope. Null when out of memory.
    #[inline(always)]
    fn bind(&mut self, slot: usize, envelope: Envelope<Payload>, tick: bool) -> *mut TupleObject {
        let Envelope {
            payload,
            lineage,
            way,
        } = envelope;
        let schema = match tick {
            true => self.schemas[self.schemas.len() - 1].as_ptr(),
            false => self.schemas[way.stream() as usize].as_ptr(),
        };
        let task = &mut self.tasks[slot];
        let state = if tick { State::Loose } else { State::Open };
        // SAFETY: GIL held; a spare is unbound and ours, and so is a fresh one.
        unsafe {
            let tuple = match task.spares.pop() {
                Some(tuple) => tuple,
                None => TupleObject::fresh(task.handle),
            };
            if tuple.is_null() || TupleObject::bind(tuple, payload, schema, way.source(), lineage, state) {
                if way.is_timed() && !tuple.is_null() {
                    TupleObject::time(tuple);
                }
                return tuple;
            }
            TupleObject::discard(tuple);
        }
        ptr::null_mut()
    }

    #[inline(always)]
    fn unbind(&mut self, slot: usize, tuple: *mut TupleObject) {
        // SAFETY: bound by `bind`, and its reference is ours. Values are let go here, which may run any code: the
        // fields used afterwards are read anew.
        unsafe {
            if TupleObject::unbind(tuple) {
                if self.tasks[slot].spares.len() < BATCH {
                    self.tasks[slot].spares.push(tuple);
                } else {
                    TupleObject::discard(tuple);
                }
            }
        }
    }

    #[inline(always)]
    fn process_one(
        &mut self,
        desk: *mut Desk<Kit>,
        slot: usize,
        envelope: Envelope<Payload>,
    ) -> Result<(), Stop> {
        let tick = envelope.way.stream() == STREAM_TICK;
        if tick {
            return self.process_tick(desk, slot, envelope);
        }
        let tuple = self.bind(slot, envelope, false);
        if tuple.is_null() {
            return Err(Stop);
        }
        let task = &self.tasks[slot];
        if task.auto_anchor {
            task.handle().current.store(tuple, Ordering::Relaxed);
        }
        // A coroutine may have ended before the call that starts it returns: so it is counted first.
        let goes_on = self.in_flight.is_some();
        if goes_on {
            self.went_away(desk);
        }
        // SAFETY: alive; GIL held.
        let result = unsafe { task.main.call(task.object.as_ptr(), tuple.cast()) };
        let mut verdict = Ok(());
        let (mut settle, mut failed) = (task.auto_ack && !goes_on, false);
        if result.is_null() {
            match self.failed(slot, "process", Some(tuple.cast())) {
                Verdict::Fail => (settle, failed) = (self.tasks[slot].auto_fail, true),
                Verdict::Drop => settle = true,
                Verdict::Exit => (settle, verdict) = (false, Err(Stop)),
            }
        } else {
            // SAFETY: a new reference.
            unsafe { ffi::Py_DECREF(result) };
        }
        self.tasks[slot]
            .handle()
            .current
            .store(ptr::null_mut(), Ordering::Relaxed);
        if settle {
            self.settle(desk, tuple, failed);
        }
        self.unbind(slot, tuple);
        verdict
    }

    /// Ack or fail a tuple that its bolt left open.
    #[inline(always)]
    fn settle(&self, desk: *mut Desk<Kit>, tuple: *mut TupleObject, failed: bool) {
        // SAFETY: bound and ours; the desk is lent. Of these calls only `TupleObject::settle` may run Python code.
        unsafe {
            if (*tuple).state != State::Open {
                return;
            }
            TupleObject::settle(tuple, failed);
            if failed {
                (*desk).fail(&(*tuple).lineage);
            } else {
                (*desk).ack(&(*tuple).lineage, (*tuple).made);
            }
        }
    }

    #[inline(never)]
    fn process_tick(
        &mut self,
        desk: *mut Desk<Kit>,
        slot: usize,
        envelope: Envelope<Payload>,
    ) -> Result<(), Stop> {
        // SAFETY: lent.
        unsafe { (*desk).ticked(slot) };
        let tuple = self.bind(slot, envelope, true);
        if tuple.is_null() {
            return Err(Stop);
        }
        if self.in_flight.is_some() {
            self.went_away(desk);
        }
        let result = match &self.tasks[slot].ticked {
            Some(method) => self.call(slot, "process_tick", method, tuple.cast()),
            None => Ok(()),
        };
        self.unbind(slot, tuple);
        result
    }

    /// `process_many`: what waits for a task, in one call.
    fn process_batches(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        let mut batches = self.tasks.iter().map(|_| Vec::new()).collect::<Vec<_>>();
        let result = self.batch_by_batch(desk, &mut batches);
        // Only when a batch stopped the worker are any left.
        for (slot, batch) in batches.into_iter().enumerate() {
            for tuple in batch {
                self.unbind(slot, tuple);
            }
        }
        result
    }

    fn batch_by_batch(
        &mut self,
        desk: *mut Desk<Kit>,
        batches: &mut [Vec<*mut TupleObject>],
    ) -> Result<(), Stop> {
        let py = attached();
        // SAFETY: lent.
        while let Some(envelope) = unsafe { (*desk).take() } {
            // SAFETY: lent.
            let slot = unsafe { (*desk).slot(envelope.way.destination()) };
            if envelope.way.stream() == STREAM_TICK {
                self.process_batch(py, desk, slot, std::mem::take(&mut batches[slot]))?;
                self.process_tick(desk, slot, envelope)?;
                continue;
            }
            let tuple = self.bind(slot, envelope, false);
            if tuple.is_null() {
                return Err(Stop);
            }
            batches[slot].push(tuple);
            if batches[slot].len() == BATCH {
                self.process_batch(py, desk, slot, std::mem::take(&mut batches[slot]))?;
            }
        }
        for (slot, batch) in batches.iter_mut().enumerate() {
            self.process_batch(py, desk, slot, std::mem::take(batch))?;
        }
        Ok(())
    }

    fn process_batch(
        &mut self,
        py: Python<'_>,
        desk: *mut Desk<Kit>,
        slot: usize,
        batch: Vec<*mut TupleObject>,
    ) -> Result<(), Stop> {
        let Some(method) = self.tasks[slot].many.as_ref().filter(|_| !batch.is_empty()) else {
            return Ok(());
        };
        let task = &self.tasks[slot];
        let handle = task.handle();
        // SAFETY: bound tuples of ours; the list has references of its own.
        let tuples = batch
            .iter()
            .map(|tuple| unsafe { Bound::from_borrowed_ptr(py, tuple.cast::<ffi::PyObject>()) });
        let Ok(list) = PyList::new(py, tuples) else {
            return Err(Stop);
        };
        handle.in_batch.store(task.auto_anchor, Ordering::Relaxed);
        // SAFETY: alive; GIL held.
        let result = unsafe { method.call(task.object.as_ptr(), list.as_ptr()) };
        let mut verdict = Ok(());
        let (mut settle, mut failed) = (task.auto_ack, false);
        if result.is_null() {
            match self.failed(slot, "process_many", Some(list.as_ptr())) {
                Verdict::Fail => (settle, failed) = (self.tasks[slot].auto_fail, true),
                Verdict::Drop => settle = true,
                Verdict::Exit => (settle, verdict) = (false, Err(Stop)),
            }
        } else {
            // SAFETY: a new reference.
            unsafe { ffi::Py_DECREF(result) };
        }
        drop(list);
        let handle = self.tasks[slot].handle();
        handle.in_batch.store(false, Ordering::Relaxed);
        let root = handle.relay_root.swap(0, Ordering::Relaxed);
        let made = handle.relay_made.swap(0, Ordering::Relaxed);
        if root == 0 || failed || !settle {
            if settle {
                batch.iter().for_each(|tuple| self.settle(desk, *tuple, failed));
            }
            if root != 0 {
                // Nothing waits for what was emitted.
                // SAFETY: lent.
                unsafe { (*desk).seal_relay(Root::from_bits(root), Vec::new(), made) };
            }
        } else {
            self.settle_with_relay(desk, &batch, Root::from_bits(root), made);
        }
        for tuple in batch {
            self.unbind(slot, tuple);
        }
        verdict
    }

    /// The inputs of a batch are acked when all that was emitted for it is.
    fn settle_with_relay(&self, desk: *mut Desk<Kit>, batch: &[*mut TupleObject], root: Root, made: u64) {
        let mut inputs = Vec::with_capacity(batch.len());
        for tuple in batch {
            // SAFETY: bound tuples of ours; GIL held.
            unsafe {
                if (**tuple).state == State::Open {
                    TupleObject::settle(*tuple, false);
                    (*desk).count_ack();
                    inputs.push((std::mem::take(&mut (**tuple).lineage), (**tuple).made));
                }
            }
        }
        // SAFETY: lent.
        unsafe { (*desk).seal_relay(root, inputs, made) };
    }

    fn settled(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        self.lend(desk, |this| {
            // SAFETY: the desk is lent to us; no reference to it lives across a call into Python.
            while let Some(finished) = unsafe { (*desk).next_settled() } {
                let slot = match this.tasks.len() {
                    1 => 0,
                    // SAFETY: as above.
                    _ => unsafe { (*desk).slot(finished.task) },
                };
                this.tell(slot, finished)?;
            }
            Ok(())
        })
    }

    #[inline(always)]
    fn tell(&self, slot: usize, finished: Finished<Token>) -> Result<(), Stop> {
        let Finished { token, outcome, .. } = finished;
        let id = match token {
            Token::Number(_) => return Ok(()),
            Token::Object(id) => id,
            Token::Kept(kept) => match self.out_of_replays(slot, &kept, outcome) {
                true => return self.bury(slot, &kept),
                false => kept.id.clone(),
            },
        };
        let task = &self.tasks[slot];
        if outcome != Outcome::Acked
            && let Err(error) = task.handle().expect_replay(attached(), &id)
        {
            error.write_unraisable(attached(), None);
        }
        let (phase, method) = match outcome {
            Outcome::Acked => ("ack", &task.ack),
            Outcome::Failed | Outcome::TimedOut => ("fail", &task.fail),
        };
        match method {
            Some(method) => self.call(slot, phase, method, id.as_ptr()),
            None => Ok(()),
        }
    }

    /// Count a failure; true if there were `max_replays` of this tuple.
    fn out_of_replays(&self, slot: usize, kept: &Kept, outcome: Outcome) -> bool {
        let py = attached();
        let (Some(limit), Some(failures)) = (self.max_replays, &self.tasks[slot].failures) else {
            return false;
        };
        // SAFETY: made as a dict.
        let failures: Bound<'_, PyDict> = unsafe { failures.bind(py).cast_into_unchecked() };
        let id = kept.id.bind(py);
        if outcome == Outcome::Acked {
            let _ = failures.del_item(id);
            PyErr::take(py);
            return false;
        }
        let count = failures
            .get_item(&id)
            .ok()
            .flatten()
            .and_then(|n| n.extract::<u32>().ok())
            .unwrap_or(0)
            + 1;
        let _ = failures.set_item(&id, count);
        count >= limit.max(1)
    }

    fn bury(&self, slot: usize, kept: &Kept) -> Result<(), Stop> {
        let py = attached();
        let stream = &self.tasks[slot].handle().streams[kept.stream].name;
        let arguments = (slot, kept.id.bind(py), kept.values.bind(py), stream.as_str());
        if let Err(error) = self.shell.bind(py).call_method1("bury", arguments) {
            error.write_unraisable(py, None);
        }
        Ok(())
    }

    fn request(&mut self, desk: *mut Desk<Kit>, slot_of: usize, request: Request) -> Result<(), Stop> {
        self.lend(desk, |this| {
            // SAFETY: lent; none of the core's calls run Python code.
            unsafe {
                match request {
                    Request::Ack(lineage, made) => (*desk).ack(&lineage, made),
                    Request::Fail(lineage) => (*desk).fail(&lineage),
                    Request::Reset(lineage) => (*desk).reset_timeout(&lineage),
                    Request::ComeBack => (*desk).come_back(slot_of),
                    Request::WakeOn(fd) => {
                        this.wake_on
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((fd, slot_of));
                    }
                    Request::Pending(sender) => {
                        let mut names = Vec::new();
                        for slot in 0..this.tasks.len() {
                            for token in (*desk).pending_tokens(slot) {
                                match token {
                                    Token::Object(id) => names.push(id.clone()),
                                    Token::Kept(kept) => names.push(kept.id.clone()),
                                    Token::Number(_) => {}
                                }
                            }
                        }
                        let _ = sender.try_send(names);
                    }
                    Request::Emit(slot, foreign) => {
                        let py = attached();
                        let object = this.tasks[slot].object.as_ptr();
                        if let Err(error) = foreign.perform(py, this.tasks[slot].handle(), desk, object) {
                            error.restore(py);
                            if matches!(this.failed(slot, "emit", None), Verdict::Exit) {
                                return Err(Stop);
                            }
                        }
                    }
                }
            }
            Ok(())
        })
    }

    fn notify(&mut self, desk: *mut Desk<Kit>, method: &str, active: bool) -> Result<(), Stop> {
        self.lend(desk, |this| {
            for slot in 0..this.tasks.len() {
                if let Ok(method) = Method::of(&this.tasks[slot].object.bind(attached()), method) {
                    this.call(
                        slot,
                        if active { "activate" } else { "deactivate" },
                        &method,
                        ptr::null_mut(),
                    )?;
                }
            }
            Ok(())
        })
    }

    fn close(&mut self, desk: *mut Desk<Kit>) {
        self.lend(desk, |this| {
            let py = attached();
            for slot in 0..this.tasks.len() {
                if let Err(error) = this.shell.bind(py).call_method1("close", (slot,)) {
                    error.write_unraisable(py, None);
                }
            }
        });
        self.handles.iter().for_each(|handle| handle.get().retire());
    }
}

/// Tuples that one call of `process_many` gets at most, and spares that a task keeps.
const BATCH: usize = 128;

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
        let Component::Python(executor) = self else {
            return None;
        };
        let py = attached();
        let values = pyo3::types::PyTuple::new(py, [executor.tick?]).ok()?;
        Some(Payload::python(values.into_any().into()))
    }

    fn close(&mut self, desk: &mut Desk<Kit>) {
        if let Component::Python(executor) = self {
            executor.close(desk);
        }
    }
}
