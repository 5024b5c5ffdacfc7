//! The types of users: dataclasses and NamedTuples by their fields, others by two functions.
//!
//! In the bytes stands the name that the type was registered under; the table says which class that is here. Nothing is
//! imported by name: what arrives must have been registered in this process.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::decode::Decoder;
use super::encode::Encoder;
use super::format::{self, ext};
use super::refused::{Done, Fault, Got, Why};
use super::registry::{self, Entry, Fields, How};
use crate::python::{Raw, Ref};

/// The registered `encode` of an object.
///
/// # Safety
/// `value` is alive.
#[inline(never)]
unsafe fn call(py: Python<'_>, encode: &Py<PyAny>, value: Raw, name: &str) -> Result<Ref, Box<Why>> {
    // SAFETY: as required of the caller.
    let object = unsafe { Bound::from_borrowed_ptr(py, value) };
    encode.bind(py).call1((object,)).map(Ref::from).map_err(|error| {
        error.restore(py);
        Why::fetch(py, |error| Why::Function(name.to_owned(), error))
    })
}

/// # Safety
/// `value` is alive; GIL held.
#[inline(never)]
unsafe fn attribute(py: Python<'_>, value: Raw, field: &Py<PyString>, name: &str) -> Result<Ref, Box<Why>> {
    // SAFETY: as required of the caller.
    let field = unsafe { Ref::steal(ffi::PyObject_GetAttr(value, field.as_ptr())) };
    field.ok_or_else(|| Why::fetch(py, |error| Why::Function(name.to_owned(), error)))
}

impl Encoder<'_, '_> {
    /// # Safety
    /// `value` is of the entry's class, and alive; GIL held.
    #[inline(never)]
    pub unsafe fn registered(&mut self, value: Raw, entry: &Entry) -> Done {
        let start = format::begin_extension(self.out, ext::REGISTERED);
        format::text(self.out, entry.name.as_bytes())?;
        // SAFETY: as required of the caller; what is asked for is held while it is encoded. A NamedTuple holds its items.
        unsafe {
            match &entry.how {
                How::Fields(fields) => {
                    format::checksum(self.out, fields.checksum);
                    format::array(self.out, fields.names.len())?;
                    for name in &fields.names {
                        let field = attribute(self.py, value, name, &entry.name)?;
                        self.value(field.as_ptr())?;
                    }
                    self.extras(value, fields)?;
                }
                How::Named(fields) => {
                    format::checksum(self.out, fields.checksum);
                    let length = ffi::PyTuple_GET_SIZE(value);
                    format::array(self.out, length as usize)?;
                    for index in 0..length {
                        self.value(ffi::PyTuple_GET_ITEM(value, index))?;
                    }
                    self.extras(value, fields)?;
                }
                How::Functions { encode, .. } => {
                    let plain = call(self.py, encode, value, &entry.name)?;
                    self.value(plain.as_ptr())?;
                }
            }
        }
        Ok(format::end_extension(self.out, start)?)
    }

    /// Attributes that are no fields: a map, if there are any.
    #[inline(never)]
    unsafe fn extras(&mut self, value: Raw, fields: &Fields) -> Done {
        let Some(in_dict) = fields.in_dict else {
            return Ok(());
        };
        // SAFETY: alive, with a `__dict__`; GIL held. The copy is ours alone.
        unsafe {
            let dict = Ref::steal(ffi::PyObject_GenericGetDict(value, std::ptr::null_mut()))
                .ok_or_else(|| Why::fetch(self.py, Why::Raised))?;
            if ffi::PyDict_Size(dict.as_ptr()) as usize <= in_dict {
                return Ok(());
            }
            let copy = ffi::PyDict_Copy(dict.as_ptr());
            let copy = Ref::steal(copy).ok_or_else(|| Why::fetch(self.py, Why::Raised))?;
            for name in &fields.names {
                if ffi::PyDict_Contains(copy.as_ptr(), name.as_ptr()) == 1 {
                    ffi::PyDict_DelItem(copy.as_ptr(), name.as_ptr());
                }
            }
            self.value(copy.as_ptr())
        }
    }
}

impl Decoder<'_, '_> {
    #[inline(never)]
    pub fn registered(&mut self) -> Got<Ref> {
        let name = self.value()?;
        let name = name.bind(self.py);
        let text = name.cast::<PyString>();
        let Ok(name) = text.map_err(PyErr::from).and_then(|text| text.to_str()) else {
            return Err(self.corrupt("a registered type without a name"));
        };
        let Some(entry) = registry::of_name(name) else {
            return Err(Box::new(unknown(name)));
        };
        match &entry.how {
            How::Fields(fields) => {
                self.check(fields, name)?;
                self.fields(&entry, fields)
            }
            How::Named(fields) => {
                self.check(fields, name)?;
                self.named(&entry, fields)
            }
            How::Functions { decode, .. } => {
                let plain = self.value()?;
                let made = decode.bind(self.py).call1((plain.bind(self.py),));
                let made = made.map_err(|error| {
                    Fault::unable(self.py, &format!("the registered decode of {name}"), error)
                })?;
                if !made.is_instance(entry.class.bind(self.py)).unwrap_or(false) {
                    let message = format!("the registered decode of {name} returned something else");
                    let hint = Some("return an object of the class".to_owned());
                    return Err(Box::new(Fault::Unable(message, hint, None)));
                }
                Ok(made.into())
            }
        }
    }

    /// The fields of the sender are those of the class here.
    fn check(&mut self, fields: &Fields, name: &str) -> Got<()> {
        if self.byte()? != format::UINT32 {
            return Err(self.corrupt("a registered type without its checksum"));
        }
        if u32::from_be_bytes(self.array()?) == fields.checksum {
            return Ok(());
        }
        let message = format!("a {name} has other fields where it comes from than here");
        let hint = "run one version of the class in all workers, or register two functions that know both";
        Err(Box::new(Fault::Unable(message, Some(hint.to_owned()), None)))
    }

    #[inline(never)]
    fn fields(&mut self, entry: &Entry, fields: &Fields) -> Got<Ref> {
        if self.array_header()? != fields.names.len() {
            return Err(self.corrupt("a registered type with more or fewer values than fields"));
        }
        // SAFETY: the class was tried with `object.__new__` when it was registered; GIL held.
        let object = unsafe {
            let class = entry.class.as_ptr().cast();
            let new = ffi::PyBaseObject_Type.tp_new;
            let none = PyTuple::empty(self.py);
            let object = new.map(|new| new(class, none.as_ptr(), std::ptr::null_mut()));
            Ref::steal(object.unwrap_or(std::ptr::null_mut()))
                .ok_or_else(|| Fault::fetch(self.py, "object", self.at))?
        };
        for name in &fields.names {
            let value = self.value()?;
            self.assign(&object, name.as_ptr(), &value)?;
        }
        self.more(&object)?;
        Ok(object)
    }

    #[inline(never)]
    fn named(&mut self, entry: &Entry, fields: &Fields) -> Got<Ref> {
        let items = self.items_of_tuple()?;
        // SAFETY: a tuple; a class that derives from tuple; GIL held.
        let object = unsafe {
            if ffi::PyTuple_GET_SIZE(items.as_ptr()) as usize != fields.names.len() {
                return Err(self.corrupt("a registered type with more or fewer values than fields"));
            }
            let arguments = PyTuple::new(self.py, [items.bind(self.py)]);
            let arguments = arguments.map_err(|error| Box::new(Fault::Raised(error)))?;
            let class = entry.class.as_ptr().cast();
            let new = ffi::PyTuple_Type.tp_new;
            let object = new.map(|new| new(class, arguments.as_ptr(), std::ptr::null_mut()));
            Ref::steal(object.unwrap_or(std::ptr::null_mut()))
                .ok_or_else(|| Fault::fetch(self.py, "object", self.at))?
        };
        self.more(&object)?;
        Ok(object)
    }

    /// The map of attributes that are no fields, if one follows.
    fn more(&mut self, object: &Ref) -> Got<()> {
        if self.left() == 0 {
            return Ok(());
        }
        let extras = self.value()?;
        let Ok(extras) = extras.bind(self.py).cast::<PyDict>().cloned() else {
            return Err(self.corrupt("attributes that are no map"));
        };
        for (name, value) in extras {
            if !name.is_exact_instance_of::<PyString>() {
                return Err(self.corrupt("an attribute whose name is no str"));
            }
            self.assign(object, name.as_ptr(), &Ref::from(value))?;
        }
        Ok(())
    }

    /// As `object.__setattr__`, which no frozen class forbids.
    fn assign(&mut self, object: &Ref, name: Raw, value: &Ref) -> Got<()> {
        // SAFETY: all alive; GIL held.
        if unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name, value.as_ptr()) } != 0 {
            return Err(Fault::fetch(self.py, "attribute", self.at));
        }
        Ok(())
    }
}

#[cold]
fn unknown(name: &str) -> Fault {
    let (module, _) = name.split_once(':').unwrap_or(("…", ""));
    Fault::Unable(
        format!("a value is of the registered type {name}, which nothing in this process has registered"),
        Some(format!(
            "call typhoon.register_type where the class is defined, and import that module ({module}) in the component \
             that receives the value"
        )),
        None,
    )
}
