//! Bytes to Python objects: what MessagePack has, and the containers that it lacks.
//!
//! What is read from, and which lengths are believed, is in `input.rs`.

use pyo3::ffi;
use pyo3::prelude::*;

use super::Options;
use super::format::{self, DEPTH, ext};
pub use super::input::Decoder;
use super::keys;
use super::refused::{Fault, Got};
use crate::python::{Ref, none};

/// As [`super::decode`].
#[inline]
pub fn row(py: Python<'_>, bytes: &[u8], options: Options) -> PyResult<Ref> {
    let mut decoder = Decoder::new(py, bytes, options);
    decoder.values().map_err(|fault| fault.raise(py))
}

/// The only value of a tuple of one, or all values as a tuple.
pub enum Decoded {
    Lone(Ref),
    Many(Ref),
}

/// As [`super::decode_payload`].
#[inline]
pub fn payload(py: Python<'_>, bytes: &[u8], options: Options) -> PyResult<Decoded> {
    let mut decoder = Decoder::new(py, bytes, options);
    let decoded = match bytes.first() {
        Some(&format::ONE) => decoder.only_value().map(Decoded::Lone),
        _ => decoder.values().map(Decoded::Many),
    };
    decoded.map_err(|fault| fault.raise(py))
}

impl Decoder<'_, '_> {
    #[inline(always)]
    fn values(&mut self) -> Got<Ref> {
        let tuple = self.items_of_tuple()?;
        self.is_over().map(|()| tuple)
    }

    #[inline(always)]
    fn only_value(&mut self) -> Got<Ref> {
        let length = self.array_header()?;
        self.claim(length)?;
        let value = self.item()?;
        self.is_over().map(|()| value)
    }

    #[inline(always)]
    fn is_over(&self) -> Got<()> {
        match self.at == self.end {
            true => Ok(()),
            false => Err(self.corrupt("more bytes than values")),
        }
    }

    /// One of the items that were claimed.
    #[inline(always)]
    fn item(&mut self) -> Got<Ref> {
        self.owed -= 1;
        self.value()
    }

    #[inline(always)]
    fn deeper<T>(&mut self, what: impl FnOnce(&mut Self) -> Got<T>) -> Got<T> {
        if self.depth >= DEPTH {
            return Err(self.corrupt("containers nested too deeply"));
        }
        self.depth += 1;
        let got = what(self);
        self.depth -= 1;
        got
    }

    /// A value of an extension that would not count as a container by itself.
    pub fn nested_value(&mut self) -> Got<Ref> {
        self.deeper(Self::value)
    }

    #[inline(always)]
    fn object(&self, object: *mut ffi::PyObject) -> Got<Ref> {
        // SAFETY: the new reference of a call of Python that failed or not; GIL held.
        unsafe { Ref::steal(object) }.ok_or_else(|| Fault::fetch(self.py, "object", self.at))
    }

    #[inline]
    pub fn value(&mut self) -> Got<Ref> {
        // SAFETY: GIL held; all that is called makes a new object, or sets an exception.
        unsafe {
            match self.byte()? {
                marker @ 0xa0..=0xbf => self.text((marker & 0x1f).into()),
                marker @ 0..=0x7f => self.object(ffi::PyLong_FromLong(marker.into())),
                marker @ 0xe0..=0xff => self.object(ffi::PyLong_FromLong((marker as i8).into())),
                format::FLOAT64 => {
                    let bits = u64::from_be_bytes(self.array()?);
                    self.object(ffi::PyFloat_FromDouble(f64::from_bits(bits)))
                }
                format::NIL => self.object(none()),
                format::FALSE => self.object(ffi::PyBool_FromLong(0)),
                format::TRUE => self.object(ffi::PyBool_FromLong(1)),
                marker => self.longer(marker),
            }
        }
    }

    #[inline(never)]
    fn longer(&mut self, marker: u8) -> Got<Ref> {
        // SAFETY: as in `value`.
        unsafe {
            match marker {
                format::STR8 => self.length8().and_then(|length| self.text(length)),
                format::STR16 => self.length16().and_then(|length| self.text(length)),
                format::STR32 => self.length32().and_then(|length| self.text(length)),
                format::UINT8 => self.signed(|value: [u8; 1]| value[0].into()),
                format::UINT16 => self.signed(|value| u16::from_be_bytes(value).into()),
                format::UINT32 => self.signed(|value| u32::from_be_bytes(value).into()),
                format::UINT64 => {
                    let value = u64::from_be_bytes(self.array()?);
                    self.object(ffi::PyLong_FromUnsignedLongLong(value))
                }
                format::INT8 => self.signed(|value| i8::from_be_bytes(value).into()),
                format::INT16 => self.signed(|value| i16::from_be_bytes(value).into()),
                format::INT32 => self.signed(|value| i32::from_be_bytes(value).into()),
                format::INT64 => self.signed(i64::from_be_bytes),
                format::FLOAT32 => {
                    let bits = u32::from_be_bytes(self.array()?);
                    self.object(ffi::PyFloat_FromDouble(f32::from_bits(bits).into()))
                }
                0x80..=0x8f => self.deeper(|this| this.dict((marker & 0xf).into())),
                format::MAP16 => self.deeper(|this| this.length16().and_then(|n| this.dict(n))),
                format::MAP32 => self.deeper(|this| this.length32().and_then(|n| this.dict(n))),
                0x90..=0x9f => self.deeper(|this| this.list((marker & 0xf).into())),
                format::ARRAY16 => self.deeper(|this| this.length16().and_then(|n| this.list(n))),
                format::ARRAY32 => self.deeper(|this| this.length32().and_then(|n| this.list(n))),
                format::BIN8 => self.length8().and_then(|length| self.binary(length)),
                format::BIN16 => self.length16().and_then(|length| self.binary(length)),
                format::BIN32 => self.length32().and_then(|length| self.binary(length)),
                format::EXT8 => self.length8().and_then(|length| self.extension(length)),
                format::EXT16 => self.length16().and_then(|length| self.extension(length)),
                format::EXT32 => self.length32().and_then(|length| self.extension(length)),
                format::FIXEXT1..=format::FIXEXT16 => self.extension(1 << (marker - format::FIXEXT1)),
                _ => Err(self.corrupt("a byte that begins nothing")),
            }
        }
    }

    #[inline(always)]
    fn signed<const N: usize>(&mut self, number: impl FnOnce([u8; N]) -> i64) -> Got<Ref> {
        let number = number(self.array()?);
        // SAFETY: as in `value`.
        self.object(unsafe { ffi::PyLong_FromLongLong(number) })
    }

    #[inline(always)]
    fn text(&mut self, length: usize) -> Got<Ref> {
        let text = self.take(length)?;
        // SAFETY: a new str of ASCII has room for `length` bytes, and nobody has seen it yet. The shorter ones are
        // kept by Python, which must give them out itself.
        unsafe {
            if length > 1 && text.is_ascii() {
                let object = self.object(ffi::PyUnicode_New(length as ffi::Py_ssize_t, 0x7f))?;
                let data = ffi::PyUnicode_DATA(object.as_ptr()).cast::<u8>();
                std::ptr::copy_nonoverlapping(text.as_ptr(), data, length);
                return Ok(object);
            }
            let (data, length) = (text.as_ptr().cast(), length as ffi::Py_ssize_t);
            let object = ffi::PyUnicode_DecodeUTF8(data, length, std::ptr::null());
            Ref::steal(object).ok_or_else(|| Fault::fetch(self.py, "str", self.at - text.len()))
        }
    }

    fn binary(&mut self, length: usize) -> Got<Ref> {
        let bytes = self.take(length)?;
        self.bytes(bytes)
    }

    pub fn bytes(&self, bytes: &[u8]) -> Got<Ref> {
        // SAFETY: the pointer and length are those of a slice; GIL held.
        self.object(unsafe {
            ffi::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t)
        })
    }

    fn list(&mut self, length: usize) -> Got<Ref> {
        self.claim(length)?;
        // SAFETY: GIL held; the list takes over each item, and has room for it. Where we give up, it has gaps that its
        // end can deal with.
        unsafe {
            let list = self.object(ffi::PyList_New(length as ffi::Py_ssize_t))?;
            for index in 0..length {
                let item = self.item()?.into_ptr();
                ffi::PyList_SET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t, item);
            }
            Ok(list)
        }
    }

    fn dict(&mut self, length: usize) -> Got<Ref> {
        self.claim(length.saturating_mul(2))?;
        // SAFETY: GIL held; the dict takes references of its own.
        unsafe {
            let dict = self.object(ffi::PyDict_New())?;
            for _ in 0..length {
                let (at, key) = (self.at, self.key()?);
                let value = self.item()?;
                if ffi::PyDict_SetItem(dict.as_ptr(), key.as_ptr(), value.as_ptr()) != 0 {
                    return Err(Fault::fetch(self.py, "key", at));
                }
            }
            Ok(dict)
        }
    }

    /// An item that is a key: a short str is probably known.
    #[inline(always)]
    fn key(&mut self) -> Got<Ref> {
        let length = match self.bytes.get(self.at) {
            Some(marker @ 0xa2..=0xbf) => usize::from(marker & 0x1f),
            _ => return self.item(),
        };
        if length >= self.left() {
            return Err(self.corrupt("the end"));
        }
        let text = &self.bytes[self.at + 1..self.at + 1 + length];
        if let Some(key) = keys::find(self.py, text) {
            self.owed -= 1;
            self.at += 1 + length;
            return Ok(key);
        }
        let key = self.item()?;
        keys::keep(self.py, text, &key);
        Ok(key)
    }

    /// The header of an array.
    #[inline(always)]
    pub fn array_header(&mut self) -> Got<usize> {
        match self.byte()? {
            marker @ 0x90..=0x9f => Ok((marker & 0xf).into()),
            format::ARRAY16 => self.length16(),
            format::ARRAY32 => self.length32(),
            _ => Err(self.corrupt("no array")),
        }
    }

    /// An array, as a tuple.
    #[inline(always)]
    pub fn items_of_tuple(&mut self) -> Got<Ref> {
        let length = self.array_header()?;
        self.claim(length)?;
        // SAFETY: as in `list`.
        unsafe {
            let tuple = self.object(ffi::PyTuple_New(length as ffi::Py_ssize_t))?;
            for index in 0..length {
                let item = self.item()?.into_ptr();
                ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, item);
            }
            Ok(tuple)
        }
    }

    #[inline(never)]
    fn set(&mut self, new: unsafe extern "C" fn(*mut ffi::PyObject) -> *mut ffi::PyObject) -> Got<Ref> {
        let length = self.array_header()?;
        self.claim(length)?;
        // SAFETY: GIL held; a frozenset may be added to while nobody else has it.
        unsafe {
            let set = self.object(new(std::ptr::null_mut()))?;
            for _ in 0..length {
                let (at, item) = (self.at, self.item()?);
                if ffi::PySet_Add(set.as_ptr(), item.as_ptr()) != 0 {
                    return Err(Fault::fetch(self.py, "item of a set", at));
                }
            }
            Ok(set)
        }
    }

    /// Its content has its own end, and its own items to wait for.
    fn extension(&mut self, length: usize) -> Got<Ref> {
        let code = self.byte()?;
        if length > self.left().saturating_sub(self.owed) {
            return Err(self.corrupt("the end"));
        }
        let (end, owed) = (self.end, self.owed);
        self.end = self.at + length;
        self.owed = 0;
        let value = self.content(code)?;
        if self.at != self.end {
            return Err(self.corrupt("an extension that is longer than what is in it"));
        }
        self.end = end;
        self.owed = owed;
        Ok(value)
    }

    #[inline(never)]
    fn content(&mut self, code: u8) -> Got<Ref> {
        match code {
            ext::TUPLE => self.deeper(Self::items_of_tuple),
            ext::SET => self.deeper(|this| this.set(ffi::PySet_New)),
            ext::FROZENSET => self.deeper(|this| this.set(ffi::PyFrozenSet_New)),
            ext::BIG_INT => self.big(),
            ext::COMPLEX => self.complex(),
            ext::SURROGATES => self.surrogates(),
            ext::BYTEARRAY => self.bytearray(),
            ext::MEMORYVIEW => self.memoryview(),
            ext::DATETIME => self.datetime(),
            ext::DATE => self.date(),
            ext::TIME => self.time(),
            ext::TIMEDELTA => self.timedelta(),
            ext::TIMEZONE => self.deeper(Self::timezone),
            ext::ZONE_INFO => self.zone_info(),
            ext::DECIMAL => self.decimal(),
            ext::UUID => self.uuid(),
            ext::ARRAY => self.deeper(Self::ndarray),
            ext::REGISTERED => self.deeper(Self::registered),
            ext::PICKLE => self.pickled(),
            _ => Err(self.corrupt(&format!("an extension of the unknown type {}", code as i8))),
        }
    }
}
