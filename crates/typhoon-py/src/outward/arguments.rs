//! The arguments of the methods, read by hand: PyO3's own way costs more than the emit.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use typhoon_core::flow::TaskId;

use super::object;
use crate::errors;
use crate::handle::Handle;
use crate::python::{Raw, none};

/// The arguments of a call, by the names of its parameters.
pub fn arguments<const N: usize>(
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

pub fn required(argument: Option<Raw>, method: &str) -> PyResult<Raw> {
    argument.ok_or_else(|| PyTypeError::new_err(format!("{method}() needs a list or tuple of values")))
}

pub fn stream_index(py: Python<'_>, handle: &Handle, name: Option<Raw>) -> PyResult<usize> {
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

pub fn list<'py>(py: Python<'py>, items: Raw) -> PyResult<Vec<Bound<'py, PyAny>>> {
    object(py, items).try_iter()?.collect()
}

/// What may be said besides the values.
#[derive(Default, Clone, Copy)]
pub struct Extras {
    pub direct: Option<TaskId>,
    pub task_ids: bool,
    /// A spout's name for the tuple, for those who watch.
    pub name: Option<Raw>,
}

impl Extras {
    /// Is anything said that an emit must heed?
    #[inline(always)]
    pub fn any(&self) -> bool {
        self.task_ids || self.direct.is_some()
    }
}

pub fn extras(py: Python<'_>, direct: Option<Raw>, task_ids: Option<Raw>) -> PyResult<Extras> {
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
        name: None,
    })
}

pub fn result(py: Python<'_>, tasks: Vec<TaskId>, extras: &Extras) -> PyResult<Raw> {
    if extras.task_ids {
        Ok(PyList::new(py, tasks)?.into_any().into_ptr())
    } else {
        Ok(none())
    }
}
