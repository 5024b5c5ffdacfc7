//! One task: the Python object, and the methods of it that are called.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::handle::{Handle, HandleRef};
use crate::python::{Raw, Ref};
use crate::tuple::TupleObject;

pub(super) struct Task {
    pub(super) handle: HandleRef,
    pub(super) object: Ref,
    /// `next_tuple` or `process`: the class's function, called with the object, or a bound method.
    pub(super) main: Method,
    pub(super) many: Option<Method>,
    pub(super) ticked: Option<Method>,
    pub(super) ack: Option<Method>,
    pub(super) fail: Option<Method>,
    pub(super) auto_ack: bool,
    pub(super) auto_anchor: bool,
    pub(super) auto_fail: bool,
    /// Tuples that nobody kept, to be bound again.
    pub(super) spares: Vec<*mut TupleObject>,
    /// How often each pending name has failed, if that matters.
    pub(super) failures: Option<Ref>,
}

// SAFETY: everything in it is used with the GIL held, by one thread.
unsafe impl Send for Task {}
/// A method to be called by vectorcall.
pub(super) struct Method {
    pub(super) function: Ref,
    pub(super) bound: bool,
}

impl Method {
    /// The class's plain function if the instance has no method of its own, else the bound method.
    ///
    /// Never looks at `__dict__`: asking for it would make one, and every later look-up on the instance slower.
    pub(super) fn of(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Self> {
        let bound = object.getattr(name)?;
        if let (Ok(function), Ok(owner)) = (bound.getattr("__func__"), bound.getattr("__self__")) {
            // SAFETY: alive.
            if owner.is(object) && unsafe { ffi::PyFunction_Check(function.as_ptr()) } != 0 {
                return Ok(Method {
                    function: function.into(),
                    bound: false,
                });
            }
        }
        Ok(Method {
            function: bound.into(),
            bound: true,
        })
    }

    /// Anything that is called with the argument alone.
    pub(super) fn plain(py: Python<'_>, function: Py<PyAny>) -> Self {
        Method {
            function: function.into_bound(py).into(),
            bound: true,
        }
    }

    /// As Python calls it, with its argument alone; `name` is that of this method of `object`.
    pub(super) fn callable<'py>(
        &self,
        object: &Bound<'py, PyAny>,
        name: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.bound {
            Ok(self.function.bind(object.py()))
        } else {
            object.getattr(name)
        }
    }

    /// Is it this very function?
    pub(super) fn is(&self, function: &Bound<'_, PyAny>) -> bool {
        self.function.as_ptr() == function.as_ptr()
    }

    /// Call with one argument, or none for null. A null result means that an exception is set.
    #[inline(always)]
    pub(super) unsafe fn call(&self, object: Raw, argument: Raw) -> Raw {
        let mut arguments = [ptr::null_mut(), object, argument];
        let first = if self.bound { 2 } else { 1 };
        let count = (if argument.is_null() { 2 } else { 3 }) - first;
        // SAFETY: the array has a spare place before the first argument, as the flag promises.
        unsafe {
            ffi::PyObject_Vectorcall(
                self.function.as_ptr(),
                arguments.as_mut_ptr().add(first),
                count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                ptr::null_mut(),
            )
        }
    }
}

impl Task {
    pub(super) fn new(
        py: Python<'_>,
        handle: &Py<Handle>,
        object: Bound<'_, PyAny>,
        spout: bool,
        counts: bool,
    ) -> PyResult<Self> {
        // What the class has: an instance that passes on what it does not know seems to have everything.
        let method = |name: &str| match object.get_type().hasattr(name)? {
            true => Method::of(&object, name).map(Some),
            false => Ok(None),
        };
        // The base class's own ack and fail do nothing: not worth a call per tuple.
        let base = py.import("typhoon.topology")?.getattr("Spout")?;
        let callback = |name: &str| {
            let inherited = base.getattr(name)?;
            Ok::<_, PyErr>(method(name)?.filter(|method| !method.is(&inherited)))
        };
        let flag = |name: &str| object.getattr(name).map_or(Ok(true), |value| value.is_truthy());
        let missing =
            || pyo3::exceptions::PyAttributeError::new_err(if spout { "next_tuple" } else { "process" });
        let many = if spout { None } else { method("process_many")? };
        Ok(Task {
            handle: HandleRef::of(handle.bind(py)),
            main: match (method(if spout { "next_tuple" } else { "process" })?, &many) {
                (Some(main), _) => main,
                (None, Some(_)) => Method::of(&object, "process_many")?,
                (None, None) => return Err(missing()),
            },
            many,
            ticked: if spout { None } else { method("process_tick")? },
            ack: if spout { callback("ack")? } else { None },
            fail: if spout { callback("fail")? } else { None },
            auto_ack: flag("auto_ack")?,
            auto_anchor: flag("auto_anchor")?,
            auto_fail: flag("auto_fail")?,
            spares: Vec::new(),
            failures: counts.then(|| PyDict::new(py).into_any().into()),
            object: object.into(),
        })
    }

    pub(super) fn watch(&mut self, watch: &Bound<'_, PyAny>, spout: bool) -> PyResult<()> {
        let object = self.object.bind(watch.py());
        let around = |name: &str, method: Option<&Method>| {
            let method = method.map(|method| method.callable(&object, name)).transpose()?;
            Ok::<_, PyErr>(Method {
                function: watch.call_method1("around", (name, method))?.into(),
                bound: true,
            })
        };
        if spout {
            self.ack = Some(around("ack", self.ack.as_ref())?);
            self.fail = Some(around("fail", self.fail.as_ref())?);
        } else if let Some(many) = &self.many {
            self.many = Some(around("process_many", Some(many))?);
        } else {
            self.main = around("process", Some(&self.main))?;
        }
        Ok(())
    }

    pub(super) fn handle(&self) -> &Handle {
        // SAFETY: the executor's `handles` keep it alive.
        unsafe { &*self.handle.handle }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        for tuple in self.spares.drain(..) {
            // SAFETY: ours; GIL held.
            unsafe { TupleObject::discard(tuple) }
        }
    }
}
