//! numpy's arrays and numbers: their memory as it is, behind dtype and shape.
//!
//! Through numpy's array interface (`__array_struct__`, which numpy keeps stable for everybody), so that nothing here is
//! built against numpy, and nobody needs it who has no arrays. Memory is copied once, from the array into the bytes, and
//! once from the bytes into a new array.

use std::os::raw::{c_char, c_int};

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::decode::Decoder;
use super::encode::Encoder;
use super::format::{self, ext};
use super::known::Name;
use super::refused::{Done, Fault, Got, Why};
use crate::python::{Raw, Ref};

static ASARRAY: Name = Name::new("numpy", "asarray");
static DTYPE: Name = Name::new("numpy", "dtype");
static EMPTY: Name = Name::new("numpy", "empty");

/// A number, and no array of no dimensions.
const SCALAR: u8 = 1;
/// The first index moves fastest, as in Fortran.
const FORTRAN: u8 = 2;

/// numpy gives an array without elements memory for one of them.
const LARGEST_ITEM_OF_NONE: usize = 1 << 16;

/// numpy's `PyArrayInterface`.
#[repr(C)]
struct Interface {
    two: c_int,
    nd: c_int,
    typekind: c_char,
    itemsize: c_int,
    flags: c_int,
    shape: *const ffi::Py_ssize_t,
    strides: *const ffi::Py_ssize_t,
    data: *mut u8,
    descr: Raw,
}

const C_CONTIGUOUS: c_int = 1;
const F_CONTIGUOUS: c_int = 2;

/// What a numpy array says of its memory; the capsule keeps it.
struct View<'py> {
    _capsule: Bound<'py, PyAny>,
    interface: *const Interface,
}

impl<'py> View<'py> {
    fn of(array: &Bound<'py, PyAny>) -> PyResult<Self> {
        let capsule = array.getattr(intern!(array.py(), "__array_struct__"))?;
        // SAFETY: alive; the call checks that it is a capsule.
        let interface = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), std::ptr::null()) };
        let interface = interface.cast::<Interface>().cast_const();
        // SAFETY: numpy's promise for a capsule of that name; the number is there to be checked.
        if interface.is_null() || unsafe { (*interface).two } != 2 {
            return Err(PyValueError::new_err("__array_struct__ is not numpy's"));
        }
        Ok(View {
            _capsule: capsule,
            interface,
        })
    }

    fn it(&self) -> &Interface {
        // SAFETY: lives as long as the capsule.
        unsafe { &*self.interface }
    }

    fn shape(&self) -> &[isize] {
        match self.it().nd {
            0 => &[],
            // SAFETY: that many.
            nd => unsafe { std::slice::from_raw_parts(self.it().shape, nd as usize) },
        }
    }

    fn strides(&self) -> &[isize] {
        match self.it().nd {
            0 => &[],
            // SAFETY: that many.
            nd => unsafe { std::slice::from_raw_parts(self.it().strides, nd as usize) },
        }
    }

    fn length(&self) -> usize {
        let items: isize = self.shape().iter().product();
        items as usize * self.it().itemsize as usize
    }
}

impl Encoder<'_, '_> {
    /// # Safety
    /// A numpy array, alive; GIL held.
    #[inline(never)]
    pub unsafe fn ndarray(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller.
        let array = unsafe { Bound::from_borrowed_ptr(self.py, value) };
        match plain_dtype(&array) {
            Ok(Some(dtype)) => self.memory(&array, &dtype, 0),
            // SAFETY: as above.
            Ok(None) => unsafe { self.pickled(value) },
            Err(error) => Err(Box::new(Why::Raised(error))),
        }
    }

    /// # Safety
    /// One of numpy's scalars, alive; GIL held.
    #[inline(never)]
    pub unsafe fn numpy_scalar(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller.
        let scalar = unsafe { Bound::from_borrowed_ptr(self.py, value) };
        let read = || -> PyResult<Option<(Bound<'_, PyAny>, String)>> {
            let array = ASARRAY.import(self.py)?.call1((&scalar,))?;
            let class = array
                .getattr(intern!(self.py, "dtype"))?
                .getattr(intern!(self.py, "type"))?;
            if !class.is(scalar.get_type()) {
                return Ok(None); // a class of somebody's that derives from it
            }
            Ok(plain_dtype(&array)?.map(|dtype| (array, dtype)))
        };
        match read() {
            Ok(Some((array, dtype))) => self.memory(&array, &dtype, SCALAR),
            // SAFETY: as above.
            Ok(None) => unsafe { self.pickled(value) },
            Err(error) => Err(Box::new(Why::Raised(error))),
        }
    }

    fn memory(&mut self, array: &Bound<'_, PyAny>, dtype: &str, flags: u8) -> Done {
        let view = View::of(array).map_err(|error| Box::new(Why::Raised(error)))?;
        let contiguous = view.it().flags & C_CONTIGUOUS != 0;
        let fortran = !contiguous && view.it().flags & F_CONTIGUOUS != 0;
        let flags = flags | if fortran { FORTRAN } else { 0 };
        let mut head = Vec::with_capacity(64);
        format::text(&mut head, dtype.as_bytes())?;
        format::put(&mut head, [flags, view.shape().len() as u8]);
        for length in view.shape() {
            format::unsigned(&mut head, *length as u64);
        }
        let length = view.length();
        format::extension(self.out, ext::ARRAY, head.len() + length)?;
        self.out.reserve(head.len() + length);
        self.out.extend_from_slice(&head);
        if length == 0 {
            return Ok(());
        }
        // SAFETY: the memory that numpy describes, held by the array, which nobody changes while we hold the GIL.
        unsafe {
            if contiguous || fortran {
                let memory = std::slice::from_raw_parts(view.it().data, length);
                self.out.extend_from_slice(memory);
            } else {
                let item = view.it().itemsize as usize;
                gather(self.out, view.it().data, view.shape(), view.strides(), item);
            }
        }
        Ok(())
    }
}

/// Append the elements that lie apart, the last index fastest.
///
/// # Safety
/// `data` is the first element of an array of that shape and those strides.
unsafe fn gather(out: &mut Vec<u8>, data: *const u8, shape: &[isize], strides: &[isize], item: usize) {
    // SAFETY: every element that is reached is one of the array's.
    unsafe {
        match (shape, strides) {
            ([length], [stride]) if *stride == item as isize => {
                out.extend_from_slice(std::slice::from_raw_parts(data, *length as usize * item));
            }
            ([length, shape @ ..], [stride, strides @ ..]) => {
                for index in 0..*length {
                    gather(out, data.offset(index * stride), shape, strides, item);
                }
            }
            _ => out.extend_from_slice(std::slice::from_raw_parts(data, item)),
        }
    }
}

/// The dtype as a text that says all of it; None for those that no text does (structures, objects, other people's).
fn plain_dtype(array: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let py = array.py();
    let dtype = array.getattr(intern!(py, "dtype"))?;
    let text: String = dtype.getattr(intern!(py, "str"))?.extract()?;
    if !is_plain(&text) || !dtype.getattr(intern!(py, "metadata"))?.is_none() {
        return Ok(None);
    }
    if view_is_large(&dtype)? || !DTYPE.import(py)?.call1((&text,))?.eq(&dtype)? {
        return Ok(None);
    }
    Ok(Some(text))
}

fn view_is_large(dtype: &Bound<'_, PyAny>) -> PyResult<bool> {
    let size: usize = dtype.getattr(intern!(dtype.py(), "itemsize"))?.extract()?;
    Ok(size > LARGEST_ITEM_OF_NONE)
}

/// Byte order, kind, size, and for times a unit: `<f8`, `|S5`, `<M8[25us]`. No kind of these holds pointers.
fn is_plain(dtype: &str) -> bool {
    let [order, kind, rest @ ..] = dtype.as_bytes() else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit = &rest[digits..];
    let unit = match kind {
        b'b' | b'i' | b'u' | b'f' | b'c' | b'S' | b'U' | b'V' => unit.is_empty(),
        b'm' | b'M' => {
            let inner = unit.strip_prefix(b"[").and_then(|unit| unit.strip_suffix(b"]"));
            unit.is_empty() || inner.is_some_and(|unit| unit.iter().all(u8::is_ascii_alphanumeric))
        }
        _ => false,
    };
    matches!(order, b'<' | b'>' | b'|') && (1..=9).contains(&digits) && unit
}

impl Decoder<'_, '_> {
    #[inline(never)]
    pub fn ndarray(&mut self) -> Got<Ref> {
        let at = self.at;
        let dtype = self.value()?;
        let dtype = dtype.bind(self.py).clone();
        let Some(dtype) = dtype.cast::<PyString>().ok().and_then(|text| text.to_str().ok()) else {
            return Err(self.corrupt("an array without a dtype"));
        };
        if !is_plain(dtype) {
            return Err(self.corrupt("an array of a dtype that is none of those which travel"));
        }
        let [flags, dimensions] = self.array()?;
        let mut shape = Vec::with_capacity(dimensions.into());
        for _ in 0..dimensions {
            shape.push(self.dimension()?);
        }
        let py = self.py;
        let invalid = |error| Fault::invalid(py, "array", error, at);
        let class = DTYPE.import(self.py).and_then(|class| class.call1((dtype,)));
        let class = class.map_err(invalid)?;
        let item = class.getattr(intern!(self.py, "itemsize"));
        let item: usize = item.and_then(|size| size.extract()).map_err(invalid)?;
        let length = shape
            .iter()
            .try_fold(item, |size, length| size.checked_mul(*length));
        if length != Some(self.left()) || item > LARGEST_ITEM_OF_NONE {
            return Err(self.corrupt("an array whose shape does not fit its bytes"));
        }
        let bytes = self.rest();
        if dtype.as_bytes()[1] == b'U' && !are_characters(bytes, dtype.as_bytes()[0] == b'>') {
            return Err(self.corrupt("an array of characters that do not exist"));
        }
        let make = || -> PyResult<Bound<'_, PyAny>> {
            let order = if flags & FORTRAN != 0 { "F" } else { "C" };
            let shape = PyTuple::new(self.py, &shape)?;
            let array = EMPTY.import(self.py)?.call1((shape, class, order))?;
            let view = View::of(&array)?;
            if view.length() != bytes.len() {
                return Err(PyValueError::new_err("numpy made an array of another size"));
            }
            // SAFETY: the new array's memory, without gaps, and of that length; nobody else has it.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), view.it().data, bytes.len()) };
            if flags & SCALAR != 0 {
                return array.get_item(PyTuple::empty(self.py));
            }
            Ok(array)
        };
        make().map(Ref::from).map_err(invalid)
    }

    fn dimension(&mut self) -> Got<usize> {
        let value = self.value()?;
        let length = value.bind(self.py).extract::<usize>();
        length.map_err(|_| self.corrupt("an array whose shape is no shape"))
    }
}

/// Python trusts numpy that these are code points.
fn are_characters(bytes: &[u8], big_endian: bool) -> bool {
    bytes.chunks_exact(4).all(|four| {
        let four = [four[0], four[1], four[2], four[3]];
        let character = if big_endian {
            u32::from_be_bytes(four)
        } else {
            u32::from_le_bytes(four)
        };
        character <= 0x10_ffff
    })
}
