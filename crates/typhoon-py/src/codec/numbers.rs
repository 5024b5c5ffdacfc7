//! Numbers that MessagePack lacks (big int, complex, Decimal), UUIDs, and str with lone surrogates.

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use super::decode::Decoder;
use super::encode::Encoder;
use super::format::{self, ext};
use super::known::{self, Name};
use super::refused::{Done, Fault, Got, Why};
use crate::python::{Raw, Ref, utf8};

static SAFE_UUID: Name = Name::new("uuid", "SafeUUID");

impl Encoder<'_, '_> {
    /// An int beyond 64 bits: unsigned of MessagePack's if it is one, else two's complement, the highest byte first.
    ///
    /// # Safety
    /// An int, alive; GIL held.
    #[cold]
    #[inline(never)]
    pub unsafe fn big(&mut self, value: Raw) -> Done {
        let py = self.py;
        // SAFETY: as required of the caller.
        let value = unsafe { Bound::from_borrowed_ptr(py, value) };
        if let Ok(number) = value.extract::<u64>() {
            format::unsigned(self.out, number);
            return Ok(());
        }
        let bytes = || -> PyResult<Bound<'_, PyBytes>> {
            let bits = value
                .call_method0(intern!(py, "bit_length"))?
                .extract::<usize>()?;
            let arguments = (bits / 8 + 1, intern!(py, "big"));
            let bytes = value.call_method(intern!(py, "to_bytes"), arguments, Some(&signed(py)?))?;
            Ok(bytes.cast_into()?)
        };
        let bytes = bytes().map_err(|error| Box::new(Why::Raised(error)))?.unbind();
        let bytes = bytes.as_bytes(self.py).to_vec();
        format::extension(self.out, ext::BIG_INT, bytes.len())?;
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    /// # Safety
    /// A str, alive, with a UnicodeEncodeError set; GIL held.
    #[cold]
    #[inline(never)]
    pub unsafe fn surrogates(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller; the answer is a bytes object that we own.
        unsafe {
            let _held = Ref::share(value);
            let error = PyErr::fetch(self.py);
            if !error.is_instance_of::<pyo3::exceptions::PyUnicodeEncodeError>(self.py) {
                return Err(Box::new(Why::Raised(error)));
            }
            let encoded = ffi::PyUnicode_AsEncodedString(value, c"utf-8".as_ptr(), c"surrogatepass".as_ptr());
            let encoded = Ref::steal(encoded).ok_or_else(|| Why::fetch(self.py, Why::Raised))?;
            let length = ffi::PyBytes_Size(encoded.as_ptr()) as usize;
            let data = ffi::PyBytes_AsString(encoded.as_ptr()).cast();
            format::extension(self.out, ext::SURROGATES, length)?;
            self.out
                .extend_from_slice(std::slice::from_raw_parts(data, length));
        }
        Ok(())
    }

    /// # Safety
    /// A complex, alive; GIL held.
    #[inline(never)]
    pub unsafe fn complex(&mut self, value: Raw) {
        // SAFETY: as required of the caller.
        let parts = unsafe {
            [
                ffi::PyComplex_RealAsDouble(value),
                ffi::PyComplex_ImagAsDouble(value),
            ]
        };
        format::put(self.out, [format::EXT8, 16, ext::COMPLEX]);
        for part in parts {
            format::put(self.out, part.to_bits().to_be_bytes());
        }
    }

    /// # Safety
    /// A Decimal, alive; GIL held.
    #[inline(never)]
    pub unsafe fn decimal(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller; the text is ASCII and ours.
        unsafe {
            let text = ffi::PyObject_Str(value);
            let held = Ref::steal(text).ok_or_else(|| Why::fetch(self.py, Why::Raised))?;
            let text = utf8(held.as_ptr()).ok_or_else(|| Why::fetch(self.py, Why::Raised))?;
            format::extension(self.out, ext::DECIMAL, text.len())?;
            self.out.extend_from_slice(text);
        }
        Ok(())
    }

    /// # Safety
    /// A UUID, alive; GIL held.
    #[inline(never)]
    pub unsafe fn uuid(&mut self, value: Raw) -> Done {
        let py = self.py;
        // SAFETY: as required of the caller.
        let value = unsafe { Bound::from_borrowed_ptr(py, value) };
        let read = || -> PyResult<(u128, Option<i8>, bool)> {
            let number = value.getattr(intern!(py, "int"))?.extract()?;
            let safe = value.getattr(intern!(py, "is_safe"))?;
            let unknown = SAFE_UUID.import(py)?.getattr(intern!(py, "unknown"))?.is(&safe);
            let safe = safe.getattr(intern!(py, "value"))?.extract()?;
            Ok((number, safe, unknown))
        };
        let (number, safe, unknown) = read().map_err(|error| Box::new(Why::Raised(error)))?;
        let length = if unknown { 16 } else { 17 };
        format::put(self.out, [format::EXT8, length, ext::UUID]);
        format::put(self.out, number.to_be_bytes());
        if !unknown {
            format::put(self.out, [safe.unwrap_or(0) as u8]);
        }
        Ok(())
    }
}

impl Decoder<'_, '_> {
    #[inline(never)]
    pub fn big(&mut self) -> Got<Ref> {
        let (at, bytes) = (self.at, self.rest());
        let make = || -> PyResult<Bound<'_, PyAny>> {
            let int = self.py.get_type::<PyInt>();
            let arguments = (PyBytes::new(self.py, bytes), intern!(self.py, "big"));
            int.call_method(intern!(self.py, "from_bytes"), arguments, Some(&signed(self.py)?))
        };
        make()
            .map(Ref::from)
            .map_err(|error| Fault::invalid(self.py, "int", error, at))
    }

    #[inline(never)]
    pub fn surrogates(&mut self) -> Got<Ref> {
        let (at, bytes) = (self.at, self.rest());
        // SAFETY: the pointer and length are those of a slice; GIL held.
        unsafe {
            let (data, length) = (bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t);
            let text = ffi::PyUnicode_DecodeUTF8(data, length, c"surrogatepass".as_ptr());
            Ref::steal(text).ok_or_else(|| Fault::fetch(self.py, "str", at))
        }
    }

    #[inline(never)]
    pub fn complex(&mut self) -> Got<Ref> {
        let real = f64::from_bits(u64::from_be_bytes(self.array()?));
        let imaginary = f64::from_bits(u64::from_be_bytes(self.array()?));
        // SAFETY: GIL held.
        let complex = unsafe { Ref::steal(ffi::PyComplex_FromDoubles(real, imaginary)) };
        complex.ok_or_else(|| Fault::fetch(self.py, "complex", self.at))
    }

    #[inline(never)]
    pub fn decimal(&mut self) -> Got<Ref> {
        let (at, bytes) = (self.at, self.rest());
        let make = || -> PyResult<Option<Bound<'_, PyAny>>> {
            let Ok(text) = std::str::from_utf8(bytes) else {
                return Ok(None);
            };
            let decimal = known::DECIMAL
                .import(self.py)?
                .call1((PyString::new(self.py, text),))?;
            // Under a context without traps, nonsense is NaN and no error.
            let nan = decimal.call_method0(intern!(self.py, "is_nan"))?.is_truthy()?;
            Ok((!nan || text.contains("NaN")).then_some(decimal))
        };
        match make() {
            Ok(Some(decimal)) => Ok(decimal.into()),
            Ok(None) => Err(self.corrupt("a Decimal that is no number")),
            Err(error) => Err(Fault::invalid(self.py, "Decimal", error, at)),
        }
    }

    /// A UUID is made without its constructor, which takes a microsecond to look at what we know already.
    #[inline(never)]
    pub fn uuid(&mut self) -> Got<Ref> {
        let at = self.at;
        let number = u128::from_be_bytes(self.array()?);
        let safe = match self.left() {
            0 => "unknown",
            _ => match self.byte()? {
                0 => "safe",
                0xff => "unsafe",
                _ => return Err(self.corrupt("a UUID that is neither safe nor unsafe")),
            },
        };
        let make = || -> PyResult<Bound<'_, PyAny>> {
            let class = known::UUID.import(self.py)?;
            let uuid = class.call_method1(intern!(self.py, "__new__"), (class,))?;
            let safe = SAFE_UUID.import(self.py)?.getattr(safe)?;
            set(
                &uuid,
                intern!(self.py, "int"),
                number.into_pyobject(self.py)?.as_any(),
            )?;
            set(&uuid, intern!(self.py, "is_safe"), &safe)?;
            Ok(uuid)
        };
        make()
            .map(Ref::from)
            .map_err(|error| Fault::invalid(self.py, "UUID", error, at))
    }
}

/// As `object.__setattr__`, since the object's own may refuse.
pub fn set(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: alive; GIL held.
    let failed = unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value.as_ptr()) };
    if failed != 0 {
        return Err(PyErr::fetch(object.py()));
    }
    Ok(())
}

fn signed(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let options = PyDict::new(py);
    options.set_item(intern!(py, "signed"), true)?;
    Ok(options)
}
