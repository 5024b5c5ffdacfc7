//! Exceptions of `typhoon.errors`, by name.

use std::any::Any;

use pyo3::prelude::*;
use pyo3::types::PyType;

/// An exception of the class `name` of `typhoon.errors`.
pub fn new(py: Python<'_>, name: &str, message: String) -> PyErr {
    let class = py
        .import("typhoon.errors")
        .and_then(|module| module.getattr(name));
    match class.and_then(|class| Ok(class.cast_into::<PyType>()?)) {
        Ok(class) => PyErr::from_type(class, message),
        Err(error) => error,
    }
}

/// The same, with the next step.
pub fn hinted(py: Python<'_>, name: &str, message: String, hint: Option<&str>) -> PyErr {
    let error = new(py, name, message);
    if let Some(hint) = hint {
        // Every class of the tree has it; an exception without would still be the right one.
        let _ = error.value(py).setattr("hint", hint);
    }
    error
}

/// What a panic becomes.
pub fn panicked(py: Python<'_>, panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    new(py, "TyphoonInternalError", format!("the engine failed: {text}"))
}
