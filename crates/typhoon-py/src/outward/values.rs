//! From what a component emits to what travels, and what there is to say when that cannot be.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use typhoon_core::engine::EmitError;

use super::object;
use crate::codec;
use crate::errors;
use crate::handle::{Handle, Stream};
use crate::hash;
use crate::payload::Payload;
use crate::python::{Raw, Ref};

/// The values of one emit, if they fit the stream's fields.
#[inline(always)]
pub fn to_payload(py: Python<'_>, handle: &Handle, stream: &Stream, values: Raw) -> PyResult<Payload> {
    // SAFETY: alive, GIL held; results are checked.
    unsafe {
        let Some(given) = count(values) else {
            return slowly(py, handle, stream, values);
        };
        if given != stream.fields.len() {
            return Err(wrong_arity(py, handle, stream, given));
        }
        let list = ffi::PyList_CheckExact(values) != 0;
        if given == 1 {
            let value = if list {
                ffi::PyList_GET_ITEM(values, 0)
            } else {
                ffi::PyTuple_GET_ITEM(values, 0)
            };
            return Ok(Payload::lone(Ref::share(value)));
        }
        if !list {
            return Ok(Payload::python(Ref::share(values)));
        }
        let made = Ref::steal(ffi::PyList_AsTuple(values));
        made.map(Payload::python).ok_or_else(|| PyErr::fetch(py))
    }
}

/// How many values a plain list or tuple has.
#[inline(always)]
unsafe fn count(values: Raw) -> Option<usize> {
    // SAFETY: alive, GIL held.
    unsafe {
        if ffi::PyList_CheckExact(values) != 0 {
            Some(ffi::PyList_GET_SIZE(values) as usize)
        } else if ffi::PyTuple_CheckExact(values) != 0 {
            Some(ffi::PyTuple_GET_SIZE(values) as usize)
        } else {
            None
        }
    }
}

/// Would these values do? Builds nothing from a plain list or tuple.
#[inline(always)]
pub fn check(py: Python<'_>, handle: &Handle, stream: &Stream, values: Raw) -> PyResult<()> {
    // SAFETY: alive, GIL held.
    match unsafe { count(values) } {
        Some(given) if given == stream.fields.len() => Ok(()),
        _ => to_payload(py, handle, stream, values).map(drop),
    }
}

/// For a receiver on a thread without the GIL.
pub fn to_row(py: Python<'_>, handle: &Handle, stream: &Stream, payload: Payload) -> PyResult<Payload> {
    payload.into_row().map_err(|(position, name)| {
        let message = format!(
            "'{}': field '{}' of stream '{}' holds a {name}, which a component without Python cannot read\n\
             hint: emit str, bytes, int (64 bits), float, bool or None",
            handle.component, stream.fields[position], stream.name
        );
        errors::new(py, "EmitError", message)
    })
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
fn slowly(py: Python<'_>, handle: &Handle, stream: &Stream, values: Raw) -> PyResult<Payload> {
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
    Ok(Payload::python(made.into_any().into()))
}

/// The form of a payload for other workers.
pub fn packed(py: Python<'_>, handle: &Handle, stream: &Stream, payload: &Payload) -> PyResult<Payload> {
    let options = codec::Options {
        pickle: handle.pickle,
        ..codec::Options::default()
    };
    payload.to_bytes(options).map_err(|refused| {
        let field = stream.fields.get(refused.position).map_or("?", String::as_str);
        let holder = format!(
            "'{}', stream '{}', field '{field}'",
            handle.component, stream.name
        );
        refused.raise(py, &holder)
    })
}

#[cold]
pub fn emit_error(py: Python<'_>, handle: &Handle, stream: &Stream, error: EmitError<Payload>) -> PyErr {
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
        EmitError::Abroad(..) | EmitError::PerhapsAbroad(_) => errors::new(
            py,
            "TyphoonInternalError",
            format!("'{component}': a tuple for another worker was not packed"),
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
