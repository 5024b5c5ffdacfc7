//! Acks, fails and the like of tuples that a task was given.

use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::arguments::list;
use super::{object, running};
use crate::base;
use crate::component::Request;
use crate::errors;
use crate::handle::Handle;
use crate::python::{Raw, Ref, guarded, none};
use crate::tuple::{self, State, TupleObject};

pub fn settled_error(py: Python<'_>, handle: &Handle) -> PyErr {
    let message = format!(
        "'{}' emitted for a tuple that it has acked or failed before, so the new one could not be tracked\n\
         hint: emit first, then ack; or pass anchors=[]",
        handle.component
    );
    errors::new(py, "AlreadySettledError", message)
}

/// A Tuple, or the id of one that this task was given; None for the id of one that it has settled.
fn find(py: Python<'_>, handle: &Handle, raw: Raw) -> PyResult<Option<Ref>> {
    if tuple::check(raw) {
        // SAFETY: alive.
        return Ok(Some(unsafe { Ref::share(raw) }));
    }
    let id = object(py, raw).extract::<String>().map_err(|_| {
        PyTypeError::new_err(format!(
            "'{}': expected a Tuple or its id, got {:?}",
            handle.component,
            object(py, raw)
        ))
    })?;
    match handle.find(&id) {
        Some(weak) => {
            let found = weak.bind(py).call0()?;
            Ok((!found.is_none()).then(|| found.into()))
        }
        None if is_of(handle, &id) => Ok(None),
        None => Err(not_received(handle, &object(py, raw))?),
    }
}

/// Is this the id of a tuple that was given to this task? It begins with the task's number.
fn is_of(handle: &Handle, id: &str) -> bool {
    let number = id
        .split_once('-')
        .filter(|(task, _)| *task == handle.task.to_string());
    number.is_some_and(|(_, number)| number.parse::<u64>().is_ok())
}

/// Was this tuple given to this very task? Another one of the same number may belong to another topology.
fn is_given_to(handle: &Handle, tuple: *mut TupleObject) -> bool {
    // SAFETY: a Tuple; GIL held.
    let own = unsafe { (*tuple).handle.get() };
    own.is_some_and(|own| std::ptr::eq(own, handle))
}

pub fn anchor_list(py: Python<'_>, handle: &Handle, anchors: Raw) -> PyResult<Vec<Ref>> {
    let mut found = Vec::new();
    let single = tuple::check(anchors);
    let anchors = if single {
        vec![object(py, anchors)]
    } else {
        list(py, anchors)?
    };
    for anchor in anchors {
        let tuple = find(py, handle, anchor.as_ptr())?.ok_or_else(|| settled_error(py, handle))?;
        let content = tuple.as_ptr().cast::<TupleObject>();
        // SAFETY: a Tuple; GIL held.
        match unsafe { (*content).state } {
            State::Settled => return Err(settled_error(py, handle)),
            State::Open if is_given_to(handle, content) => found.push(tuple),
            State::Open => return Err(not_received(handle, &anchor)?),
            // Nothing to track: a tick, or a tuple made by hand.
            State::Loose => {}
        }
    }
    Ok(found)
}

fn not_received(handle: &Handle, tuple: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let message = format!(
        "'{}' (task {}) was not given {}\nhint: a tuple is acked, failed and anchored to by the task whose process got it",
        handle.component,
        handle.task,
        tuple.repr()?
    );
    Ok(PyValueError::new_err(message))
}

#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Ack,
    Fail,
    Reset,
}

pub unsafe extern "C" fn ack(slf: Raw, tup: Raw) -> Raw {
    guarded(|py| settle(py, slf, tup, Verdict::Ack))
}

pub unsafe extern "C" fn fail(slf: Raw, tup: Raw) -> Raw {
    guarded(|py| settle(py, slf, tup, Verdict::Fail))
}

pub unsafe extern "C" fn reset_timeout(slf: Raw, tup: Raw) -> Raw {
    guarded(|py| settle(py, slf, tup, Verdict::Reset))
}

fn settle(py: Python<'_>, slf: Raw, tup: Raw, verdict: Verdict) -> PyResult<Raw> {
    let Some(held) = base::hold(py, slf) else {
        return running(py, slf).map(|_| none());
    };
    let handle = held.get();
    if !handle.is_live() {
        return Ok(none());
    }
    let Some(tuple) = find(py, handle, tup)? else {
        handle.again.fetch_add(1, Ordering::Relaxed);
        return Ok(none());
    };
    let content = tuple.as_ptr().cast::<TupleObject>();
    // SAFETY: a Tuple; GIL held; no reference into it is kept across a call.
    unsafe {
        match (*content).state {
            State::Loose => return Ok(none()),
            State::Settled => {
                if verdict != Verdict::Reset && handle.again.fetch_add(1, Ordering::Relaxed) == 0 {
                    let logger = py
                        .import("logging")?
                        .call_method1("getLogger", ("typhoon.worker",))?;
                    let text =
                        "%r acked or failed a tuple a second time; that is ignored (and counted from now on)";
                    logger.call_method1("warning", (text, handle.component.as_str()))?;
                }
                return Ok(none());
            }
            State::Open => {}
        }
        if !is_given_to(handle, content) {
            if (*content).handle.get().is_some_and(|own| !own.is_live()) {
                // Its topology is over, and so is its tree.
                return Ok(none());
            }
            return Err(not_received(handle, &object(py, tuple.as_ptr()))?);
        }
        let (lineage, made) = ((*content).lineage.clone(), (*content).made);
        if verdict != Verdict::Reset {
            TupleObject::settle(content, verdict == Verdict::Fail);
        }
        let Some(desk) = handle.any_desk() else {
            handle.post(match verdict {
                Verdict::Ack => Request::Ack(lineage, made),
                Verdict::Fail => Request::Fail(lineage),
                Verdict::Reset => Request::Reset(lineage),
            });
            return Ok(none());
        };
        handle.sit(desk);
        match verdict {
            Verdict::Ack => (*desk).ack(&lineage, made),
            Verdict::Fail => (*desk).fail(&lineage),
            Verdict::Reset => (*desk).reset_timeout(&lineage),
        }
    }
    Ok(none())
}

/// A coroutine has ended that was started for a tuple (a tick counts as one).
pub fn finish(handle: &Handle, tuple: &Bound<'_, PyAny>, acked: Option<bool>) {
    let content = tuple.as_ptr().cast::<TupleObject>();
    handle.in_flight.fetch_sub(1, Ordering::Relaxed);
    if !handle.is_live() || !tuple::check(tuple.as_ptr()) {
        return;
    }
    // SAFETY: a Tuple; GIL held; the desk is asked for after the one call that may run Python code.
    unsafe {
        let settle = acked.filter(|_| (*content).state == State::Open);
        if settle.is_some() {
            TupleObject::settle(content, settle == Some(false));
        }
        let Some(desk) = handle.any_desk() else {
            match settle {
                Some(true) => handle.post(Request::Ack((*content).lineage.clone(), (*content).made)),
                Some(false) => handle.post(Request::Fail((*content).lineage.clone())),
                None => {}
            }
            handle.post(Request::ComeBack);
            return;
        };
        handle.sit(desk);
        match settle {
            Some(true) => (*desk).ack(&(*content).lineage, (*content).made),
            Some(false) => (*desk).fail(&(*content).lineage),
            None => {}
        }
        (*desk).come_back(handle.executor);
    }
}
