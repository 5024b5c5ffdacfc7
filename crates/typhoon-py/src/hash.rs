//! The hash of fields grouping: by value, the same in every process (Python's own is seeded per process), and equal
//! for keys that are equal: `1 == 1.0 == True` go to one task, as they would to one entry of a dict.

use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;
use crate::python::{Raw, utf8};

const P0: u64 = 0xa076_1d64_78bd_642f;
const P1: u64 = 0xe703_7ed1_a0b4_28db;

/// Why a value cannot be a key.
#[derive(Debug)]
pub enum NoKey {
    /// Not equal to itself: it would belong nowhere.
    NotANumber,
    /// A type that has no stable hash, by name.
    Type(String),
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a).wrapping_mul(u128::from(b));
    (wide >> 64) as u64 ^ wide as u64
}

/// Bytes, eight at a time. `seed` keeps types apart.
#[inline(always)]
fn bytes(data: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ data.len() as u64;
    let mut chunks = data.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = fold(hash ^ u64::from_le_bytes(word), P0);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        hash = fold(hash ^ padded(rest), P1);
    }
    hash ^ hash >> 32
}

/// One to seven bytes as a number, as if zeros followed. Read at once and not copied one by one: what is written in small
/// pieces and read as a whole makes the processor wait.
#[inline(always)]
fn padded(rest: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last));
        return u64::from(u32::from_le_bytes(*first)) | last << (8 * (rest.len() - 4));
    }
    let at = |index: usize| u64::from(rest[index]) << (8 * index);
    at(0) | at(rest.len() / 2) | at(rest.len() - 1)
}

pub fn text(data: &str) -> u64 {
    bytes(data.as_bytes(), 0x7465_7874)
}

pub fn binary(data: &[u8]) -> u64 {
    bytes(data, 0x6279_7465)
}

pub fn integer(value: i64) -> u64 {
    fold(value as u64 ^ P1, P0)
}

/// A float that is a whole number hashes as that number.
pub fn float(value: f64) -> Result<u64, NoKey> {
    if value.is_nan() {
        return Err(NoKey::NotANumber);
    }
    if value.trunc() == value && value.abs() < 9_007_199_254_740_992.0 {
        return Ok(integer(value as i64));
    }
    Ok(bytes(&value.to_bits().to_le_bytes(), 0x666c_6f61))
}

pub fn nothing() -> u64 {
    P1
}

pub fn combine(hash: u64, next: u64) -> u64 {
    fold(hash ^ next, P0).rotate_left(17)
}

/// The hash of a Python value.
///
/// Calls no Python code for the built-in types that can be keys.
#[inline(always)]
pub fn of(value: Raw) -> Result<u64, NoKey> {
    // SAFETY: `value` is alive and the GIL is held, here and in all below.
    unsafe {
        if ffi::PyUnicode_CheckExact(value) != 0 {
            if let Some(text) = utf8(value) {
                return Ok(bytes(text, 0x7465_7874));
            }
            // Lone surrogates have no UTF-8.
            ffi::PyErr_Clear();
            return surrogates(value);
        }
        other(value)
    }
}

/// Can the value be a key? As [`of`], without computing the hash of a plain str.
#[inline(always)]
pub fn check(value: Raw) -> Result<(), NoKey> {
    // SAFETY: alive, GIL held.
    if unsafe { ffi::PyUnicode_CheckExact(value) } != 0 {
        Ok(())
    } else {
        of(value).map(drop)
    }
}

unsafe fn surrogates(value: Raw) -> Result<u64, NoKey> {
    // SAFETY: alive, GIL held; the result is checked.
    unsafe {
        let encoded = ffi::PyUnicode_AsEncodedString(value, c"utf-8".as_ptr(), c"surrogatepass".as_ptr());
        if encoded.is_null() {
            ffi::PyErr_Clear();
            return Err(NoKey::Type("str".into()));
        }
        let hash = bytes(slice(encoded), 0x7465_7874);
        ffi::Py_DECREF(encoded);
        Ok(hash)
    }
}

unsafe fn slice<'a>(object: Raw) -> &'a [u8] {
    // SAFETY: the caller has a bytes object and uses the slice while it lives.
    unsafe {
        std::slice::from_raw_parts(
            ffi::PyBytes_AsString(object).cast(),
            ffi::PyBytes_Size(object) as usize,
        )
    }
}

#[inline(never)]
unsafe fn other(value: Raw) -> Result<u64, NoKey> {
    // SAFETY: alive, GIL held.
    unsafe {
        if ffi::PyLong_Check(value) != 0 {
            let mut overflow = 0;
            let number = ffi::PyLong_AsLongLongAndOverflow(value, &raw mut overflow);
            return if overflow == 0 {
                Ok(integer(number))
            } else {
                big(value)
            };
        }
        if ffi::PyFloat_Check(value) != 0 {
            let number = ffi::PyFloat_AsDouble(value);
            if number.trunc() == number && number.abs() >= 9_007_199_254_740_992.0 && number.is_finite() {
                let exact = ffi::PyLong_FromDouble(number);
                let hash = of(exact);
                ffi::Py_DECREF(exact);
                return hash;
            }
            return float(number);
        }
        if ffi::PyBytes_Check(value) != 0 {
            return Ok(binary(slice(value)));
        }
        if value == ffi::Py_None() {
            return Ok(nothing());
        }
        if ffi::PyTuple_Check(value) != 0 {
            if ffi::Py_EnterRecursiveCall(c" in the hash of a key".as_ptr()) != 0 {
                ffi::PyErr_Clear();
                return Err(NoKey::Type("tuple nested too deeply".into()));
            }
            let hash = (0..ffi::PyTuple_Size(value)).try_fold(0x7475_706c, |hash, index| {
                Ok(combine(hash, of(ffi::PyTuple_GetItem(value, index))?))
            });
            ffi::Py_LeaveRecursiveCall();
            return hash;
        }
        if ffi::PyUnicode_Check(value) != 0 {
            let plain = ffi::PyUnicode_FromObject(value);
            let hash = of(plain);
            ffi::Py_DECREF(plain);
            return hash;
        }
        registered(value)
    }
}

/// An int beyond 64 bits: by its decimal digits' stand-in, the bytes of its two's complement.
unsafe fn big(value: Raw) -> Result<u64, NoKey> {
    // SAFETY: GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: alive. The answer is a plain int, so that no method of a subclass is called.
    let value = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyNumber_Index(value)) };
    let digits = value.and_then(|value| {
        let bits = value.call_method0("bit_length")?.extract::<usize>()?;
        let digits = value.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed(py)?))?;
        Ok(digits.cast_into::<PyBytes>()?)
    });
    match digits {
        Ok(digits) => Ok(bytes(digits.as_bytes(), 0x6269_6769)),
        Err(_) => Err(NoKey::Type("int".into())),
    }
}

fn signed(py: Python<'_>) -> PyResult<Bound<'_, pyo3::types::PyDict>> {
    let options = pyo3::types::PyDict::new(py);
    options.set_item("signed", true)?;
    Ok(options)
}

/// Any other type: a `__stable_hash__` method that gives an int, or no key.
#[inline(never)]
unsafe fn registered(value: Raw) -> Result<u64, NoKey> {
    // SAFETY: GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: alive.
    let value = unsafe { Bound::from_borrowed_ptr(py, value) };
    let name = value
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    match value
        .call_method0("__stable_hash__")
        .and_then(|hash| hash.extract::<i64>())
    {
        Ok(hash) => Ok(integer(hash)),
        Err(_) => Err(NoKey::Type(name)),
    }
}

/// The exception: `component` and `fields` say where.
pub fn raise(py: Python<'_>, error: NoKey, component: &str, fields: &[String]) -> PyErr {
    let what = match error {
        NoKey::NotANumber => {
            "NaN cannot be a grouping key, since it equals nothing, itself included".to_owned()
        }
        NoKey::Type(name) => format!(
            "a {name} cannot be a grouping key: only str, bytes, int, float, bool, None and tuples of these can"
        ),
    };
    let fields = if fields.is_empty() {
        String::new()
    } else {
        format!(" (grouped by {})", fields.join(", "))
    };
    let hint =
        "hint: group by a field that holds such a value, or give the class a method __stable_hash__() -> int";
    let message = format!("{component}{fields}: {what}\n{hint}");
    if fields.is_empty() && component.is_empty() {
        return PyException::new_err(message);
    }
    errors::new(py, "GroupingKeyError", message)
}
