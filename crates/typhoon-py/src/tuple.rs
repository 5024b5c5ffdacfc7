//! `Tuple`: what `process` gets. A hand-made type, since one is bound for every call: `values` is a struct member, the
//! object is reused when nobody kept it (its tuple of values too, if that has one value), and the garbage collector
//! hears of either only when somebody did.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use pyo3::exceptions::{PyIndexError, PyKeyError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use typhoon_core::ack::Lineage;
use typhoon_core::engine::Clock;

use crate::handle::{Handle, HandleRef};
use crate::payload::{Payload, Taken};
use crate::python::{Raw, Ref, guarded, guarded_int};

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

fn object<'py>(py: Python<'py>, raw: Raw) -> Bound<'py, PyAny> {
    // SAFETY: the caller passes a live object.
    unsafe { Bound::from_borrowed_ptr(py, raw) }
}

fn this<'a>(raw: Raw) -> &'a TupleObject {
    // SAFETY: slots and methods of the type get its instances; the fields read are set once at binding.
    unsafe { &*raw.cast::<TupleObject>() }
}

fn values<'py>(py: Python<'py>, raw: Raw) -> Bound<'py, PyTuple> {
    // SAFETY: always a tuple.
    unsafe { object(py, this(raw).values).cast_into_unchecked() }
}

/// 0 component, 1 stream, 2 fields.
fn schema<'py>(py: Python<'py>, raw: Raw, item: usize) -> Bound<'py, PyAny> {
    // SAFETY: schemas are tuples of three.
    object(py, unsafe {
        ffi::PyTuple_GET_ITEM(this(raw).schema, item as isize)
    })
}

fn id(py: Python<'_>, raw: Raw) -> PyResult<Ref> {
    let tuple = this(raw);
    if !tuple.id.is_null() {
        return Ok(object(py, tuple.id).into());
    }
    let new = tuple.serial & NUMBER == 0;
    if new {
        // SAFETY: nothing else refers to the field now, under the GIL.
        unsafe { (*raw.cast::<TupleObject>()).serial |= SERIAL.fetch_add(1, Ordering::Relaxed) };
    }
    let task = tuple.handle.get().map_or(0, |handle| handle.task);
    let id = format!("{task}-{}", this(raw).serial & NUMBER);
    let text = PyString::new(py, &id).into_any().into();
    if let (true, Some(handle), State::Open) = (new, tuple.handle.get(), tuple.state) {
        let weak = py.import("weakref")?.getattr("ref")?.call1((object(py, raw),))?;
        handle.remember(id, weak.into());
    }
    Ok(text)
}

/// The position that a name or a number means.
fn position(py: Python<'_>, raw: Raw, key: &Bound<'_, PyAny>) -> PyResult<usize> {
    let length = values(py, raw).len();
    if let Ok(index) = key.extract::<isize>() {
        let position = if index < 0 { index + length as isize } else { index };
        return usize::try_from(position)
            .ok()
            .filter(|position| *position < length)
            .ok_or_else(|| {
                PyIndexError::new_err(format!("the tuple has {length} values; there is none at {index}"))
            });
    }
    let fields = schema(py, raw, 2);
    for (position, field) in fields.try_iter()?.enumerate() {
        if field?.eq(key)? && position < length {
            return Ok(position);
        }
    }
    let names: Vec<String> = fields.extract().unwrap_or_default();
    let (component, stream) = (schema(py, raw, 0), schema(py, raw, 1));
    Err(PyKeyError::new_err(format!(
        "{} — {component} emits {names:?} on {stream}",
        key.repr()?
    )))
}

unsafe extern "C" fn subscript(raw: Raw, key: Raw) -> Raw {
    // SAFETY: GIL held in slots; all pointers are alive.
    unsafe {
        let fields = ffi::PyTuple_GET_ITEM(this(raw).schema, 2);
        // Names are interned, so the same name is nearly always the same object.
        for index in 0..ffi::PyTuple_GET_SIZE(fields) {
            if ffi::PyTuple_GET_ITEM(fields, index) == key && index < ffi::PyTuple_GET_SIZE(this(raw).values)
            {
                let value = ffi::PyTuple_GET_ITEM(this(raw).values, index);
                ffi::Py_INCREF(value);
                return value;
            }
        }
        if ffi::PySlice_Check(key) != 0 {
            return ffi::PyObject_GetItem(this(raw).values, key);
        }
    }
    guarded(|py| {
        let position = position(py, raw, &object(py, key))?;
        Ok(values(py, raw).get_item(position)?.into_ptr())
    })
}

unsafe extern "C" fn length(raw: Raw) -> ffi::Py_ssize_t {
    // SAFETY: always a tuple.
    unsafe { ffi::PyTuple_GET_SIZE(this(raw).values) }
}

unsafe extern "C" fn contains(raw: Raw, item: Raw) -> i32 {
    guarded_int(|py| Ok(values(py, raw).contains(object(py, item))?.into()))
}

unsafe extern "C" fn iter(raw: Raw) -> Raw {
    // SAFETY: always a tuple.
    unsafe { ffi::PyObject_GetIter(this(raw).values) }
}

unsafe extern "C" fn repr(raw: Raw) -> Raw {
    guarded(|py| {
        let (component, stream, task) = (schema(py, raw, 0), schema(py, raw, 1), this(raw).source);
        let text = format!(
            "Tuple({}, stream={}, task={task})",
            values(py, raw).repr()?,
            stream.repr()?
        );
        Ok(PyString::new(py, &format!("{}<-{component}", text))
            .into_any()
            .into_ptr())
    })
}

unsafe extern "C" fn get_id(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(id(py, raw)?.into_ptr()))
}

unsafe extern "C" fn get_component(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(schema(py, raw, 0).into_ptr()))
}

unsafe extern "C" fn get_stream(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(schema(py, raw, 1).into_ptr()))
}

unsafe extern "C" fn get_fields(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(schema(py, raw, 2).into_ptr()))
}

unsafe extern "C" fn get_task(raw: Raw, _: *mut c_void) -> Raw {
    guarded(|py| Ok(this(raw).source.into_pyobject(py)?.into_any().into_ptr()))
}

unsafe extern "C" fn to(raw: Raw, class: Raw) -> Raw {
    guarded(|py| {
        let class = object(py, class);
        if let Ok(make) = class.getattr("_make") {
            return Ok(make.call1((values(py, raw),))?.into_ptr());
        }
        let options = pyo3::types::PyDict::new(py);
        for (field, value) in schema(py, raw, 2).try_iter()?.zip(values(py, raw)) {
            options.set_item(field?, value)?;
        }
        Ok(class.call((), Some(&options))?.into_ptr())
    })
}

unsafe extern "C" fn reduce(raw: Raw, _: Raw) -> Raw {
    guarded(|py| {
        let class = object(py, raw).get_type();
        let arguments = PyTuple::new(
            py,
            [
                id(py, raw)?.bind(py),
                schema(py, raw, 0),
                schema(py, raw, 1),
                this(raw).source.into_pyobject(py)?.into_any(),
                values(py, raw).into_any(),
                schema(py, raw, 2),
            ],
        )?;
        Ok((class, arguments).into_pyobject(py)?.into_any().into_ptr())
    })
}

const SIGNATURE: [&str; 6] = ["id", "component", "stream", "task", "values", "fields"];

unsafe extern "C" fn new(class: *mut ffi::PyTypeObject, args: Raw, kwargs: Raw) -> Raw {
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

fn sequence<'py>(
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

fn build(
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

Immutable. `tup[\"word\"]` and `tup[0]` read a value; `values` is a plain tuple. It may be kept, pickled, copied and
weakly referenced, and read after its topology has ended.";

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
