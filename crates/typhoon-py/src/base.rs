//! `SpoutBase` and `BoltBase`: hand-made types, since `emit` is called once per tuple. What is colder is written in
//! Python, in the classes that people derive from.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::handle::{Handle, HandleRef};
use crate::outward;
use crate::python::{Raw, guarded};

#[repr(C)]
pub struct BaseObject {
    base: ffi::PyObject,
    pub handle: HandleRef,
}

static BASES: [AtomicPtr<ffi::PyTypeObject>; 2] =
    [AtomicPtr::new(ptr::null_mut()), AtomicPtr::new(ptr::null_mut())];

/// Tie an instance to its task. False if it derives from neither base.
pub fn bind(instance: &Bound<'_, PyAny>, handle: &Bound<'_, Handle>) -> bool {
    let raw = instance.as_ptr();
    // SAFETY: the types exist since the module does; an instance of one has a BaseObject's layout.
    unsafe {
        if !BASES
            .iter()
            .any(|base| ffi::PyObject_TypeCheck(raw, base.load(Ordering::Relaxed)) != 0)
        {
            return false;
        }
        let new = HandleRef::of(handle);
        ffi::Py_INCREF(new.object);
        let old = std::mem::replace(&mut (*raw.cast::<BaseObject>()).handle, new);
        ffi::Py_XDECREF(old.object);
    }
    true
}

/// The task of an instance of a base.
#[inline(always)]
pub fn handle<'a>(raw: Raw) -> Option<&'a Handle> {
    // SAFETY: methods of the bases get their instances.
    unsafe { (*raw.cast::<BaseObject>()).handle.get() }
}

/// The same, held: for calls in which other threads may run, and tie the instance to another task.
pub fn hold<'py>(py: Python<'py>, raw: Raw) -> Option<Bound<'py, Handle>> {
    // SAFETY: as above; the object behind a handle is one.
    unsafe {
        let held = (*raw.cast::<BaseObject>()).handle.object;
        Some(Bound::from_borrowed_ptr_or_opt(py, held)?.cast_into_unchecked())
    }
}

unsafe extern "C" fn new(class: *mut ffi::PyTypeObject, args: Raw, kwargs: Raw) -> Raw {
    // SAFETY: tp_new gets a type and a tuple; object's own tp_new sets up inline values, so that method look-ups
    // specialise, and refuses abstract classes.
    unsafe {
        let address = |slot: Option<ffi::initproc>| slot.map(|function| function as usize);
        let plain = address((*class).tp_init) == address(ffi::PyBaseObject_Type.tp_init);
        if plain && (ffi::PyTuple_GET_SIZE(args) > 0 || (!kwargs.is_null() && ffi::PyDict_Size(kwargs) > 0)) {
            return guarded(|py| {
                let class = Bound::from_borrowed_ptr(py, class.cast());
                Err(PyTypeError::new_err(format!(
                    "{class} takes no arguments: it has no __init__"
                )))
            });
        }
        let empty = ffi::PyTuple_New(0);
        let object = match ffi::PyBaseObject_Type.tp_new {
            Some(new) => new(class, empty, ptr::null_mut()),
            None => ptr::null_mut(),
        };
        ffi::Py_DECREF(empty);
        if !object.is_null() {
            (*object.cast::<BaseObject>()).handle = HandleRef::NONE;
        }
        object
    }
}

unsafe extern "C" fn dealloc(raw: Raw) {
    // SAFETY: last call; a heap type's instance owns a reference to its type.
    unsafe {
        let class = ffi::Py_TYPE(raw);
        let handle = std::mem::replace(&mut (*raw.cast::<BaseObject>()).handle, HandleRef::NONE);
        ffi::Py_XDECREF(handle.object);
        if let Some(free) = (*class).tp_free {
            free(raw.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}

type Fast = unsafe extern "C" fn(Raw, *const Raw, ffi::Py_ssize_t, Raw) -> Raw;

fn fast(name: &'static CStr, function: Fast, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: function,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }
}

fn one(name: &'static CStr, function: ffi::PyCFunction, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunction: function,
        },
        ml_flags: ffi::METH_O,
        ml_doc: doc.as_ptr(),
    }
}

fn class(module: &Bound<'_, PyModule>, name: &'static CStr, methods: Vec<ffi::PyMethodDef>) -> PyResult<Raw> {
    let mut methods = methods;
    // SAFETY: a zeroed entry ends the table, which lives for ever.
    methods.push(unsafe { std::mem::zeroed() });
    let methods = methods.leak();
    let slot = |slot, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size_of::<BaseObject>() as i32,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as u32,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: complete; the result is checked.
    let class = unsafe {
        let class = ffi::PyType_FromSpec(&raw mut spec);
        Bound::from_owned_ptr_or_err(module.py(), class)?
    };
    let raw = class.as_ptr();
    module.add(class.getattr("__name__")?.extract::<String>()?.as_str(), class)?;
    Ok(raw)
}

const SPOUT_EMIT: &CStr = c"emit($self, tup, tup_id=None, stream=None, direct_task=None, need_task_ids=False)\n--\n
Send a list or tuple of values down-stream. With a tup_id (any hashable but None) the tuple is tracked: ack(tup_id) is
called when it is fully processed, fail(tup_id) when not. May be called from any thread.";
const BOLT_EMIT: &CStr = c"emit($self, tup, stream=None, anchors=None, direct_task=None, need_task_ids=False)\n--\n
Send a list or tuple of values down-stream. Inside process it is anchored to the tuple being processed unless anchors
(tuples, or their ids) says otherwise; [] is none. May be called from any thread.";
const SPOUT_MANY: &CStr = c"emit_many($self, tuples, tup_ids=None, stream=None)\n--\n
Emit each of an iterable of lists or tuples of values.";
const BOLT_MANY: &CStr = c"emit_many($self, tuples, stream=None, anchors=None)\n--\n
Emit each of an iterable of lists or tuples of values.";

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    outward::init(module.py());
    let spout = vec![
        fast(c"emit", outward::spout_emit, SPOUT_EMIT),
        fast(c"emit_many", outward::spout_emit_many, SPOUT_MANY),
        one(
            c"wake_on",
            outward::wake_on,
            c"wake_on($self, fd, /)\n--\n\nAsk for tuples when fd is readable; poll no more.",
        ),
        ffi::PyMethodDef {
            ml_flags: ffi::METH_NOARGS,
            ..one(
                c"wake",
                outward::wake,
                c"wake($self)\n--\n\nThere is data: ask now. From any thread.",
            )
        },
    ];
    let bolt = vec![
        fast(c"emit", outward::bolt_emit, BOLT_EMIT),
        fast(c"emit_many", outward::bolt_emit_many, BOLT_MANY),
        one(
            c"ack",
            outward::ack,
            c"ack($self, tup, /)\n--\n\nThe tuple (or the one with this id) is fully processed.",
        ),
        one(
            c"fail",
            outward::fail,
            c"fail($self, tup, /)\n--\n\nThe tuple could not be processed: replay it.",
        ),
        one(
            c"reset_timeout",
            outward::reset_timeout,
            c"reset_timeout($self, tup, /)\n--\n\nGive its trees a whole time-out again.",
        ),
    ];
    BASES[0].store(
        class(module, c"typhoon._core.SpoutBase", spout)?.cast(),
        Ordering::Relaxed,
    );
    BASES[1].store(
        class(module, c"typhoon._core.BoltBase", bolt)?.cast(),
        Ordering::Relaxed,
    );
    Ok(())
}
