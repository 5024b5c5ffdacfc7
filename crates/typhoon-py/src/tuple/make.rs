//! Tuples that users make themselves, and those that come out of a pickle.

use std::ptr;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::read::object;
use super::{State, TupleObject};
use crate::python::{Raw, guarded};

const SIGNATURE: [&str; 6] = ["id", "component", "stream", "task", "values", "fields"];

pub(super) unsafe extern "C" fn new(class: *mut ffi::PyTypeObject, args: Raw, kwargs: Raw) -> Raw {
    guarded(|py| {
        let mut given: [Option<Bound<'_, PyAny>>; 6] = Default::default();
        // SAFETY: tp_new gets a tuple, and a dict or null.
        let args: Bound<'_, PyTuple> = unsafe { object(py, args).cast_into_unchecked() };
        if args.len() > SIGNATURE.len() {
            return Err(PyTypeError::new_err(format!(
                "Tuple takes at most 6 arguments, got {}",
                args.len()
            )));
        }
        for (place, argument) in given.iter_mut().zip(&args) {
            *place = Some(argument);
        }
        if !kwargs.is_null() {
            // SAFETY: a dict.
            let kwargs: Bound<'_, pyo3::types::PyDict> = unsafe { object(py, kwargs).cast_into_unchecked() };
            for (name, argument) in kwargs {
                let name: String = name.extract()?;
                let index = SIGNATURE.iter().position(|known| *known == name);
                match index.map(|index| &mut given[index]) {
                    Some(place @ None) => *place = Some(argument),
                    Some(_) => return Err(PyTypeError::new_err(format!("Tuple got {name} twice"))),
                    None => return Err(PyTypeError::new_err(format!("Tuple has no argument {name}"))),
                }
            }
        }
        build(py, class, given)
    })
}

pub(super) fn sequence<'py>(
    py: Python<'py>,
    value: Option<Bound<'py, PyAny>>,
    name: &str,
) -> PyResult<Bound<'py, PyTuple>> {
    match value {
        None => Ok(PyTuple::empty(py)),
        Some(value) if value.is_instance_of::<PyString>() => Err(PyTypeError::new_err(format!(
            "Tuple: {name} is a list or tuple, got the str {value:?}"
        ))),
        Some(value) => PyTuple::new(py, value.try_iter()?.collect::<PyResult<Vec<_>>>()?),
    }
}

pub(super) fn build(
    py: Python<'_>,
    class: *mut ffi::PyTypeObject,
    given: [Option<Bound<'_, PyAny>>; 6],
) -> PyResult<Raw> {
    let [id, component, stream, task, values, fields] =
        given.map(|value| value.filter(|value| !value.is_none()));
    let text = |value: Option<Bound<'_, PyAny>>, name: &str, default: &str| match value {
        None => Ok(default.to_owned()),
        Some(value) => value
            .extract::<String>()
            .map_err(|_| PyTypeError::new_err(format!("Tuple: {name} is a str, got {}", value.get_type()))),
    };
    let (values, fields) = (sequence(py, values, "values")?, sequence(py, fields, "fields")?);
    if !fields.is_empty() && fields.len() != values.len() {
        let message = format!(
            "Tuple: {} values for the {} fields {fields}",
            values.len(),
            fields.len()
        );
        return Err(PyValueError::new_err(message));
    }
    let schema = (
        text(component, "component", "")?,
        text(stream, "stream", "default")?,
        fields,
    );
    let source = task.map_or(Ok(0), |task| task.extract::<u32>())?;
    let id = id
        .map(|id| id.cast_into::<PyString>())
        .transpose()
        .map_err(PyErr::from)?;
    let schema = schema.into_pyobject(py)?.into_any();
    // SAFETY: GIL held; every field of the fresh object is set below or zero.
    unsafe {
        let made = TupleObject::alloc(class);
        if made.is_null() {
            return Err(PyErr::fetch(py));
        }
        (*made).schema = schema.into_ptr();
        (*made).values = values.into_any().into_ptr();
        (*made).id = id.map_or(ptr::null_mut(), |id| id.into_any().into_ptr());
        (*made).source = source;
        (*made).state = State::Loose;
        (*made).tracked = true;
        ffi::PyObject_GC_Track(made.cast());
        Ok(made.cast())
    }
}
