//! The instances of one component that one executor runs, by calling Python.

mod batch;
mod process;
mod spout;
mod task;

use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;
use typhoon_core::ack::Outcome;
use typhoon_core::engine::{Desk, Stop};

use crate::base;
use crate::component::{Kit, Request, Token};
use crate::handle::Handle;
use crate::outward::Refused;
use crate::payload::Payload;
use crate::python::{Raw, Ref};
use crate::ran::ran;
use task::{Method, Task};

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
        let result = ran(result, phase);
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

    pub fn open(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
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
    pub fn request(&mut self, desk: *mut Desk<Kit>, slot_of: usize, request: Request) -> Result<(), Stop> {
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
                        if let Err(refused) = foreign.perform(py, this.tasks[slot].handle(), desk, object) {
                            this.refused(slot, refused)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// An emit of another thread was refused when its caller had gone on: that is reported, and the tuple has failed.
    #[cold]
    fn refused(&self, slot: usize, Refused { error, id }: Refused) -> Result<(), Stop> {
        error.restore(attached());
        match (self.failed(slot, "emit", None), id) {
            (Verdict::Exit, _) => Err(Stop),
            (_, Some(id)) => self.tell_of(slot, &id, Outcome::Failed, 0),
            (_, None) => Ok(()),
        }
    }

    pub fn notify(&mut self, desk: *mut Desk<Kit>, method: &str, active: bool) -> Result<(), Stop> {
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

    pub fn close(&mut self, desk: *mut Desk<Kit>) {
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

/// The values of a tick tuple: the seconds between two of them.
pub fn tick_payload(seconds: f64) -> Option<Payload> {
    let values = pyo3::types::PyTuple::new(attached(), [seconds]).ok()?;
    Some(Payload::python(values.into_any().into()))
}
