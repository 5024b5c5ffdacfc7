//! Which tuple a coroutine is for: a context variable, so that it follows the coroutine through every await, into the
//! tasks that it makes and the threads that it sends work to.

use std::ptr;
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::handle::Handle;
use crate::python::Ref;
use crate::tuple::{self, TupleObject};

static CURRENT: OnceLock<Ref> = OnceLock::new();

/// Make the variable, and put it into the module as `current_tuple`.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // SAFETY: GIL held; the result is checked.
    let made = unsafe {
        let variable = ffi::PyContextVar_New(c"typhoon.current_tuple".as_ptr(), ptr::null_mut());
        Bound::from_owned_ptr_or_err(module.py(), variable)?
    };
    let variable = CURRENT.get_or_init(|| made.into());
    module.add("current_tuple", variable.bind(module.py()))
}

/// The tuple that the running coroutine is for, if it was given to this task.
pub fn tuple(py: Python<'_>, handle: &Handle) -> PyResult<Option<Ref>> {
    let (Some(variable), true) = (CURRENT.get(), handle.aside.is_some()) else {
        return Ok(None);
    };
    let mut value = ptr::null_mut();
    // SAFETY: a context variable, and a place for the answer, which is a new reference or null.
    let found = unsafe {
        if ffi::PyContextVar_Get(variable.as_ptr(), ptr::null_mut(), &raw mut value) != 0 {
            return Err(PyErr::fetch(py));
        }
        Ref::steal(value)
    };
    let ours = |tuple: &Ref| {
        // SAFETY: alive; a Tuple by the check before.
        let own = unsafe { (*tuple.as_ptr().cast::<TupleObject>()).handle.get() };
        own.is_some_and(|own| ptr::eq(own, handle))
    };
    Ok(found.filter(|value| tuple::check(value.as_ptr()) && ours(value)))
}
