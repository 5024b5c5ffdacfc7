//! Classes that the codec carries, of modules that may not be loaded: whoever has no such object does not pay for them.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

#[derive(Clone, Copy)]
pub enum Known {
    DateTime,
    Date,
    Time,
    TimeDelta,
    TimeZone,
    ZoneInfo,
    Decimal,
    Uuid,
    Array,
    Scalar,
}

/// Something of a module, fetched once.
pub struct Name {
    module: &'static str,
    name: &'static str,
    object: PyOnceLock<Py<PyAny>>,
}

impl Name {
    pub const fn new(module: &'static str, name: &'static str) -> Self {
        Name {
            module,
            name,
            object: PyOnceLock::new(),
        }
    }

    /// It, after loading the module if need be.
    pub fn import<'py>(&'static self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
        self.object
            .get_or_try_init(py, || {
                py.import(self.module)?.getattr(self.name).map(Bound::unbind)
            })
            .map(|object| object.bind(py))
    }

    /// It, unless nobody has loaded the module: then no object of it can exist.
    fn if_loaded(&'static self, py: Python<'_>) -> *mut ffi::PyObject {
        if let Some(object) = self.object.get(py) {
            return object.as_ptr();
        }
        let name = PyString::new(py, self.module);
        // SAFETY: GIL held. The answer is a strong reference, or null with or without an exception.
        let module = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyImport_GetModule(name.as_ptr())) };
        match module.map(|module| module.getattr(self.name)) {
            Some(Ok(object)) => self.object.get_or_init(py, || object.unbind()).as_ptr(),
            // It is being loaded right now.
            Some(Err(_)) => std::ptr::null_mut(),
            None => {
                // SAFETY: GIL held.
                unsafe { ffi::PyErr_Clear() };
                std::ptr::null_mut()
            }
        }
    }
}

pub static DATETIME: Name = Name::new("datetime", "datetime");
static DATE: Name = Name::new("datetime", "date");
static TIME: Name = Name::new("datetime", "time");
static TIMEDELTA: Name = Name::new("datetime", "timedelta");
static TIMEZONE: Name = Name::new("datetime", "timezone");
pub static ZONE_INFO: Name = Name::new("zoneinfo", "ZoneInfo");
pub static DECIMAL: Name = Name::new("decimal", "Decimal");
pub static UUID: Name = Name::new("uuid", "UUID");
static NDARRAY: Name = Name::new("numpy", "ndarray");
static GENERIC: Name = Name::new("numpy", "generic");

static CLASSES: [(&Name, Known); 9] = [
    (&DATETIME, Known::DateTime),
    (&UUID, Known::Uuid),
    (&DECIMAL, Known::Decimal),
    (&NDARRAY, Known::Array),
    (&DATE, Known::Date),
    (&TIME, Known::Time),
    (&TIMEDELTA, Known::TimeDelta),
    (&TIMEZONE, Known::TimeZone),
    (&ZONE_INFO, Known::ZoneInfo),
];

/// Which of those that were fetched before `class` is, if any: a few comparisons.
#[inline(never)]
pub fn find_fetched(py: Python<'_>, class: *mut ffi::PyTypeObject) -> Option<Known> {
    let is = |name: &Name| {
        name.object
            .get(py)
            .is_some_and(|object| object.as_ptr() == class.cast())
    };
    let found = CLASSES.iter().find(|(name, _)| is(name));
    found.map(|(_, known)| *known)
}

/// Which of all `class` is, if any. Asks for each module that was not loaded when it was asked for last: some 40 ns each.
#[inline(never)]
pub fn find(py: Python<'_>, class: *mut ffi::PyTypeObject) -> Option<Known> {
    let found = CLASSES
        .iter()
        .find(|(name, _)| name.if_loaded(py) == class.cast());
    if let Some((_, known)) = found {
        return Some(*known);
    }
    let generic = GENERIC.if_loaded(py);
    // SAFETY: two classes. numpy's scalar types are many, and few of them are numbers of their own module.
    let scalar = !generic.is_null() && unsafe { ffi::PyType_IsSubtype(class, generic.cast()) } != 0;
    scalar.then_some(Known::Scalar)
}

/// Does the codec carry objects of `class` in a way of its own?
pub fn is_carried(py: Python<'_>, class: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: only the addresses are taken.
    let builtin = unsafe {
        [
            &raw mut ffi::PyUnicode_Type,
            &raw mut ffi::PyLong_Type,
            &raw mut ffi::PyFloat_Type,
            &raw mut ffi::PyBool_Type,
            &raw mut ffi::PyBytes_Type,
            &raw mut ffi::PyTuple_Type,
            &raw mut ffi::PyList_Type,
            &raw mut ffi::PyDict_Type,
            &raw mut ffi::PySet_Type,
            &raw mut ffi::PyFrozenSet_Type,
            &raw mut ffi::PyComplex_Type,
            &raw mut ffi::PyByteArray_Type,
            &raw mut ffi::PyMemoryView_Type,
            ffi::Py_TYPE(ffi::Py_None()),
        ]
    };
    builtin.contains(&class) || find(py, class).is_some()
}
