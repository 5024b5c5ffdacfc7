//! What a component asks of the engine: emit, ack, fail, reset_timeout; from the thread that runs it, or from any
//! other, whose request is handed in and carried out on the owner's thread.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use typhoon_core::ack::{Lineage, Root};
use typhoon_core::engine::{Anchor, Anchors, Desk, EmitError, Mail, One, Order, Untracked};
use typhoon_core::flow::TaskId;

use crate::base;
use crate::component::{Kept, Kit, Request, Token};
use crate::errors;
use crate::handle::{Handle, Stream};
use crate::hash;
use crate::payload::Payload;
use crate::python::{Raw, Ref, guarded, none};
use crate::tuple::{self, State, TupleObject};

static TUP_ID: OnceLock<Ref> = OnceLock::new();

/// Names that are compared by identity first.
pub fn init(py: Python<'_>) {
    TUP_ID.get_or_init(|| PyString::intern(py, "tup_id").into_any().into());
}

fn object<'py>(py: Python<'py>, raw: Raw) -> Bound<'py, PyAny> {
    // SAFETY: the caller passes a live object.
    unsafe { Bound::from_borrowed_ptr(py, raw) }
}

fn running<'a>(py: Python<'_>, slf: Raw) -> PyResult<&'a Handle> {
    base::handle(slf).filter(|handle| handle.is_live()).ok_or_else(|| {
        let class = object(py, slf).get_type();
        let message = format!(
            "{class} is not running, so it cannot emit\nhint: emit from a method that a running topology calls"
        );
        errors::new(py, "NotRunningError", message)
    })
}

// ---------------------------------------------------------------------- arguments

/// The arguments of a call, by the names of its parameters.
fn arguments<const N: usize>(
    py: Python<'_>,
    method: &str,
    names: [&str; N],
    (args, given, keywords): (*const Raw, isize, Raw),
) -> PyResult<[Option<Raw>; N]> {
    let mut found = [None; N];
    if given as usize > N {
        return Err(PyTypeError::new_err(format!(
            "{method}() takes at most {N} arguments, got {given}"
        )));
    }
    for (index, place) in found.iter_mut().enumerate().take(given as usize) {
        // SAFETY: a vectorcall's array holds the positional arguments, then those of the keywords.
        *place = Some(unsafe { *args.add(index) });
    }
    if !keywords.is_null() {
        // SAFETY: a tuple of names.
        let names_given: Bound<'_, PyTuple> = unsafe { object(py, keywords).cast_into_unchecked() };
        for (index, name) in names_given.iter().enumerate() {
            let name: String = name.extract()?;
            let Some(position) = names.iter().position(|known| *known == name) else {
                let known = names.join(", ");
                return Err(PyTypeError::new_err(format!(
                    "{method}() has no argument {name} (it has {known})"
                )));
            };
            if found[position].is_some() {
                return Err(PyTypeError::new_err(format!("{method}() got {name} twice")));
            }
            // SAFETY: as above.
            found[position] = Some(unsafe { *args.add(given as usize + index) });
        }
    }
    // SAFETY: None is always there.
    let nothing = unsafe { ffi::Py_None() };
    Ok(found.map(|argument| argument.filter(|argument| *argument != nothing)))
}

fn required(argument: Option<Raw>, method: &str) -> PyResult<Raw> {
    argument.ok_or_else(|| PyTypeError::new_err(format!("{method}() needs a list or tuple of values")))
}

fn stream_index(py: Python<'_>, handle: &Handle, name: Option<Raw>) -> PyResult<usize> {
    let wanted = match name {
        None => match handle.default {
            Some(index) => return Ok(index),
            None => "default".to_owned(),
        },
        Some(name) => object(py, name).extract::<String>().map_err(|_| {
            PyTypeError::new_err(format!(
                "stream is the name of a stream, got {:?}",
                object(py, name)
            ))
        })?,
    };
    handle.streams.iter().position(|stream| stream.name == wanted).ok_or_else(|| {
        let known: Vec<&str> = handle.streams.iter().map(|s| s.name.as_str()).filter(|n| !n.starts_with("__")).collect();
        let message = format!(
            "'{}' declares no stream '{wanted}', only {known:?}\nhint: add Stream(fields, name='{wanted}') to its outputs",
            handle.component
        );
        errors::new(py, "EmitError", message)
    })
}

/// Values as a plain tuple.
#[inline(always)]
fn to_tuple(py: Python<'_>, handle: &Handle, stream: &Stream, values: Raw) -> PyResult<Ref> {
    // SAFETY: alive, GIL held; results are checked.
    unsafe {
        let made = if ffi::PyList_CheckExact(values) != 0 {
            if ffi::PyList_GET_SIZE(values) == 1 {
                let made = ffi::PyTuple_New(1);
                if !made.is_null() {
                    let item = ffi::PyList_GET_ITEM(values, 0);
                    ffi::Py_INCREF(item);
                    ffi::PyTuple_SET_ITEM(made, 0, item);
                }
                made
            } else {
                ffi::PyList_AsTuple(values)
            }
        } else if ffi::PyTuple_CheckExact(values) != 0 {
            ffi::Py_INCREF(values);
            values
        } else {
            return to_tuple_slowly(py, handle, stream, values);
        };
        let made = Ref::steal(made).ok_or_else(|| PyErr::fetch(py))?;
        if ffi::PyTuple_GET_SIZE(made.as_ptr()) as usize == stream.fields.len() {
            return Ok(made);
        }
        Err(wrong_arity(
            py,
            handle,
            stream,
            ffi::PyTuple_GET_SIZE(made.as_ptr()) as usize,
        ))
    }
}

#[cold]
fn wrong_arity(py: Python<'_>, handle: &Handle, stream: &Stream, got: usize) -> PyErr {
    let message = format!(
        "'{}' emitted {got} values on stream '{}', which has the {} fields {:?}\nhint: emit one value for each field",
        handle.component,
        stream.name,
        stream.fields.len(),
        stream.fields
    );
    errors::new(py, "EmitError", message)
}

#[cold]
fn to_tuple_slowly(py: Python<'_>, handle: &Handle, stream: &Stream, values: Raw) -> PyResult<Ref> {
    let values = object(py, values);
    let made = if let Ok(list) = values.cast::<PyList>() {
        list.to_tuple()
    } else if let Ok(tuple) = values.cast::<PyTuple>() {
        PyTuple::new(py, tuple.iter())?
    } else if values.hasattr("__dataclass_fields__")? && !values.is_instance_of::<pyo3::types::PyType>() {
        let fields = stream.fields.iter().map(|field| values.getattr(field.as_str()));
        PyTuple::new(py, fields.collect::<PyResult<Vec<_>>>()?)?
    } else {
        let message = format!(
            "'{}': emit takes a list or a tuple of values, got {}\nhint: self.emit([value]) for one value",
            handle.component,
            values.repr()?
        );
        return Err(PyTypeError::new_err(message));
    };
    if made.len() != stream.fields.len() {
        return Err(wrong_arity(py, handle, stream, made.len()));
    }
    Ok(made.into_any().into())
}

#[inline(always)]
fn to_payload(py: Python<'_>, handle: &Handle, stream: &Stream, values: Ref) -> PyResult<Payload> {
    if !stream.rows {
        return Ok(Payload::python(values));
    }
    Payload::python(values).into_row().map_err(|(position, name)| {
        let message = format!(
            "'{}': field '{}' of stream '{}' holds a {name}, which a component without Python cannot read\n\
             hint: emit str, bytes, int (64 bits), float, bool or None",
            handle.component, stream.fields[position], stream.name
        );
        errors::new(py, "EmitError", message)
    })
}

#[cold]
fn emit_error(py: Python<'_>, handle: &Handle, stream: &Stream, error: EmitError<hash::NoKey>) -> PyErr {
    let component = &handle.component;
    match error {
        EmitError::Key(error) => {
            let fields: Vec<String> = stream
                .keys
                .iter()
                .map(|key| stream.fields[*key].clone())
                .collect();
            hash::raise(
                py,
                error,
                &format!("'{component}' on stream '{}'", stream.name),
                &fields,
            )
        }
        EmitError::Full => errors::new(
            py,
            "BackPressureError",
            format!(
                "'{component}' emitted more in one call than topology.executor.outbox.hard.limit.bytes allows\n\
                 hint: emit less per call, or raise the limit"
            ),
        ),
        EmitError::TooManyTrees => errors::new(
            py,
            "BackPressureError",
            format!("'{component}': 16 million tuples are pending\nhint: set topology.max.spout.pending"),
        ),
        EmitError::NotATarget(task) => errors::new(
            py,
            "EmitError",
            format!(
                "'{component}': task {task} does not subscribe to stream '{}' by direct grouping\n\
                 hint: context.tasks_of(component) lists a component's tasks",
                stream.name
            ),
        ),
    }
}

// ---------------------------------------------------------------------- one emit

/// What may be said besides the values.
#[derive(Default)]
struct Extras {
    direct: Option<TaskId>,
    task_ids: bool,
}

/// Emit from the owner's thread. Returns the tasks only if `extras` asks for them.
#[inline(always)]
fn send<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Ref,
    anchor: A,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    if stream.direct || !stream.custom.is_empty() || extras.direct.is_some() || extras.task_ids {
        return send_slowly(py, handle, desk, index, values, anchor, extras);
    }
    if !stream.subscribed {
        // SAFETY: lent for the length of the call that we are in; no reference to it lives across Python code.
        unsafe { (*desk).emit_to_nobody(handle.slot, index) };
        return Ok(Vec::new());
    }
    let payload = to_payload(py, handle, stream, values)?;
    // SAFETY: as above.
    let result = unsafe { (*desk).emit(handle.slot, index, payload, anchor) };
    if handle.threaded {
        wait_for_room(py, handle, desk);
    }
    result
        .map(|()| Vec::new())
        .map_err(|error| emit_error(py, handle, stream, error))
}

#[cold]
fn send_slowly<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Ref,
    anchor: A,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    check_direct(py, handle, stream, extras.direct)?;
    let custom = choose(py, handle, stream, &values)?;
    let payload = to_payload(py, handle, stream, values)?;
    // SAFETY: as in `send`.
    let result = unsafe { (*desk).emit_to(handle.slot, index, payload, anchor, extras.direct, &custom) };
    result.map_err(|error| emit_error(py, handle, stream, error))
}

fn check_direct(py: Python<'_>, handle: &Handle, stream: &Stream, direct: Option<TaskId>) -> PyResult<()> {
    let (is, hint) = match (stream.direct, direct) {
        (true, None) => ("is direct", "name the task: emit(values, direct_task=...)"),
        (false, Some(_)) => ("is not direct", "declare it by Stream(fields, name, direct=True)"),
        _ => return Ok(()),
    };
    let message = format!(
        "'{}': stream '{}' {is}\nhint: {hint}",
        handle.component, stream.name
    );
    Err(errors::new(py, "EmitError", message))
}

/// Ask the objects of custom groupings.
fn choose(
    py: Python<'_>,
    handle: &Handle,
    stream: &Stream,
    values: &Ref,
) -> PyResult<Vec<(usize, Vec<TaskId>)>> {
    let mut chosen = Vec::new();
    for (route, grouping, targets) in &stream.custom {
        let grouping = grouping.bind(py);
        let answer = grouping.call_method1("choose_tasks", (handle.task, values.bind(py)))?;
        let tasks = answer
            .extract::<Vec<TaskId>>()
            .ok()
            .filter(|tasks| tasks.iter().all(|t| targets.contains(t)));
        let Some(tasks) = tasks else {
            let message = format!(
                "'{}' on stream '{}': choose_tasks of {} returned {}, which is not a list of tasks out of {targets:?}\n\
                 hint: return some of the target_tasks that prepare got",
                handle.component,
                stream.name,
                grouping.get_type(),
                answer.repr()?
            );
            return Err(errors::new(py, "EmitError", message));
        };
        chosen.push((*route, tasks));
    }
    Ok(chosen)
}

/// On a thread of its own, an executor waits in emit while those who get its tuples are full.
fn wait_for_room(py: Python<'_>, handle: &Handle, desk: *mut Desk<Kit>) {
    // SAFETY: as in `send`; the desk is this thread's, and only it uses it while the GIL is away.
    unsafe {
        if (*desk).held_back() < handle.high_water {
            return;
        }
        while !(*desk).relieve() && (*desk).held_back() >= handle.high_water && !handle.shared.is_stopping() {
            let Some(waker) = handle.shared.peers[handle.line].waker() else {
                return;
            };
            py.detach(|| waker.wait(Some(Duration::from_millis(5)), &[]));
        }
    }
}

fn result(py: Python<'_>, tasks: Vec<TaskId>, extras: &Extras) -> PyResult<Raw> {
    if extras.task_ids {
        Ok(PyList::new(py, tasks)?.into_any().into_ptr())
    } else {
        Ok(none())
    }
}

fn extras(py: Python<'_>, direct: Option<Raw>, task_ids: Option<Raw>) -> PyResult<Extras> {
    let direct = direct.map(|task| {
        object(py, task).extract::<TaskId>().map_err(|_| {
            PyTypeError::new_err(format!(
                "direct_task is the number of a task, got {:?}",
                object(py, task)
            ))
        })
    });
    let task_ids = task_ids.map_or(Ok(false), |flag| object(py, flag).is_truthy())?;
    Ok(Extras {
        direct: direct.transpose()?,
        task_ids,
    })
}

// ---------------------------------------------------------------------- spouts

pub unsafe extern "C" fn spout_emit(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        let handle = running(py, slf)?;
        // The usual call: emit(values, tup_id=...).
        // SAFETY: vectorcall's arrays.
        unsafe {
            let only_id = !keywords.is_null()
                && ffi::PyTuple_GET_SIZE(keywords) == 1
                && TUP_ID
                    .get()
                    .is_some_and(|name| ffi::PyTuple_GET_ITEM(keywords, 0) == name.as_ptr());
            if given == 1
                && (keywords.is_null() || only_id)
                && let (Some(desk), Some(index)) = (handle.desk(), handle.default)
            {
                let id = (only_id && *args.add(1) != ffi::Py_None()).then(|| *args.add(1));
                spout_send(py, slf, handle, desk, index, *args, id, &Extras::default())?;
                return Ok(none());
            }
        }
        let names = ["tup", "tup_id", "stream", "direct_task", "need_task_ids"];
        let [values, id, stream, direct, ids] = arguments(py, "emit", names, (args, given, keywords))?;
        let extras = extras(py, direct, ids)?;
        let index = stream_index(py, handle, stream)?;
        let values = required(values, "emit")?;
        let tasks = spout_any(py, slf, handle, index, values, id, &extras)?;
        result(py, tasks, &extras)
    })
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
        Some(desk) => spout_send(py, slf, handle, desk, index, values, id, extras),
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
fn spout_send(
    py: Python<'_>,
    slf: Raw,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    id: Option<Raw>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let values = to_tuple(py, handle, &handle.streams[index], values)?;
    let Some(id) = id else {
        return send(py, handle, desk, index, values, Untracked, extras);
    };
    let id = checked_id(py, handle, id)?;
    if !handle.acking {
        let tasks = send(py, handle, desk, index, values, Untracked, extras)?;
        object(py, slf).call_method1("ack", (id.bind(py),))?;
        return Ok(tasks);
    }
    if handle.to_replay.load(Ordering::Relaxed) != 0 {
        handle.note_replay(py, &id)?;
    }
    let token = if handle.keep_values {
        Token::Kept(Box::new(Kept {
            id,
            values: values.clone(),
            stream: index,
        }))
    } else {
        Token::Object(id)
    };
    // SAFETY: as in `send`.
    let root = unsafe { (*desk).open_tree(handle.slot, token) };
    let Some(root) = root else {
        return Err(emit_error(
            py,
            handle,
            &handle.streams[index],
            EmitError::TooManyTrees,
        ));
    };
    let mut made = 0;
    let sent = send(
        py,
        handle,
        desk,
        index,
        values,
        One {
            root,
            made: &mut made,
        },
        extras,
    );
    match sent {
        Ok(tasks) => {
            // SAFETY: as in `send`.
            unsafe { (*desk).seal(root, made) };
            Ok(tasks)
        }
        Err(error) => {
            // SAFETY: as in `send`; the token is dropped after the borrow.
            let token = unsafe { (*desk).cancel_tree(handle.slot, root) };
            drop(token);
            Err(error)
        }
    }
}

pub unsafe extern "C" fn spout_emit_many(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        let handle = running(py, slf)?;
        let [tuples, ids, stream] = arguments(
            py,
            "emit_many",
            ["tuples", "tup_ids", "stream"],
            (args, given, keywords),
        )?;
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

fn list<'py>(py: Python<'py>, items: Raw) -> PyResult<Vec<Bound<'py, PyAny>>> {
    object(py, items).try_iter()?.collect()
}

pub unsafe extern "C" fn wake(slf: Raw, _: Raw) -> Raw {
    guarded(|_| {
        if let Some(handle) = base::handle(slf).filter(|handle| handle.is_live()) {
            let order = Order::Wake(handle.executor);
            handle.shared.peers[handle.line].post(vec![Mail::Order(order)]);
        }
        Ok(none())
    })
}

pub unsafe extern "C" fn wake_on(slf: Raw, fd: Raw) -> Raw {
    guarded(|py| {
        let handle = running(py, slf)?;
        let fd = object(py, fd);
        let number = match fd.extract::<i32>() {
            Ok(number) => number,
            Err(_) => fd.call_method0("fileno")?.extract()?,
        };
        handle.post(Request::WakeOn(number));
        handle.shared.peers[handle.line].post(vec![Mail::Order(Order::Rings(handle.executor))]);
        Ok(none())
    })
}

// ---------------------------------------------------------------------- bolts

pub unsafe extern "C" fn bolt_emit(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        let handle = running(py, slf)?;
        if given == 1
            && keywords.is_null()
            && let (Some(desk), Some(index)) = (handle.desk(), handle.default)
        {
            // SAFETY: vectorcall's array has one argument.
            let values = unsafe { *args };
            anchored(py, handle, desk, index, values, &Extras::default())?;
            return Ok(none());
        }
        let names = ["tup", "stream", "anchors", "direct_task", "need_task_ids"];
        let [values, stream, anchors, direct, ids] = arguments(py, "emit", names, (args, given, keywords))?;
        let extras = extras(py, direct, ids)?;
        let index = stream_index(py, handle, stream)?;
        let values = required(values, "emit")?;
        let tasks = bolt_any(py, handle, index, values, anchors, &extras)?;
        result(py, tasks, &extras)
    })
}

pub unsafe extern "C" fn bolt_emit_many(slf: Raw, args: *const Raw, given: isize, keywords: Raw) -> Raw {
    guarded(|py| {
        let handle = running(py, slf)?;
        let [tuples, stream, anchors] = arguments(
            py,
            "emit_many",
            ["tuples", "stream", "anchors"],
            (args, given, keywords),
        )?;
        let index = stream_index(py, handle, stream)?;
        let tuples = required(tuples, "emit_many")?;
        let extras = Extras::default();
        // SAFETY: alive; the list is read by index, since an emit may change it.
        unsafe {
            if let (Some(desk), None, true) = (handle.desk(), anchors, ffi::PyList_CheckExact(tuples) != 0) {
                let mut number = 0;
                while number < ffi::PyList_GET_SIZE(tuples) {
                    let values = Ref::share(ffi::PyList_GET_ITEM(tuples, number));
                    anchored(py, handle, desk, index, values.as_ptr(), &extras)?;
                    number += 1;
                }
                return Ok(none());
            }
        }
        for values in list(py, tuples)? {
            bolt_any(py, handle, index, values.as_ptr(), anchors, &extras)?;
        }
        Ok(none())
    })
}

fn bolt_any(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    values: Raw,
    anchors: Option<Raw>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let Some(anchors) = anchors else {
        return match handle.desk() {
            Some(desk) => anchored(py, handle, desk, index, values, extras),
            None => foreign_emit(py, handle, index, values, &[], None, extras),
        };
    };
    let anchors = anchor_list(py, handle, anchors)?;
    let Some(desk) = handle.desk() else {
        return foreign_emit(py, handle, index, values, &anchors, None, extras);
    };
    let values = to_tuple(py, handle, &handle.streams[index], values)?;
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
    let values = to_tuple(py, handle, &handle.streams[index], values)?;
    let current = handle.current.load(Ordering::Relaxed);
    if current.is_null() {
        return unbound(py, handle, desk, index, values, extras);
    }
    // SAFETY: set only while the call that processes this tuple lasts. Its `made` is a field of its own: nothing else
    // refers to it, and `send` runs Python code only before it draws edges.
    unsafe {
        if (*current).state == State::Open {
            if let Some((root, _)) = (*current).lineage.single() {
                let mut made = 0;
                let sent = send(
                    py,
                    handle,
                    desk,
                    index,
                    values,
                    One {
                        root,
                        made: &mut made,
                    },
                    extras,
                );
                (*current).made ^= made;
                return sent;
            }
            if (*current).lineage.is_tracked() {
                let mut anchors = [((*current).lineage.clone(), 0)];
                let tasks = send(py, handle, desk, index, values, Anchors(&mut anchors), extras)?;
                (*current).made ^= anchors[0].1;
                return Ok(tasks);
            }
        } else if (*current).lineage.is_tracked() {
            return Err(settled_error(py, handle));
        }
    }
    send(py, handle, desk, index, values, Untracked, extras)
}

/// Emit outside of any tuple, or in a batch: then for the whole batch.
#[cold]
fn unbound(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Ref,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    if !handle.in_batch.load(Ordering::Relaxed) {
        return send(py, handle, desk, index, values, Untracked, extras);
    }
    if handle.relay_root.load(Ordering::Relaxed) == 0 {
        // SAFETY: as in `send`.
        let root = unsafe { (*desk).open_relay() };
        let root =
            root.ok_or_else(|| emit_error(py, handle, &handle.streams[index], EmitError::TooManyTrees))?;
        handle.relay_root.store(root.bits(), Ordering::Relaxed);
    }
    let root = Root::from_bits(handle.relay_root.load(Ordering::Relaxed));
    let mut made = 0;
    let sent = send(
        py,
        handle,
        desk,
        index,
        values,
        One {
            root,
            made: &mut made,
        },
        extras,
    );
    handle.relay_made.fetch_xor(made, Ordering::Relaxed);
    sent
}

fn settled_error(py: Python<'_>, handle: &Handle) -> PyErr {
    let message = format!(
        "'{}' emitted for a tuple that it has acked or failed before, so the new one could not be tracked\n\
         hint: emit first, then ack; or pass anchors=[]",
        handle.component
    );
    errors::new(py, "AlreadySettledError", message)
}

/// A Tuple, or the id of one that this task was given.
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
        None => Ok(None),
    }
}

fn anchor_list(py: Python<'_>, handle: &Handle, anchors: Raw) -> PyResult<Vec<Ref>> {
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
        let (state, own) = unsafe { ((*content).state, (*content).handle.get()) };
        match (state, own) {
            (State::Settled, _) => return Err(settled_error(py, handle)),
            (State::Open, Some(own)) if own.number == handle.number => found.push(tuple),
            (State::Open, _) => return Err(not_received(handle, &anchor)?),
            // Nothing to track: a tick, or a tuple made by hand.
            (State::Loose, _) => {}
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
    let Some(handle) = base::handle(slf) else {
        return running(py, slf).map(|_| none());
    };
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
        if (*content)
            .handle
            .get()
            .is_none_or(|own| own.number != handle.number)
        {
            return Err(not_received(handle, &object(py, tuple.as_ptr()))?);
        }
        let (lineage, made) = ((*content).lineage.clone(), (*content).made);
        if verdict != Verdict::Reset {
            TupleObject::settle(content);
        }
        match (handle.desk(), verdict) {
            (Some(desk), Verdict::Ack) => (*desk).ack(&lineage, made),
            (Some(desk), Verdict::Fail) => (*desk).fail(&lineage),
            (Some(desk), Verdict::Reset) => (*desk).reset_timeout(&lineage),
            (None, Verdict::Ack) => handle.post(Request::Ack(lineage, made)),
            (None, Verdict::Fail) => handle.post(Request::Fail(lineage)),
            (None, Verdict::Reset) => handle.post(Request::Reset(lineage)),
        }
    }
    Ok(none())
}

// ---------------------------------------------------------------------- from other threads

/// An emit that another thread handed in. Until it is carried out it is a tuple of its own: `lineage` has an edge for
/// it in each anchor's trees, so that none of them can end before.
pub struct Foreign {
    index: usize,
    values: Ref,
    lineage: Lineage,
    token: Option<Ref>,
    direct: Option<TaskId>,
    reply: Option<std::sync::mpsc::SyncSender<Vec<TaskId>>>,
}

fn foreign_emit(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    values: Raw,
    anchors: &[Ref],
    token: Option<Ref>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    let values = to_tuple(py, handle, stream, values)?;
    check_direct(py, handle, stream, extras.direct)?;
    for key in &stream.keys {
        // SAFETY: in range: the arity was checked.
        let value = unsafe { ffi::PyTuple_GET_ITEM(values.as_ptr(), *key as isize) };
        hash::check(value).map_err(|error| emit_error(py, handle, stream, EmitError::Key(error)))?;
    }
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let receiver = std::sync::Mutex::new(receiver);
    let reply = extras.task_ids.then_some(sender);
    wait_for_turn(py, handle)?;
    let lineage = foreign_lineage(py, handle, anchors)?;
    handle.foreign.fetch_add(1, Ordering::SeqCst);
    handle.post(Request::Emit(
        handle.slot,
        Foreign {
            index,
            values,
            lineage,
            token,
            direct: extras.direct,
            reply,
        },
    ));
    if !extras.task_ids {
        return Ok(Vec::new());
    }
    let calls = || handle.shared.figures[handle.number].calls.get();
    let (mut seen, mut since) = (calls(), Instant::now());
    loop {
        let answer = py.detach(|| receive(&receiver, Duration::from_millis(20)));
        match answer {
            Ok(tasks) => return Ok(tasks),
            Err(_) if !handle.is_live() => return running_again(py, handle),
            Err(_) if calls() != seen => (seen, since) = (calls(), Instant::now()),
            Err(_) if since.elapsed() > Duration::from_secs(1) => {
                let message = format!(
                    "'{}' emitted from another thread with need_task_ids while its own thread is busy in one call, \
                     perhaps waiting for this very thread\nhint: emit without need_task_ids",
                    handle.component
                );
                return Err(errors::new(py, "WouldDeadlockError", message));
            }
            Err(_) => {}
        }
    }
}

/// An edge from each anchor to the emit that is handed in now. Nothing after this may refuse the emit.
fn foreign_lineage(py: Python<'_>, handle: &Handle, anchors: &[Ref]) -> PyResult<Lineage> {
    let tuples = || anchors.iter().map(|anchor| anchor.as_ptr().cast::<TupleObject>());
    // SAFETY: Tuples, by `anchor_list`; the GIL guards their fields.
    if tuples().any(|tuple| unsafe { (*tuple).state } == State::Settled) {
        return Err(settled_error(py, handle));
    }
    let mut pairs = Vec::new();
    for tuple in tuples() {
        let edge = handle.foreign_edge();
        // SAFETY: as above.
        unsafe {
            (*tuple).made ^= edge;
            (*tuple).lineage.each(|root, _| pairs.push((root, edge)));
        }
    }
    Ok(Lineage::many(pairs))
}

/// Wait for an answer, without the GIL.
pub fn receive<T>(receiver: &Mutex<Receiver<T>>, timeout: Duration) -> Result<T, RecvTimeoutError> {
    receiver
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv_timeout(timeout)
}

fn running_again(py: Python<'_>, handle: &Handle) -> PyResult<Vec<TaskId>> {
    let message = format!(
        "'{}' was closed before its emit was carried out",
        handle.component
    );
    Err(errors::new(py, "NotRunningError", message))
}

/// Another thread waits while too many emits of its kind are waiting, but not for a thread that stays in one and the same
/// call: that might be waiting for us. Then emits are let through, up to the hard limit, until that call has ended.
fn wait_for_turn(py: Python<'_>, handle: &Handle) -> PyResult<()> {
    let calls = || handle.shared.figures[handle.number].calls.get();
    let (mut seen, mut since) = (calls(), Instant::now());
    while handle.foreign.load(Ordering::SeqCst) >= handle.high_water {
        if !handle.is_live() {
            return running_again(py, handle).map(drop);
        }
        let stays = handle.owner_is_calling() && calls() == seen;
        if stays && (handle.stays_in.load(Ordering::Relaxed) == seen || since.elapsed() > PATIENCE) {
            handle.stays_in.store(seen, Ordering::Relaxed);
            if handle.foreign.load(Ordering::SeqCst) >= handle.hard_limit {
                return Err(emit_error(py, handle, &handle.streams[0], EmitError::Full));
            }
            return Ok(());
        }
        py.detach(|| std::thread::sleep(Duration::from_micros(200)));
        if calls() != seen {
            (seen, since) = (calls(), Instant::now());
        }
    }
    Ok(())
}

/// So long a call is taken to make progress.
const PATIENCE: Duration = Duration::from_millis(20);

impl Foreign {
    /// Carry it out, on the owner's thread.
    pub fn perform(
        self,
        py: Python<'_>,
        handle: &Handle,
        desk: *mut Desk<Kit>,
        object_of: Raw,
    ) -> PyResult<()> {
        handle.foreign.fetch_sub(1, Ordering::SeqCst);
        let extras = Extras {
            direct: self.direct,
            task_ids: self.reply.is_some(),
        };
        let tasks = match self.token {
            Some(id) => {
                let values = self.values.as_ptr();
                spout_send(
                    py,
                    object_of,
                    handle,
                    desk,
                    self.index,
                    values,
                    Some(id.as_ptr()),
                    &extras,
                )?
            }
            None => {
                let mut anchors = [(self.lineage, 0)];
                let sent = send(
                    py,
                    handle,
                    desk,
                    self.index,
                    self.values,
                    Anchors(&mut anchors),
                    &extras,
                );
                let [(lineage, made)] = &anchors;
                // SAFETY: as in `send`.
                unsafe {
                    match &sent {
                        Ok(_) => (*desk).pass(lineage, *made),
                        Err(_) => (*desk).fail(lineage),
                    }
                }
                sent?
            }
        };
        if let Some(reply) = self.reply {
            let _ = reply.try_send(tasks);
        }
        Ok(())
    }
}
