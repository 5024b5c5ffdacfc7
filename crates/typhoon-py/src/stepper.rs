//! One line of an engine that Python's event loop drives: its executors' `process` are coroutines, which run on the same
//! thread between two steps, and reach the desk then (see [`Aside`]).

use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use typhoon_core::engine::{Clock, Loop, Rest, Shared, Stop};

use crate::clock::WorkerClock;
use crate::component::Kit;
use crate::errors;
use crate::handle::Aside;
use crate::python::this_thread;

/// Made by `Engine.stepper(line)` on the thread that calls everything else, in this order: `open`, `step` as often as
/// it says or `fileno()` becomes readable, until it gives None; `close`.
#[pyclass(unsendable, module = "typhoon._core")]
pub struct Stepper {
    looped: RefCell<Box<Loop<Kit>>>,
    shared: Arc<Shared<Kit>>,
    aside: Arc<Aside>,
    clock: WorkerClock,
    line: usize,
}

/// A fake clock's line looks at it this often.
const LOOK: f64 = 0.001;

impl Stepper {
    pub fn new(
        looped: Loop<Kit>,
        shared: Arc<Shared<Kit>>,
        aside: Arc<Aside>,
        clock: WorkerClock,
        line: usize,
    ) -> Self {
        Stepper {
            looped: RefCell::new(Box::new(looped)),
            shared,
            aside,
            clock,
            line,
        }
    }

    /// Call into the loop, with the way past it closed; a panic or a Stop ends the worker.
    fn enter<R>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut Loop<Kit>) -> Result<R, Stop>,
    ) -> PyResult<Option<R>> {
        let mut looped = self
            .looped
            .try_borrow_mut()
            .map_err(|_| PyRuntimeError::new_err("the stepper is in a call already"))?;
        self.aside.desk.store(ptr::null_mut(), Ordering::Relaxed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&mut looped)));
        if !matches!(result, Ok(Ok(_))) {
            self.shared.stop();
        }
        self.aside.owner.store(this_thread(), Ordering::Relaxed);
        self.aside.desk.store(looped.desk(), Ordering::Relaxed);
        result
            .map(Result::ok)
            .map_err(|panic| errors::panicked(py, panic.as_ref()))
    }

    fn seconds(&self, rest: Rest) -> f64 {
        let seconds = match rest {
            Rest::Busy => return 0.0,
            Rest::Until(time) => time.saturating_sub(self.clock.now()) as f64 / 1e9,
            Rest::Idle => f64::INFINITY,
        };
        match self.clock {
            WorkerClock::Real => seconds,
            WorkerClock::Fake(_) => LOOK,
        }
    }
}

#[pymethods]
impl Stepper {
    /// Create and initialise the components; False if one of them cannot start.
    fn open(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.enter(py, Loop::open)?.is_some())
    }

    /// One round. The seconds until the next one; None when the worker is stopping.
    fn step(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.hush();
        self.aside.touched.store(false, Ordering::Relaxed);
        let rest = self.enter(py, Loop::step)?;
        Ok(rest
            .filter(|_| !self.shared.is_stopping())
            .map(|rest| self.seconds(rest)))
    }

    /// Is the worker stopping? Before the first step, for who waits for `fileno()` to become readable.
    fn stopping(&self) -> bool {
        if let Some(waker) = self.shared.peers[self.line].waker() {
            waker.wait(Some(Duration::ZERO), &[]);
        }
        self.shared.is_stopping()
    }

    /// Make `fileno()` unreadable until something new happens; a step must follow by itself.
    fn hush(&self) {
        if let Some(waker) = self.shared.peers[self.line].waker() {
            waker.wait(Some(Duration::ZERO), &[]);
        }
    }

    /// Close the components.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.enter(py, |looped| {
            looped.close();
            Ok(())
        })?;
        self.aside.desk.store(ptr::null_mut(), Ordering::Relaxed);
        self.shared.peers[self.line].hang_up();
        Ok(())
    }

    /// Readable when there is something to step for.
    fn fileno(&self) -> PyResult<i32> {
        let waker = self.shared.peers[self.line].waker();
        waker
            .map(|waker| waker.fd())
            .ok_or_else(|| PyValueError::new_err("the line has ended"))
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        self.aside.desk.store(ptr::null_mut(), Ordering::Relaxed);
    }
}
