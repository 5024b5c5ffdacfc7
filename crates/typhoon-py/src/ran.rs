//! Methods whose code has not run although they were called: they gave back a coroutine or a generator.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::python::{Raw, Ref};

/// What a call of `method` gave back; null, with an exception set, also if that says that nothing in it has run.
///
/// Typhoon refuses such methods before anything starts, where the class shows what they are; a decorator or an
/// assignment to the instance may hide it.
#[inline(always)]
pub fn ran(result: Raw, method: &str) -> Raw {
    // SAFETY: None is always there.
    if result == unsafe { ffi::Py_None() } || result.is_null() {
        return result;
    }
    look_at(result, method)
}

/// Raise if what `method` gave back says that nothing in it has run.
#[pyfunction]
pub fn must_have_run(py: Python<'_>, method: &str, result: Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: a strong reference that is given up, and taken over again.
    unsafe { Ref::steal(ran(result.into_ptr(), method)) }
        .map(drop)
        .ok_or_else(|| PyErr::fetch(py))
}

#[cold]
fn look_at(result: Raw, method: &str) -> Raw {
    // SAFETY: a live object, with the GIL held: it was just returned by a call.
    let (awaits, yields) = unsafe {
        (
            ffi::PyCoro_CheckExact(result) != 0 || ffi::PyAsyncGen_CheckExact(result) != 0,
            ffi::PyGen_CheckExact(result) != 0,
        )
    };
    if !awaits && !yields {
        return result;
    }
    // SAFETY: as above.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the reference that the call gave us.
    if let Some(unused) = unsafe { Ref::steal(result) } {
        // Or Python warns that it was never awaited; an asynchronous generator has no such method, and warns of nothing.
        if let Err(error) = unused.bind(py).call_method0("close") {
            drop(error);
        }
    }
    let (what, hint) = if awaits {
        (
            "async",
            "a bolt's class may define async def process, undecorated; elsewhere threaded = True, or asyncio.run",
        )
    } else {
        ("a generator", "emit with self.emit([...]) in place of yield")
    };
    let message = format!(
        "{method} is {what} (a decorator or an assignment hides it): its code has not run\nhint: {hint}"
    );
    PyTypeError::new_err(message).restore(py);
    std::ptr::null_mut()
}
