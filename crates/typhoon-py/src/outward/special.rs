//! Emits that are not the usual: on direct streams, by custom groupings, to receivers that want rows, watched, with task
//! ids wanted, or heard by nobody.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use typhoon_core::engine::{Anchor, Desk};
use typhoon_core::flow::TaskId;

use super::arguments::Extras;
use super::emit::{desk_again, wait_for_room};
use super::object;
use super::values::{check, emit_error, packed, to_payload, to_row};
use crate::component::Kit;
use crate::errors;
use crate::handle::{Handle, Stream};
use crate::payload::Payload;
use crate::python::Raw;

/// Emit on a stream that nobody subscribes to, or that is not [`Stream::plain`] for another reason.
#[inline(never)]
pub fn send_specially<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    desk: *mut Desk<Kit>,
    index: usize,
    values: Raw,
    anchor: A,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    check_direct(py, handle, stream, extras.direct)?;
    if handle.is_watched()
        && let Some(watch) = handle.watch()
    {
        return send_watched(py, handle, index, values, anchor, extras, &watch.bind(py));
    }
    if !stream.subscribed && extras.direct.is_none() {
        check(py, handle, stream, values)?;
        // SAFETY: as in `route`.
        unsafe {
            handle.sit(desk);
            (*desk).emit_to_nobody(handle.slot, index);
        }
        return Ok(Vec::new());
    }
    let payload = to_payload(py, handle, stream, values)?;
    spread(py, handle, index, payload, anchor, extras)
}

/// Send to whom groupings and `extras` name, in the shape that they want. Returns the tasks.
fn spread<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    mut payload: Payload,
    mut anchor: A,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    let custom = choose(py, handle, stream, &payload)?;
    if stream.rows {
        payload = to_row(py, handle, stream, payload)?;
    }
    // Python code may have run, so the desk may be another.
    let desk = desk_again(py, handle)?;
    // SAFETY: as in `route`.
    let abroad = unsafe {
        handle.sit(desk);
        (*desk).goes_abroad(handle.slot, index)
    };
    let (desk, packed) = match abroad {
        true => {
            let packed = packed(py, handle, stream, &payload)?;
            (desk_again(py, handle)?, Some(packed))
        }
        false => (desk, None),
    };
    // SAFETY: as above.
    let result = unsafe {
        handle.sit(desk);
        (*desk).emit_to(
            handle.slot,
            index,
            payload,
            packed,
            &mut anchor,
            extras.direct,
            &custom,
        )
    };
    if handle.threaded {
        wait_for_room(py, handle, desk);
    }
    result.map_err(|error| emit_error(py, handle, stream, error))
}

/// Emit where somebody watches: before it, the watch may give other values to send; after it, it is told.
#[allow(
    clippy::too_many_arguments,
    reason = "one caller, which passes on its own and the watch"
)]
fn send_watched<A: Anchor>(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    values: Raw,
    anchor: A,
    extras: &Extras,
    watch: &Bound<'_, PyAny>,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    let payload = to_payload(py, handle, stream, values)?;
    let values = payload.to_tuple().ok_or_else(|| PyErr::fetch(py))?;
    let values = watch.call_method1("emitting", (&stream.name, values.bind(py)))?;
    let values = values.cast_into::<PyTuple>()?;
    let roots: Vec<u64> = anchor.roots().iter().map(|root| root.bits()).collect();
    let tasks = if stream.subscribed || extras.direct.is_some() {
        let payload = Payload::python(values.as_any().clone().into());
        spread(py, handle, index, payload, anchor, extras)?
    } else {
        // Python code has run, so the desk may be another.
        let desk = desk_again(py, handle)?;
        // SAFETY: as in `route`.
        unsafe {
            handle.sit(desk);
            (*desk).emit_to_nobody(handle.slot, index);
        }
        Vec::new()
    };
    let name = extras.name.map(|name| object(py, name));
    watch.call_method1("emitted", (&stream.name, values, &tasks, roots, name))?;
    Ok(tasks)
}

pub fn check_direct(
    py: Python<'_>,
    handle: &Handle,
    stream: &Stream,
    direct: Option<TaskId>,
) -> PyResult<()> {
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
    payload: &Payload,
) -> PyResult<Vec<(usize, Vec<TaskId>)>> {
    let mut chosen = Vec::new();
    for (route, grouping, targets) in &stream.custom {
        let grouping = grouping.bind(py);
        let values = payload.to_tuple().ok_or_else(|| PyErr::fetch(py))?;
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
