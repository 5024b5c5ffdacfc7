//! What a Tuple shows of itself: its values by name and position, its names, its text, its pickle.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::{NUMBER, SERIAL, State, TupleObject};
use crate::python::{Raw, Ref, guarded, guarded_int};

pub(super) fn object<'py>(py: Python<'py>, raw: Raw) -> Bound<'py, PyAny> {
    // SAFETY: the caller passes a live object.
    unsafe { Bound::from_borrowed_ptr(py, raw) }
}

pub(super) fn this<'a>(raw: Raw) -> &'a TupleObject {
    // SAFETY: slots and methods of the type get its instances; the fields read are set once at binding.
    unsafe { &*raw.cast::<TupleObject>() }
}

pub(super) fn values<'py>(py: Python<'py>, raw: Raw) -> Bound<'py, PyTuple> {
    // SAFETY: always a tuple.
    unsafe { object(py, this(raw).values).cast_into_unchecked() }
}

/// 0 component, 1 stream, 2 fields.
pub(super) fn schema<'py>(py: Python<'py>, raw: Raw, item: usize) -> Bound<'py, PyAny> {
    // SAFETY: schemas are tuples of three.
    object(py, unsafe {
        ffi::PyTuple_GET_ITEM(this(raw).schema, item as isize)
    })
}

pub(super) fn id(py: Python<'_>, raw: Raw) -> PyResult<Ref> {
    let tuple = this(raw);
    if !tuple.id.is_null() {
        return Ok(object(py, tuple.id).into());
    }
    let new = tuple.serial & NUMBER == 0;
    if new {
        // SAFETY: nothing else refers to the field now, under the GIL.
        unsafe { (*raw.cast::<TupleObject>()).serial |= SERIAL.fetch_add(1, Ordering::Relaxed) };
    }
    let task = tuple.handle.get().map_or(0, |handle| handle.task);
    let id = format!("{task}-{}", this(raw).serial & NUMBER);
    let text = PyString::new(py, &id).into_any().into();
    if let (true, Some(handle), State::Open) = (new, tuple.handle.get(), tuple.state) {
        let weak = py.import("weakref")?.getattr("ref")?.call1((object(py, raw),))?;
        handle.remember(id, weak.into());
    }
    Ok(text)
}

/// The position that a name or a number means.
pub(super) fn position(py: Python<'_>, raw: Raw, key: &Bound<'_, PyAny>) -> PyResult<usize> {
    let length = values(py, raw).len();
    if let Ok(index) = key.extract::<isize>() {
        let position = if index < 0 { index + length as isize } else { index };
        return usize::try_from(position)
            .ok()
            .filter(|position| *position < length)
            .ok_or_else(|| {
                PyIndexError::new_err(format!("the tuple has {length} values; there is none at {index}"))
            });
    }
    let fields = schema(py, raw, 2);
    for (position, field) in fields.try_iter()?.enumerate() {
        if field?.eq(key)? && position < length {
            return Ok(position);
        }
    }
    let names: Vec<String> = fields.extract().unwrap_or_default();
    let (component, stream) = (schema(py, raw, 0), schema(py, raw, 1));
    Err(PyKeyError::new_err(format!(
        "{} — {component} emits {names:?} on {stream}",
        key.repr()?
    )))
}

pub(super) unsafe extern "C" fn subscript(raw: Raw, key: Raw) -> Raw {
    // SAFETY: GIL held in slots; all pointers are alive.
    unsafe {
        let fields = ffi::PyTuple_GET_ITEM(this(raw).schema, 2);
        // Names are interned, so the same name is nearly always the same object.
        for index in 0..ffi::PyTuple_GET_SIZE(fields) {
            if ffi::PyTuple_GET_ITEM(fields, index) == key && index < ffi::PyTuple_GET_SIZE(this(raw).values)
            {
                let value = ffi::PyTuple_GET_ITEM(this(raw).values, index);
                ffi::Py_INCREF(value);
                return value;
            }
        }
        if ffi::PySlice_Check(key) != 0 {
            return ffi::PyObject_GetItem(this(raw).values, key);
        }
    }
    guarded(|py| {
        let position = position(py, raw, &object(py, key))?;
        Ok(values(py, raw).get_item(position)?.into_ptr())
    })
}

pub(super) unsafe extern "C" fn length(raw: Raw) -> ffi::Py_ssize_t {
    // SAFETY: always a tuple.
    unsafe { ffi::PyTuple_GET_SIZE(this(raw).values) }
}

pub(super) unsafe extern "C" fn contains(raw: Raw, item: Raw) -> i32 {
    guarded_int(|py| Ok(values(py, raw).contains(object(py, item))?.into()))
}

pub(super) unsafe extern "C" fn iter(raw: Raw) -> Raw {
    // SAFETY: always a tuple.
    unsafe { ffi::PyObject_GetIter(this(raw).values) }
}

pub(super) unsafe extern "C" fn repr(raw: Raw) -> Raw {
    guarded(|py| {
        let (component, stream, task) = (schema(py, raw, 0), schema(py, raw, 1), this(raw).source);
        let text = format!(
            "Tuple({}, stream={}, task={task})",
            values(py, raw).repr()?,
            stream.repr()?
        );
        Ok(PyString::new(py, &format!("{}<-{component}", text))
            .into_any()
            .into_ptr())
    })
}

pub(super) unsafe extern "C" fn get_id(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(id(py, raw)?.into_ptr()))
}

pub(super) unsafe extern "C" fn get_component(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(schema(py, raw, 0).into_ptr()))
}

pub(super) unsafe extern "C" fn get_stream(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(schema(py, raw, 1).into_ptr()))
}

pub(super) unsafe extern "C" fn get_fields(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(schema(py, raw, 2).into_ptr()))
}

pub(super) unsafe extern "C" fn get_task(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(this(raw).source.into_pyobject(py)?.into_any().into_ptr()))
}

pub(super) unsafe extern "C" fn to(raw: Raw, class: Raw) -> Raw {
    guarded(|py| {
        let class = object(py, class);
        if let Ok(make) = class.getattr("_make") {
            return Ok(make.call1((values(py, raw),))?.into_ptr());
        }
        let options = pyo3::types::PyDict::new(py);
        for (field, value) in schema(py, raw, 2).try_iter()?.zip(values(py, raw)) {
            options.set_item(field?, value)?;
        }
        Ok(class.call((), Some(&options))?.into_ptr())
    })
}

pub(super) unsafe extern "C" fn reduce(raw: Raw, _: Raw) -> Raw {
    guarded(|py| {
        let class = object(py, raw).get_type();
        let arguments = PyTuple::new(
            py,
            [
                id(py, raw)?.bind(py),
                schema(py, raw, 0),
                schema(py, raw, 1),
                this(raw).source.into_pyobject(py)?.into_any(),
                values(py, raw).into_any(),
                schema(py, raw, 2),
            ],
        )?;
        Ok((class, arguments).into_pyobject(py)?.into_any().into_ptr())
    })
}
