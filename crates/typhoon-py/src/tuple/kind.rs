//! The type: its tables, and how the garbage collector and the end of an object are dealt with.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;

use super::make::new;
use super::read::{
    contains, get_component, get_fields, get_id, get_stream, get_task, iter, length, reduce, repr, subscript,
    this, to,
};
use super::{HASH_KEPT, TYPE, TupleObject};
use crate::python::Raw;

unsafe extern "C" fn traverse(raw: Raw, visit: ffi::visitproc, arg: *mut c_void) -> i32 {
    // SAFETY: called by the collector with a live instance; nothing is changed.
    unsafe {
        let tuple = this(raw);
        for object in [tuple.values, tuple.schema, tuple.id, ffi::Py_TYPE(raw).cast()] {
            if !object.is_null() {
                let result = visit(object, arg);
                if result != 0 {
                    return result;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn clear(raw: Raw) -> i32 {
    // SAFETY: called by the collector on garbage; the empty tuple keeps the object readable.
    unsafe {
        let old = std::mem::replace(&mut (*raw.cast::<TupleObject>()).values, ffi::PyTuple_New(0));
        ffi::Py_XDECREF(old);
    }
    0
}

unsafe extern "C" fn dealloc(raw: Raw) {
    // SAFETY: the last reference is gone: every field is let go once. A heap type's instance owns a reference to it.
    unsafe {
        let tuple = raw.cast::<TupleObject>();
        ffi::PyObject_GC_UnTrack(raw.cast());
        if !(*tuple).weakrefs.is_null() {
            ffi::PyObject_ClearWeakRefs(raw);
        }
        if (*tuple).serial != 0 {
            TupleObject::forget(tuple);
        }
        ffi::Py_XDECREF((*tuple).values);
        ffi::Py_XDECREF((*tuple).schema);
        ffi::Py_XDECREF((*tuple).handle.object);
        ffi::Py_XDECREF((*tuple).id);
        ptr::drop_in_place(&raw mut (*tuple).lineage);
        let class = ffi::Py_TYPE(raw);
        ffi::PyObject_GC_Del(raw.cast());
        ffi::Py_DECREF(class.cast());
    }
}

const DOC: &std::ffi::CStr = c"What a bolt gets, and what it acks, fails and anchors to.

Tuple(id=None, component=None, stream=\"default\", task=None, values=(), fields=None)

Immutable. `tup[\"word\"]` and `tup[0]` read a value; `values` is a plain tuple, and `len`, iteration and `in` go over
it: `\"to\" in tup` asks for a value, `\"word\" in tup.fields` for a field. It may be kept, pickled, copied and weakly
referenced, and read after its topology has ended.

Two Tuples are equal only if they are one and the same, since each is settled by itself; a copy is another one, which
nothing tracks. Compare their `values`.";

/// Make the type and put it into the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let version = module.py().version_info();
    HASH_KEPT.store((version.major, version.minor) >= (3, 14), Ordering::Relaxed);
    let member = |name: &'static std::ffi::CStr, kind, offset| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: kind,
        offset: offset as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    let getter =
        |name: &'static std::ffi::CStr, get: ffi::getter, doc: &'static std::ffi::CStr| ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(get),
            set: None,
            doc: doc.as_ptr(),
            closure: ptr::null_mut(),
        };
    let method =
        |name: &'static std::ffi::CStr, function: ffi::PyCFunction, flags, doc: &'static std::ffi::CStr| {
            ffi::PyMethodDef {
                ml_name: name.as_ptr(),
                ml_meth: ffi::PyMethodDefPointer {
                    PyCFunction: function,
                },
                ml_flags: flags,
                ml_doc: doc.as_ptr(),
            }
        };
    // Types keep pointers into these tables for ever.
    let members = Box::leak(Box::new([
        member(c"values", ffi::Py_T_OBJECT_EX, offset_of!(TupleObject, values)),
        member(
            c"__weaklistoffset__",
            ffi::Py_T_PYSSIZET,
            offset_of!(TupleObject, weakrefs),
        ),
        // SAFETY: a zeroed entry ends the table.
        unsafe { std::mem::zeroed() },
    ]));
    let getters = Box::leak(Box::new([
        getter(c"id", get_id, c"A str, unique among live tuples."),
        getter(c"component", get_component, c"The component that emitted it."),
        getter(c"stream", get_stream, c"The stream that it was emitted on."),
        getter(c"fields", get_fields, c"The names of its values."),
        getter(c"task", get_task, c"The task that emitted it; 0 if none did."),
        // SAFETY: as above.
        unsafe { std::mem::zeroed() },
    ]));
    let methods = Box::leak(Box::new([
        method(
            c"to",
            to,
            ffi::METH_O,
            c"to($self, type, /)\n--\n\nThe values as a NamedTuple or dataclass.",
        ),
        method(
            c"__reduce__",
            reduce,
            ffi::METH_NOARGS,
            c"Pickling carries the content, never the engine's part.",
        ),
        // SAFETY: as above.
        unsafe { std::mem::zeroed() },
    ]));
    let slot = |slot, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, DOC.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_iter, iter as *mut c_void),
        slot(ffi::Py_mp_subscript, subscript as *mut c_void),
        slot(ffi::Py_sq_length, length as *mut c_void),
        slot(ffi::Py_sq_contains, contains as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, getters.as_mut_ptr().cast()),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"typhoon._core.Tuple".as_ptr(),
        basicsize: size_of::<TupleObject>() as i32,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC) as u32,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the spec is complete and its tables live for ever; the result is checked.
    let class = unsafe {
        let class = ffi::PyType_FromSpec(&raw mut spec);
        Bound::from_owned_ptr_or_err(module.py(), class)?
    };
    TYPE.store(class.as_ptr().cast(), Ordering::Relaxed);
    module.add("Tuple", class)
}
