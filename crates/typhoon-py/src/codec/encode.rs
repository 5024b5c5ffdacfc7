//! Python objects to bytes: what MessagePack has, and the containers that it lacks.
//!
//! Types are compared by identity, so a subclass is never taken for what it derives from.

use pyo3::ffi;
use pyo3::prelude::*;

use super::format::{self, DEPTH, ext};
use super::known::{self, Known};
use super::refused::{Done, Refused, Why};
use super::registry;
use super::{Options, Values};
use crate::python::{Raw, Ref, utf8};

pub struct Encoder<'a, 'py> {
    pub py: Python<'py>,
    pub out: &'a mut Vec<u8>,
    pub options: Options,
    /// How many containers we are in.
    depth: u32,
    /// `out` may not be longer when a container begins, nor when a value has ended.
    end: usize,
}

/// As [`super::encode`].
///
/// # Safety
/// The objects stay alive; the GIL is held.
#[inline]
pub unsafe fn row(values: Values, out: &mut Vec<u8>, options: Options) -> Result<(), Refused> {
    let start = out.len();
    let mut encoder = Encoder {
        // SAFETY: as required of the caller.
        py: unsafe { Python::assume_attached() },
        end: start.saturating_add(options.limit),
        out,
        options,
        depth: 0,
    };
    // SAFETY: alive, GIL held; the tuple cannot change.
    unsafe {
        match values {
            Values::Lone(value) => {
                format::put(encoder.out, [0x91]);
                encoder.field(value, 0, start)
            }
            Values::Many(tuple) => {
                let length = ffi::PyTuple_GET_SIZE(tuple);
                if let Err(error) = format::array(encoder.out, length as usize) {
                    return Err(Refused::new(0, error.into()));
                }
                for index in 0..length {
                    encoder.field(ffi::PyTuple_GET_ITEM(tuple, index), index as usize, start)?;
                }
                Ok(())
            }
        }
    }
}

impl Encoder<'_, '_> {
    #[inline(always)]
    unsafe fn field(&mut self, value: Raw, position: usize, start: usize) -> Result<(), Refused> {
        let begun = self.out.len();
        // SAFETY: alive, GIL held.
        let done = unsafe { self.value(value) };
        match done.and_then(|()| self.fits()) {
            Ok(()) => Ok(()),
            // SAFETY: as above.
            Err(why) => unsafe { self.otherwise(value, why, position, start, begun) },
        }
    }

    /// A structure that is too deep or contains itself is pickled as a whole, since pickle knows how; the rest is refused.
    #[cold]
    unsafe fn otherwise(
        &mut self,
        value: Raw,
        why: Box<Why>,
        position: usize,
        start: usize,
        begun: usize,
    ) -> Result<(), Refused> {
        if matches!(*why, Why::Depth) && self.options.pickle {
            self.out.truncate(begun);
            self.depth = 0;
            // SAFETY: alive, GIL held.
            match unsafe { self.pickled(value) } {
                Err(other) if matches!(*other, Why::Raised(_)) => {
                    self.out.truncate(start);
                    return Err(Refused::new(position, other));
                }
                Err(_) => {}
                Ok(()) if self.fits().is_ok() => return Ok(()),
                Ok(()) => {}
            }
        }
        self.out.truncate(start);
        Err(Refused::new(position, why))
    }

    #[inline(always)]
    fn fits(&self) -> Done {
        match self.out.len() <= self.end {
            true => Ok(()),
            false => Err(Box::new(Why::Size)),
        }
    }

    /// Any value.
    ///
    /// # Safety
    /// `value` is alive and stays so while no Python code runs; the GIL is held. So for all below.
    #[inline(always)]
    pub unsafe fn value(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller; the types are those of the casts.
        unsafe {
            let class = ffi::Py_TYPE(value);
            if class == &raw mut ffi::PyUnicode_Type {
                self.text(value)
            } else if class == &raw mut ffi::PyLong_Type {
                self.integer(value)
            } else if class == &raw mut ffi::PyFloat_Type {
                format::float(self.out, ffi::PyFloat_AS_DOUBLE(value));
                Ok(())
            } else if value == ffi::Py_None() {
                format::put(self.out, [format::NIL]);
                Ok(())
            } else if class == &raw mut ffi::PyBool_Type {
                let marker = if value == ffi::Py_True() {
                    format::TRUE
                } else {
                    format::FALSE
                };
                format::put(self.out, [marker]);
                Ok(())
            } else if class == &raw mut ffi::PyBytes_Type {
                let length = ffi::Py_SIZE(value) as usize;
                let bytes = std::slice::from_raw_parts(ffi::PyBytes_AS_STRING(value).cast(), length);
                Ok(format::binary(self.out, bytes)?)
            } else {
                self.nested(value)
            }
        }
    }

    #[inline(always)]
    unsafe fn text(&mut self, value: Raw) -> Done {
        // SAFETY: a str.
        let Some(text) = (unsafe { utf8(value) }) else {
            // SAFETY: the same str.
            return unsafe { self.surrogates(value) };
        };
        Ok(format::text(self.out, text)?)
    }

    #[inline(always)]
    unsafe fn integer(&mut self, value: Raw) -> Done {
        let mut overflow = 0;
        // SAFETY: an int, so nothing can be raised.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value, &raw mut overflow) };
        if overflow != 0 {
            // SAFETY: an int.
            return unsafe { self.big(value) };
        }
        format::integer(self.out, number);
        Ok(())
    }

    /// Everything that is not plain: counted by its depth, bounded in size, and held, since Python code may run now.
    #[inline(never)]
    unsafe fn nested(&mut self, value: Raw) -> Done {
        if self.depth >= DEPTH {
            return Err(Box::new(Why::Depth));
        }
        self.fits()?;
        self.depth += 1;
        // SAFETY: alive, GIL held.
        let done = unsafe {
            let held = Ref::share(value);
            self.container(held.as_ptr())
        };
        self.depth -= 1;
        done
    }

    unsafe fn container(&mut self, value: Raw) -> Done {
        // SAFETY: alive; each goes to what its type says.
        unsafe {
            let class = ffi::Py_TYPE(value);
            if class == &raw mut ffi::PyTuple_Type {
                self.tuple(value)
            } else if class == &raw mut ffi::PyList_Type {
                self.list(value)
            } else if class == &raw mut ffi::PyDict_Type {
                self.dict(value)
            } else if class == &raw mut ffi::PySet_Type {
                self.set(value, ext::SET)
            } else if class == &raw mut ffi::PyFrozenSet_Type {
                self.set(value, ext::FROZENSET)
            } else if class == &raw mut ffi::PyComplex_Type {
                self.complex(value);
                Ok(())
            } else if class == &raw mut ffi::PyByteArray_Type {
                self.bytearray(value)
            } else if class == &raw mut ffi::PyMemoryView_Type {
                self.memoryview(value)
            } else {
                self.other(value, class)
            }
        }
    }

    #[inline(never)]
    unsafe fn other(&mut self, value: Raw, class: *mut ffi::PyTypeObject) -> Done {
        let mut known = known::find_fetched(self.py, class);
        if known.is_none() {
            if let Some(entry) = registry::of_class(class) {
                // SAFETY: `value` is of the class that was registered.
                return unsafe { self.registered(value, &entry) };
            }
            known = known::find(self.py, class);
        }
        // SAFETY: `value` is of the class that says which it is.
        unsafe {
            match known {
                Some(Known::DateTime) => self.datetime(value),
                Some(Known::Date) => self.date(value),
                Some(Known::Time) => self.time(value),
                Some(Known::TimeDelta) => self.timedelta(value),
                Some(Known::TimeZone) => self.timezone(value),
                Some(Known::ZoneInfo) => self.zone_info(value),
                Some(Known::Decimal) => self.decimal(value),
                Some(Known::Uuid) => self.uuid(value),
                Some(Known::Array) => self.ndarray(value),
                Some(Known::Scalar) => self.numpy_scalar(value),
                None => self.pickled(value),
            }
        }
    }

    unsafe fn tuple(&mut self, tuple: Raw) -> Done {
        // SAFETY: a tuple; it cannot change, and holds its items.
        unsafe {
            let length = ffi::PyTuple_GET_SIZE(tuple);
            let start = format::begin_extension(self.out, ext::TUPLE);
            format::array(self.out, length as usize)?;
            for index in 0..length {
                self.value(ffi::PyTuple_GET_ITEM(tuple, index))?;
            }
            Ok(format::end_extension(self.out, start)?)
        }
    }

    unsafe fn list(&mut self, list: Raw) -> Done {
        // SAFETY: a list; an item is asked for only where there is one, and a value that may run Python code is held.
        unsafe {
            let length = ffi::Py_SIZE(list);
            format::array(self.out, length as usize)?;
            for index in 0..length {
                if ffi::Py_SIZE(list) != length {
                    return Err(Box::new(Why::Changed("list")));
                }
                self.value(ffi::PyList_GET_ITEM(list, index))?;
            }
            Ok(())
        }
    }

    unsafe fn dict(&mut self, dict: Raw) -> Done {
        // SAFETY: a dict; PyDict_Next checks the position, whatever became of the dict in between. The value is held
        // while the key is encoded, which may run Python code; both are held by `nested` where they run some.
        unsafe {
            let length = ffi::PyDict_Size(dict);
            format::map(self.out, length as usize)?;
            let (mut position, mut seen) = (0, 0);
            let (mut key, mut value) = (std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(dict, &raw mut position, &raw mut key, &raw mut value) != 0 {
                if ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type {
                    self.text(key)?;
                    self.value(value)?;
                } else {
                    let held = Ref::share(value);
                    self.value(key)?;
                    self.value(held.as_ptr())?;
                }
                seen += 1;
                if ffi::PyDict_Size(dict) != length {
                    return Err(Box::new(Why::Changed("dict")));
                }
            }
            if seen != length {
                return Err(Box::new(Why::Changed("dict")));
            }
            Ok(())
        }
    }

    #[inline(never)]
    unsafe fn set(&mut self, set: Raw, code: u8) -> Done {
        let start = format::begin_extension(self.out, code);
        // SAFETY: a set; its iterator notices when it changes, and gives strong references.
        unsafe {
            let length = ffi::PySet_Size(set);
            format::array(self.out, length as usize)?;
            let items = Ref::steal(ffi::PyObject_GetIter(set))
                .ok_or_else(|| Why::fetch(self.py, |_| Why::Changed("set")))?;
            let mut seen = 0;
            while let Some(item) = Ref::steal(ffi::PyIter_Next(items.as_ptr())) {
                self.value(item.as_ptr())?;
                seen += 1;
            }
            if !ffi::PyErr_Occurred().is_null() {
                return Err(Why::fetch(self.py, |_| Why::Changed("set")));
            }
            if seen != length {
                return Err(Box::new(Why::Changed("set")));
            }
        }
        Ok(format::end_extension(self.out, start)?)
    }
}
