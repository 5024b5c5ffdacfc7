//! `Tuple`: what `process` gets. A hand-made type, since one is bound for every call: `values` is a struct member, the
//! object is reused when nobody kept it (its tuple of values too, if that has one value), and the garbage collector
//! hears of either only when somebody did.

mod kind;
mod make;
mod read;

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use typhoon_core::ack::Lineage;
use typhoon_core::engine::Clock;

use crate::handle::{Handle, HandleRef};
use crate::payload::{Payload, Taken};
use crate::python::Raw;
use read::object;

pub use kind::add_to;

/// Whether a delivered tuple waits to be settled.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Made by hand, unpickled, or a tick: nothing to settle.
    Loose,
    Open,
    Settled,
}

#[repr(C)]
pub struct TupleObject {
    base: ffi::PyObject,
    /// A plain Python tuple; null only while unbound.
    pub values: Raw,
    /// (component, stream, fields); never null.
    pub schema: Raw,
    /// The task that it was delivered to.
    pub handle: HandleRef,
    pub lineage: Lineage,
    /// XOR of the edges of what was emitted for it.
    pub made: u64,
    /// Number of its id, once somebody asked for it; above that the marks, so that a tuple with neither is told by one
    /// look.
    serial: u64,
    /// When it was taken, if it is timed.
    taken: u64,
    /// An id that came from outside (the constructor, a pickle), or null.
    id: Raw,
    weakrefs: Raw,
    pub source: u32,
    pub state: State,
    tracked: bool,
    /// `values` is a tuple of one that this object made for itself: unknown to the collector, and hollow while unbound.
    own: bool,
}

/// Marks in `serial`: its way to the ack is timed; somebody wants to know when it is settled.
const TIMED: u64 = 1 << 63;
const WATCHED: u64 = 1 << 62;
const NUMBER: u64 = WATCHED - 1;

static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());
static SERIAL: AtomicU64 = AtomicU64::new(1);
/// From CPython 3.14 on a tuple remembers its hash, so none may be filled again.
static HASH_KEPT: AtomicBool = AtomicBool::new(false);

/// Is it a Tuple?
pub fn check(object: Raw) -> bool {
    // SAFETY: alive, GIL held; the type exists since the module does.
    unsafe { ffi::PyObject_TypeCheck(object, TYPE.load(Ordering::Relaxed)) != 0 }
}

impl TupleObject {
    /// A tuple without content, unknown to the garbage collector. Null when out of memory.
    ///
    /// # Safety
    /// GIL held. The caller sets `values` and `schema` before anyone else sees it.
    unsafe fn alloc(class: *mut ffi::PyTypeObject) -> *mut TupleObject {
        // SAFETY: the type has tp_alloc (PyType_GenericAlloc): zeroed memory, tracked.
        unsafe {
            let object = ffi::PyType_GenericAlloc(class, 0);
            if !object.is_null() {
                ffi::PyObject_GC_UnTrack(object.cast());
            }
            object.cast()
        }
    }

    /// A tuple to bind, for the task behind `handle`.
    ///
    /// # Safety
    /// GIL held; `handle` alive.
    pub unsafe fn fresh(handle: HandleRef) -> *mut TupleObject {
        // SAFETY: as above; zeroed memory is a valid TupleObject but for the null values and schema.
        unsafe {
            let this = Self::alloc(TYPE.load(Ordering::Relaxed));
            if !this.is_null() {
                ffi::Py_INCREF(handle.object);
                (*this).handle = handle;
                if handle.get().is_some_and(Handle::is_watched) {
                    (*this).serial = WATCHED;
                }
            }
            this
        }
    }

    /// Fill in what came with an envelope. False when Python is out of memory (an exception is set).
    ///
    /// # Safety
    /// GIL held; `this` is unbound; `schema` alive.
    #[inline(always)]
    pub unsafe fn bind(
        this: *mut TupleObject,
        payload: Payload,
        schema: Raw,
        source: u32,
        lineage: Lineage,
        state: State,
    ) -> bool {
        // SAFETY: as above. The schema of the same stream is usually there already.
        unsafe {
            match payload.take() {
                Some(Taken::Lone(value)) if (*this).own || Self::make_own(this) => {
                    ffi::PyTuple_SET_ITEM((*this).values, 0, value.into_ptr());
                }
                Some(Taken::Python(values)) => {
                    if (*this).own {
                        (*this).own = false;
                        ffi::Py_DECREF((*this).values);
                    }
                    (*this).values = values.into_ptr();
                }
                Some(Taken::Lone(_)) | None => return false,
            }
            if (*this).schema != schema {
                ffi::Py_INCREF(schema);
                let old = std::mem::replace(&mut (*this).schema, schema);
                ffi::Py_XDECREF(old);
            }
            (*this).lineage = lineage;
            (*this).source = source;
            (*this).made = 0;
            (*this).state = state;
        }
        true
    }

    /// A hollow tuple of one for `values`.
    #[cold]
    unsafe fn make_own(this: *mut TupleObject) -> bool {
        // SAFETY: GIL held; the caller fills it at once.
        unsafe {
            let values = ffi::PyTuple_New(1);
            if values.is_null() {
                return false;
            }
            ffi::PyObject_GC_UnTrack(values.cast());
            ((*this).values, (*this).own) = (values, true);
            true
        }
    }

    /// After the call: true if nobody kept it and it may be bound again; its values are let go then. Otherwise it
    /// belongs to those who kept it.
    ///
    /// # Safety
    /// GIL held; the caller owns one reference, and keeps it exactly if the result is true.
    #[inline(always)]
    pub unsafe fn unbind(this: *mut TupleObject) -> bool {
        // SAFETY: as above.
        unsafe {
            if ffi::Py_REFCNT(this.cast()) == 1 && (*this).weakrefs.is_null() {
                if (*this).serial != 0 {
                    Self::forget(this);
                }
                Self::let_go(this);
                return true;
            }
            Self::give_up_own(this);
            if !(*this).tracked {
                (*this).tracked = true;
                ffi::PyObject_GC_Track(this.cast());
            }
            ffi::Py_DECREF(this.cast());
            false
        }
    }

    /// Drop the values; a tuple of our own that nobody else has is only emptied.
    #[inline(always)]
    unsafe fn let_go(this: *mut TupleObject) {
        // SAFETY: bound, and only the caller has it. Dropping a value may run any code, none of which can reach `this`.
        unsafe {
            let values = (*this).values;
            if (*this).own && ffi::Py_REFCNT(values) == 1 && !HASH_KEPT.load(Ordering::Relaxed) {
                let value = ffi::PyTuple_GET_ITEM(values, 0);
                ffi::PyTuple_SET_ITEM(values, 0, ptr::null_mut());
                ffi::Py_DECREF(value);
            } else {
                Self::give_up_own(this);
                (*this).values = ptr::null_mut();
                ffi::Py_DECREF(values);
            }
        }
    }

    /// Somebody else may keep `values` from now on: an ordinary tuple, which the collector has to know.
    #[inline(always)]
    unsafe fn give_up_own(this: *mut TupleObject) {
        // SAFETY: bound; a tuple of our own is not tracked.
        unsafe {
            if (*this).own {
                (*this).own = false;
                ffi::PyObject_GC_Track((*this).values.cast());
            }
        }
    }

    /// Give up a reference to an unbound tuple.
    ///
    /// # Safety
    /// GIL held; the caller owns a reference.
    pub unsafe fn discard(this: *mut TupleObject) {
        // SAFETY: as above.
        unsafe { ffi::Py_DECREF(this.cast()) }
    }

    /// Its id need not be found any more, nor its time taken.
    unsafe fn forget(this: *mut TupleObject) {
        // SAFETY: alive, GIL held.
        unsafe {
            Self::forget_id(this);
            (*this).serial &= WATCHED;
        }
    }

    unsafe fn forget_id(this: *mut TupleObject) {
        // SAFETY: alive, GIL held.
        unsafe {
            let number = (*this).serial & NUMBER;
            if number != 0
                && let Some(handle) = (*this).handle.get()
            {
                handle.forget(&format!("{}-{number}", handle.task));
            }
        }
    }

    /// It was taken now, and the time until its ack is wanted.
    ///
    /// # Safety
    /// GIL held; bound.
    #[cold]
    pub unsafe fn time(this: *mut TupleObject) {
        // SAFETY: as above.
        unsafe {
            if let Some(handle) = (*this).handle.get() {
                (*this).taken = match handle.desk() {
                    Some(desk) => (*desk).looked(),
                    None => handle.clock.now(),
                };
                (*this).serial |= TIMED;
            }
        }
    }

    /// It has been acked or failed. If somebody watches, that may run any code.
    ///
    /// # Safety
    /// GIL held; alive.
    #[inline(always)]
    pub unsafe fn settle(this: *mut TupleObject, failed: bool) {
        // SAFETY: as above.
        unsafe {
            (*this).state = State::Settled;
            if (*this).serial != 0 {
                Self::settle_marked(this, failed);
            }
        }
    }

    /// Its id need not be found any more, its time is taken, and who watches is told.
    #[inline(never)]
    unsafe fn settle_marked(this: *mut TupleObject, failed: bool) {
        // SAFETY: as above.
        unsafe {
            let Some(handle) = (*this).handle.get() else {
                return;
            };
            Self::forget_id(this);
            if (*this).serial & TIMED != 0 {
                (*this).serial &= !TIMED;
                if !failed {
                    handle.time((*this).taken);
                }
            }
            if (*this).serial & WATCHED != 0
                && let Some(watch) = handle.watch()
            {
                let py = Python::assume_attached();
                let told = watch
                    .bind(py)
                    .call_method1("settled", (object(py, this.cast()), failed));
                if let Err(error) = told {
                    error.write_unraisable(py, None);
                }
            }
        }
    }
}
