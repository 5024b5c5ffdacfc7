//! Emit, on the thread that runs the component: from the call's arguments to the desk.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use typhoon_core::ack::{Lineage, Root};
use typhoon_core::engine::{Anchor, Anchors, Desk, EmitError, Input};
use typhoon_core::flow::TaskId;

use super::arguments::{Extras, arguments, extras, list, required, result, stream_index};
use super::foreign::{foreign_emit, tell_unanchored};
use super::settle::{anchor_list, settled_error};
use super::special::send_specially;
use super::values::{emit_error, packed, to_payload};
use super::{coroutine, object, running};
use crate::base;
use crate::component::{Kept, Kit, Token};
use crate::errors;
use crate::handle::Handle;
use crate::payload::Payload;
use crate::python::{Raw, Ref, guarded, none};
use crate::ran::must_have_run;
use crate::tuple::{State, TupleObject};

static TUP_ID: OnceLock<Ref> = OnceLock::new();

/// Names that are compared by identity first.
pub fn init(py: Python<'_>) {
    TUP_ID.get_or_init(|| PyString::intern(py, "tup_id").into_any().into());
}

/// Emit from the owner's thread. Returns the tasks only if `extras` asks for them.
#[inline(always)]
pub fn send<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    anchor: A,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    if !stream.plain.load(Ordering::Relaxed) || extras.any() {
        return send_specially(py, handle, desk, index, values, anchor, extras);
    }
    let payload = to_payload(py, handle, stream, values)?;
    route(py, handle, desk, index, payload, anchor)
}

#[inline(always)]
pub fn route<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    payload: Payload,
    mut anchor: A,
) -> PyResult<Vec<TaskId>> {
    // SAFETY: lent for the length of the call that we are in; no reference to it lives across Python code.
    let result = unsafe {
        handle.sit(desk);
        (*desk).emit(handle.slot, index, payload, &mut anchor)
    };
    let (desk, result) = match result {
        Err(EmitError::Abroad(payload, target)) => {
            emit_abroad(py, handle, index, &payload, &mut anchor, target)?
        }
        Err(EmitError::PerhapsAbroad(payload)) => emit_copies(py, handle, index, payload, &mut anchor)?,
        result => (desk, result),
    };
    if handle.threaded {
        wait_for_room(py, handle, desk);
    }
    match result {
        Ok(()) => Ok(Vec::new()),
        Err(error) => Err(emit_error(py, handle, &handle.streams[index], error)),
    }
}

/// The desk that is there now, since any code may have run, and what sending came to.
type Sent = (*mut Desk<Kit>, Result<(), EmitError<Payload>>);

/// The task chosen runs in another worker.
#[inline(never)]
fn emit_abroad<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    payload: &Payload,
    anchor: &mut A,
    target: TaskId,
) -> PyResult<Sent> {
    let packed = packed(py, handle, &handle.streams[index], payload)?;
    let desk = desk_again(py, handle)?;
    // SAFETY: as in `route`.
    let result = unsafe {
        handle.sit(desk);
        (*desk).emit_abroad(handle.slot, index, packed, anchor, target)
    };
    Ok((desk, result))
}

/// Several tasks get a copy, some of them in other workers.
#[inline(never)]
fn emit_copies<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    payload: Payload,
    anchor: &mut A,
) -> PyResult<Sent> {
    let packed = packed(py, handle, &handle.streams[index], &payload)?;
    let desk = desk_again(py, handle)?;
    // SAFETY: as in `route`.
    let result = unsafe {
        handle.sit(desk);
        (*desk).emit_to(handle.slot, index, payload, Some(packed), anchor, None, &[])
    };
    Ok((desk, result.map(drop)))
}

/// The desk, after Python code has run in the middle of an emit: it may be another, or none.
pub fn desk_again(py: Python<'_>, handle: &Handle) -> PyResult<*mut Desk<Kit>> {
    handle.any_desk().ok_or_else(|| {
        let message = format!("'{}' was closed in the middle of an emit", handle.component);
        errors::new(py, "NotRunningError", message)
    })
}

/// On a thread of its own, an executor waits in emit while those who get its tuples are full.
pub fn wait_for_room(py: Python<'_>, handle: &Handle, desk: *mut Desk<Kit>) {
    // SAFETY: as in `route`; the desk is this thread's, and only it uses it while the GIL is away.
    unsafe {
        if (*desk).held_back() < handle.high_water {
            return;
        }
        handle.waits_for_room.store(true, Ordering::Relaxed);
        while !(*desk).relieve() && (*desk).held_back() >= handle.high_water && !handle.shared.is_stopping() {
            let Some(waker) = handle.shared.peers[handle.line].waker() else {
                break;
            };
            py.detach(|| waker.wait(Some(Duration::from_millis(5)), &[]));
        }
        handle.waits_for_room.store(false, Ordering::Relaxed);
    }
}

// ---------------------------------------------------------------------- spouts

pub unsafe extern "C" fn spout_emit(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        // The usual call: emit(values, tup_id=...), from the thread that runs the spout.
        if let (1, Some(id), Some(handle)) = (given, only_id(args, keywords), base::handle(slf))
            && let (Some(desk), Some(index)) = (handle.desk(), handle.quick())
        {
            // SAFETY: vectorcall's array has one argument.
            let values = unsafe { *args };
            spout_send(py, slf, handle, desk, index, values, id, &Extras::default())?;
            return Ok(none());
        }
        let held = running(py, slf)?;
        let handle = held.get();
        let names = ["tup", "tup_id", "stream", "direct_task", "need_task_ids"];
        let [values, id, stream, direct, ids] = arguments(py, "emit", names, (args, given, keywords))?;
        let extras = extras(py, direct, ids)?;
        let index = stream_index(py, handle, stream)?;
        let values = required(values, "emit")?;
        let tasks = spout_any(py, slf, handle, index, values, id, &extras)?;
        result(py, tasks, &extras)
    })
}

/// The tup_id, where nothing but that (or nothing at all) is given by keyword. None means: look closer.
#[inline(always)]
fn only_id(args: *const Raw, keywords: Raw) -> Option<Option<Raw>> {
    if keywords.is_null() {
        return Some(None);
    }
    // SAFETY: vectorcall's arrays: the values of the keywords stand after the one positional argument.
    unsafe {
        let known = TUP_ID
            .get()
            .is_some_and(|name| ffi::PyTuple_GET_ITEM(keywords, 0) == name.as_ptr());
        if ffi::PyTuple_GET_SIZE(keywords) != 1 || !known {
            return None;
        }
        let id = *args.add(1);
        Some((id != ffi::Py_None()).then_some(id))
    }
}

fn spout_any(
    py: Python<'_>,
    slf: Raw,
    handle: &Handle,
    index: usize,
    values: Raw,
    id: Option<Raw>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    match handle.desk() {
        Some(desk) => {
            let extras = Extras { name: id, ..*extras };
            spout_send(py, slf, handle, desk, index, values, id, &extras)
        }
        None => {
            let token = id.map(|id| checked_id(py, handle, id)).transpose()?;
            foreign_emit(py, handle, index, values, &[], token, extras)
        }
    }
}

fn checked_id(py: Python<'_>, handle: &Handle, id: Raw) -> PyResult<Ref> {
    // SAFETY: alive, GIL held.
    unsafe {
        let plain = ffi::PyLong_CheckExact(id) != 0 || ffi::PyUnicode_CheckExact(id) != 0;
        if !plain && ffi::PyObject_Hash(id) == -1 {
            let cause = PyErr::fetch(py);
            let message = format!(
                "'{}': the tup_id {} is not hashable, so its ack could not be told from others\n\
                 hint: use a number, a str or a tuple of these",
                handle.component,
                object(py, id).repr()?
            );
            let error = PyTypeError::new_err(message);
            error.set_cause(py, Some(cause));
            return Err(error);
        }
        Ok(Ref::share(id))
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the hot path: a struct would be built per tuple"
)]
#[inline(always)]
pub fn spout_send(
    py: Python<'_>,
    slf: Raw,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    id: Option<Raw>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let untracked = Input(&Lineage::NONE, &mut 0);
    let Some(id) = id else {
        return send(py, handle, desk, index, values, untracked, extras);
    };
    let id = checked_id(py, handle, id)?;
    if !handle.acking {
        let tasks = send(py, handle, desk, index, values, untracked, extras)?;
        if let Err(error) = ack_at_once(py, slf, &id) {
            // Not the emit's to raise: it has happened, and next_tuple would seem to have failed, or to have no more data.
            let reporter = object(py, slf).getattr("_reporter")?;
            reporter.call_method1("ack_failed", (error.into_value(py),))?;
        }
        if let Some(watch) = handle.is_watched().then(|| handle.watch()).flatten() {
            watch.bind(py).call_method1("acked_at_once", (id.bind(py),))?;
        }
        return Ok(tasks);
    }
    if handle.to_replay.load(Ordering::Relaxed) != 0 {
        handle.note_replay(py, &id)?;
    }
    let token = match handle.keep_values {
        true => keep(py, handle, index, values, id)?,
        false => Token::Object(id),
    };
    // SAFETY: as in `route`.
    let Some(root) = (unsafe { (*desk).open_tree(handle.slot, token) }) else {
        return Err(too_many_trees(py, handle, index));
    };
    let (lineage, mut made) = (Lineage::one(root, 0), 0);
    let sent = send(
        py,
        handle,
        desk,
        index,
        values,
        Input(&lineage, &mut made),
        extras,
    );
    // SAFETY: as in `route`; the token of a tree that is taken back is dropped after the borrow.
    let forgotten = unsafe {
        match &sent {
            Ok(_) => {
                (*desk).seal(root, made);
                None
            }
            Err(_) => (*desk).cancel_tree(handle.slot, root),
        }
    };
    drop(forgotten);
    sent
}

/// A token that has the values too, for a tuple that may have to go to `__dead_letter`.
#[cold]
fn keep(py: Python<'_>, handle: &Handle, index: usize, values: Raw, id: Ref) -> PyResult<Token> {
    let payload = to_payload(py, handle, &handle.streams[index], values)?;
    let values = payload.to_tuple().ok_or_else(|| PyErr::fetch(py))?;
    Ok(Token::Kept(Box::new(Kept {
        id,
        values,
        stream: index,
    })))
}

/// Without acking a spout is told inside emit.
fn ack_at_once(py: Python<'_>, slf: Raw, id: &Ref) -> PyResult<()> {
    let given = object(py, slf).call_method1("ack", (id.bind(py),))?;
    must_have_run(py, "ack", given)
}

#[cold]
fn too_many_trees(py: Python<'_>, handle: &Handle, index: usize) -> PyErr {
    emit_error(py, handle, &handle.streams[index], EmitError::TooManyTrees)
}

pub unsafe extern "C" fn spout_emit_many(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        let held = running(py, slf)?;
        let handle = held.get();
        let names = ["tuples", "tup_ids", "stream"];
        let [tuples, ids, stream] = arguments(py, "emit_many", names, (args, given, keywords))?;
        let index = stream_index(py, handle, stream)?;
        let tuples = list(py, required(tuples, "emit_many")?)?;
        let ids = ids.map(|ids| list(py, ids)).transpose()?;
        if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != tuples.len()) {
            let message = format!(
                "emit_many() got {} tuples and {} tup_ids",
                tuples.len(),
                ids.len()
            );
            return Err(PyValueError::new_err(message));
        }
        for (number, values) in tuples.iter().enumerate() {
            let id = ids.as_ref().map(|ids| ids[number].as_ptr());
            // SAFETY: None is always there.
            let id = id.filter(|id| *id != unsafe { ffi::Py_None() });
            spout_any(py, slf, handle, index, values.as_ptr(), id, &Extras::default())?;
        }
        Ok(none())
    })
}

// ---------------------------------------------------------------------- bolts

pub unsafe extern "C" fn bolt_emit(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        // The usual call: emit(values), from the thread that runs the bolt.
        if given == 1
            && keywords.is_null()
            && let Some(handle) = base::handle(slf)
            && let (Some(desk), Some(index)) = (handle.desk(), handle.default)
        {
            // SAFETY: vectorcall's array has one argument.
            let values = unsafe { *args };
            anchored(py, handle, desk, index, values, &Extras::default())?;
            return Ok(none());
        }
        let held = running(py, slf)?;
        let handle = held.get();
        let names = ["tup", "stream", "anchors", "direct_task", "need_task_ids"];
        let [values, stream, anchors, direct, ids] = arguments(py, "emit", names, (args, given, keywords))?;
        let extras = extras(py, direct, ids)?;
        let index = stream_index(py, handle, stream)?;
        let values = required(values, "emit")?;
        let tasks = bolt_any(py, slf, handle, index, values, anchors, &extras)?;
        result(py, tasks, &extras)
    })
}

pub unsafe extern "C" fn bolt_emit_many(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        let held = running(py, slf)?;
        let handle = held.get();
        let names = ["tuples", "stream", "anchors"];
        let [tuples, stream, anchors] = arguments(py, "emit_many", names, (args, given, keywords))?;
        let index = stream_index(py, handle, stream)?;
        let tuples = required(tuples, "emit_many")?;
        let extras = Extras::default();
        // SAFETY: alive; a list is read by index, since an emit may change it.
        unsafe {
            let Some(desk) = handle.any_desk().filter(|_| anchors.is_none()) else {
                for values in list(py, tuples)? {
                    bolt_any(py, slf, handle, index, values.as_ptr(), anchors, &extras)?;
                }
                return Ok(none());
            };
            if ffi::PyList_CheckExact(tuples) != 0 {
                let mut number = 0;
                while number < ffi::PyList_GET_SIZE(tuples) {
                    let values = Ref::share(ffi::PyList_GET_ITEM(tuples, number));
                    anchored(py, handle, desk, index, values.as_ptr(), &extras)?;
                    number += 1;
                }
                return Ok(none());
            }
            let tuples = Ref::steal(ffi::PyObject_GetIter(tuples)).ok_or_else(|| PyErr::fetch(py))?;
            while let Some(values) = Ref::steal(ffi::PyIter_Next(tuples.as_ptr())) {
                let desk = desk_again(py, handle)?;
                anchored(py, handle, desk, index, values.as_ptr(), &extras)?;
            }
        }
        PyErr::take(py).map_or_else(|| Ok(none()), Err)
    })
}

fn bolt_any(
    py: Python<'_>,
    slf: Raw,
    handle: &Handle,
    index: usize,
    values: Raw,
    anchors: Option<Raw>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let Some(anchors) = anchors else {
        return match handle.any_desk() {
            Some(desk) => anchored(py, handle, desk, index, values, extras),
            None => {
                let own: Vec<Ref> = coroutine::tuple(py, handle)?.into_iter().collect();
                if own.is_empty() {
                    tell_unanchored(py, slf, handle)?;
                }
                foreign_emit(py, handle, index, values, &own, None, extras)
            }
        };
    };
    let anchors = anchor_list(py, handle, anchors)?;
    let Some(desk) = handle.any_desk() else {
        return foreign_emit(py, handle, index, values, &anchors, None, extras);
    };
    // SAFETY: Tuples, by `anchor_list`.
    let lineage = |anchor: &Ref| unsafe { (*anchor.as_ptr().cast::<TupleObject>()).lineage.clone() };
    let mut pairs: Vec<(Lineage, u64)> = anchors.iter().map(|anchor| (lineage(anchor), 0)).collect();
    let tasks = send(py, handle, desk, index, values, Anchors(&mut pairs), extras)?;
    for (anchor, (_, made)) in anchors.iter().zip(&pairs) {
        // SAFETY: as above.
        unsafe { (*anchor.as_ptr().cast::<TupleObject>()).made ^= made };
    }
    Ok(tasks)
}

/// Emit anchored to what is being processed.
#[inline(always)]
fn anchored(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let current = handle.current.load(Ordering::Relaxed);
    if current.is_null() {
        return unbound(py, handle, desk, index, values, extras);
    }
    below(py, handle, desk, index, values, current, extras)
}

/// Emit anchored to this tuple.
#[inline(always)]
fn below(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    tuple: *mut TupleObject,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    // SAFETY: alive while it is processed, as it is; no reference into it is kept across `send`.
    unsafe {
        let lineage = match (*tuple).state {
            State::Open => (*tuple).lineage.clone(),
            _ if (*tuple).lineage.is_tracked() => return Err(settled_error(py, handle)),
            _ => Lineage::NONE,
        };
        let mut made = 0;
        let sent = send(
            py,
            handle,
            desk,
            index,
            values,
            Input(&lineage, &mut made),
            extras,
        );
        (*tuple).made ^= made;
        sent
    }
}

/// Emit outside of any call for a tuple: in a batch for the whole of it, in a coroutine for the tuple that it is for.
#[inline(never)]
fn unbound(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    if !handle.in_batch.load(Ordering::Relaxed) {
        if let Some(tuple) = coroutine::tuple(py, handle)? {
            return below(py, handle, desk, index, values, tuple.as_ptr().cast(), extras);
        }
        return send(
            py,
            handle,
            desk,
            index,
            values,
            Input(&Lineage::NONE, &mut 0),
            extras,
        );
    }
    if handle.relay_root.load(Ordering::Relaxed) == 0 {
        // SAFETY: as in `route`.
        let root = unsafe { (*desk).open_relay() };
        let root = root.ok_or_else(|| too_many_trees(py, handle, index))?;
        handle.relay_root.store(root.bits(), Ordering::Relaxed);
    }
    let root = Root::from_bits(handle.relay_root.load(Ordering::Relaxed));
    let (lineage, mut made) = (Lineage::one(root, 0), 0);
    let sent = send(
        py,
        handle,
        desk,
        index,
        values,
        Input(&lineage, &mut made),
        extras,
    );
    handle.relay_made.fetch_xor(made, Ordering::Relaxed);
    sent
}
