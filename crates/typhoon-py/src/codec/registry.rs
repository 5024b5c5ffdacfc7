//! Which types users registered, under which names, and how objects of them travel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

pub struct Entry {
    pub class: Py<PyType>,
    pub name: String,
    pub how: How,
}

pub enum How {
    /// By the attributes of these names, restored without a call of `__init__`, as copy and pickle do it.
    Fields(Fields),
    /// A tuple of these.
    Named(Fields),
    Functions {
        encode: Py<PyAny>,
        decode: Py<PyAny>,
    },
}

pub struct Fields {
    pub names: Vec<Py<PyString>>,
    /// Of the names in their order: the sender's class must be the same.
    pub checksum: u32,
    /// How many of the fields an object keeps in its `__dict__`, if it has one; what else is in there travels as well.
    pub in_dict: Option<usize>,
}

#[derive(Default)]
struct Table {
    by_class: HashMap<usize, Arc<Entry>>,
    by_name: HashMap<String, Arc<Entry>>,
}

/// Locked for a look-up only, and never while Python code runs.
fn table() -> MutexGuard<'static, Table> {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    TABLE
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[inline(never)]
pub fn of_class(class: *mut ffi::PyTypeObject) -> Option<Arc<Entry>> {
    table().by_class.get(&(class as usize)).cloned()
}

/// Register `class`. `fields` or both functions are given; typhoon.register_type sees to it.
pub fn register(
    class: &Bound<'_, PyType>,
    name: String,
    fields: Option<(Vec<String>, bool)>,
    functions: Option<(Py<PyAny>, Py<PyAny>)>,
) -> PyResult<()> {
    let py = class.py();
    let how = match (fields, functions) {
        (Some((names, in_dict)), _) => {
            let fields = Fields::new(class, &names, in_dict)?;
            if class.is_subclass_of::<PyTuple>()? {
                How::Named(fields)
            } else {
                // Refuses what derives from a built-in type, which must be made in that type's own way.
                py.get_type::<PyAny>().call_method1("__new__", (class,))?;
                How::Fields(fields)
            }
        }
        (None, Some((encode, decode))) => How::Functions { encode, decode },
        (None, None) => return Err(PyTypeError::new_err("neither fields nor functions")),
    };
    let entry = Arc::new(Entry {
        class: class.clone().unbind(),
        name: name.clone(),
        how,
    });
    let mut table = table();
    let old = table.by_class.insert(class.as_ptr() as usize, Arc::clone(&entry));
    let old_name = old
        .as_ref()
        .map(|old| old.name.clone())
        .filter(|old| *old != name);
    let gone = old_name.and_then(|name| table.by_name.remove(&name));
    let replaced = table.by_name.insert(name, entry);
    drop(table);
    drop((old, gone, replaced)); // may run Python code
    Ok(())
}

pub fn of_name(name: &str) -> Option<Arc<Entry>> {
    table().by_name.get(name).cloned()
}

impl Fields {
    fn new(class: &Bound<'_, PyType>, names: &[String], in_dict: bool) -> PyResult<Self> {
        let py = class.py();
        let slots = names
            .iter()
            .filter(|name| {
                class
                    .getattr(name.as_str())
                    .is_ok_and(|it| it.get_type().name().is_ok_and(|it| it == "member_descriptor"))
            })
            .count();
        let kept = if class.is_subclass_of::<PyTuple>()? {
            0
        } else {
            names.len() - slots
        };
        if names.iter().any(|name| name.contains('\0')) {
            return Err(PyValueError::new_err("a field's name has a zero in it"));
        }
        Ok(Fields {
            names: names
                .iter()
                .map(|name| PyString::intern(py, name).unbind())
                .collect(),
            checksum: checksum(names),
            in_dict: in_dict.then_some(kept),
        })
    }
}

/// FNV-1a of the names, each with a zero after it.
fn checksum(names: &[String]) -> u32 {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
