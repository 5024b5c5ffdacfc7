//! What a component asks of the engine: emit, ack, fail, reset_timeout, wake; from the thread that runs it, or from any
//! other, whose request is handed in and carried out on the owner's thread.

mod arguments;
mod coroutine;
mod emit;
mod foreign;
mod settle;
mod special;
mod values;
mod wake;

use pyo3::prelude::*;

use crate::base;
use crate::errors;
use crate::handle::Handle;
use crate::python::Raw;

pub use coroutine::add_to as add_current_tuple;
pub use emit::{bolt_emit, bolt_emit_many, init, spout_emit, spout_emit_many};
pub use foreign::{Foreign, Refused, receive, runs_a_line};
pub use settle::{ack, fail, finish, reset_timeout};
pub use wake::{wake, wake_on};

fn object<'py>(py: Python<'py>, raw: Raw) -> Bound<'py, PyAny> {
    // SAFETY: the caller passes a live object.
    unsafe { Bound::from_borrowed_ptr(py, raw) }
}

fn running<'py>(py: Python<'py>, slf: Raw) -> PyResult<Bound<'py, Handle>> {
    base::hold(py, slf).filter(|handle| handle.get().is_live()).ok_or_else(|| {
        let class = object(py, slf).get_type();
        let message = format!(
            "{class} is not running, so it cannot emit\nhint: emit from a method that a running topology calls"
        );
        errors::new(py, "NotRunningError", message)
    })
}
