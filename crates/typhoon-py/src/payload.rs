//! The values of a tuple on their way between components.

use std::cell::Cell;
use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;
use typhoon_core::flow::{Key, Parcel};
use typhoon_core::native::{Value, Values};

use crate::codec::{self, Refused, Values as Borrowed};
use crate::hash::{self, NoKey};
use crate::packed::{self, Store};
use crate::python::{Raw, Ref, utf8};

/// One word: a Python tuple, or (by its lowest bits) the only value of a tuple of one, or a row of plain values that
/// needs no interpreter, or the bytes of a tuple that comes from or goes to another worker.
///
/// Rows go to and come from components on threads without the GIL, bytes to and from the links;
/// everything else carries Python objects. Cloning and dropping these needs the GIL; the plan sees to it that none
/// reaches a thread without.
pub struct Payload(usize);

type Row = Vec<Value>;

const ROW: usize = 1;
const LONE: usize = 2;
const PACKED: usize = 3;
const TAGS: usize = 3;

/// Larger buffers are given back.
const KEPT: usize = 256 * 1024;

thread_local! {
    /// Where values are encoded, before it is known how long they will be.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

// SAFETY: Python references are only touched with the GIL held; rows are Send and Sync.
unsafe impl Send for Payload {}

/// What a payload holds.
pub enum Held<'a> {
    /// A borrowed Python tuple.
    Python(Raw),
    /// The borrowed value of a tuple of one.
    Lone(Raw),
    Row(&'a [Value]),
    Packed(&'a [u8]),
}

/// What a payload held, owned.
pub enum Taken {
    Python(Ref),
    Lone(Ref),
}

impl Payload {
    #[inline(always)]
    pub fn python(values: Ref) -> Self {
        Payload(values.into_ptr() as usize)
    }

    /// A tuple of one value; the tuple itself is made when somebody wants it.
    #[inline(always)]
    pub fn lone(value: Ref) -> Self {
        Payload(value.into_ptr() as usize | LONE)
    }

    pub fn row(values: Row) -> Self {
        Payload(Arc::into_raw(Arc::new(values)) as usize | ROW)
    }

    fn bytes(bytes: &[u8]) -> Self {
        Payload(packed::new(bytes) | PACKED)
    }

    /// As Python objects, whatever it was.
    pub fn unpack(self, py: Python<'_>, options: codec::Options) -> PyResult<Self> {
        match self.held() {
            Held::Packed(bytes) => codec::decode_payload(py, bytes, options).map(|values| match values {
                codec::Decoded::Lone(value) => Payload::lone(value),
                codec::Decoded::Many(values) => Payload::python(values),
            }),
            _ => Ok(self),
        }
    }

    /// As bytes for another worker. May run any Python code, so no reference to a desk may live meanwhile.
    pub fn to_bytes(&self, options: codec::Options) -> Result<Self, Refused> {
        if self.is_packed() {
            return Ok(self.clone());
        }
        // Taken, not lent: what is encoded may emit in its turn.
        let mut bytes = SCRATCH.take();
        bytes.clear();
        let done = self.encode(&mut bytes, options);
        let packed = done.map(|()| Payload::bytes(&bytes));
        if bytes.capacity() <= KEPT {
            SCRATCH.set(bytes);
        }
        packed
    }

    fn encode(&self, bytes: &mut Vec<u8>, options: codec::Options) -> Result<(), Refused> {
        match self.held() {
            Held::Packed(packed) => bytes.extend_from_slice(packed),
            Held::Row(values) => codec::encode_row(values, bytes, options.limit)?,
            // SAFETY: alive while we are, and an emit of Python objects holds the GIL.
            Held::Python(tuple) => unsafe { codec::encode(Borrowed::Many(tuple), bytes, options)? },
            // SAFETY: as above.
            Held::Lone(value) => unsafe { codec::encode(Borrowed::Lone(value), bytes, options)? },
        }
        Ok(())
    }

    #[inline(always)]
    fn pointer(&self) -> usize {
        self.0 & !TAGS
    }

    #[inline(always)]
    pub fn held(&self) -> Held<'_> {
        match self.0 & TAGS {
            0 => Held::Python(self.0 as Raw),
            LONE => Held::Lone(self.pointer() as Raw),
            // SAFETY: `row` put it there and `drop` has not run.
            ROW => Held::Row(unsafe { &*(self.pointer() as *const Row) }),
            // SAFETY: `bytes` put it there and `drop` has not run.
            _ => Held::Packed(unsafe { packed::bytes(self.pointer()) }),
        }
    }

    /// As Python objects. None when Python is out of memory (an exception is set).
    #[inline(always)]
    pub fn take(self) -> Option<Taken> {
        let object = match self.held() {
            Held::Python(object) | Held::Lone(object) => object,
            Held::Row(values) => return to_python(values).map(Taken::Python),
            Held::Packed(_) => return self.unpacked().map(Taken::Python),
        };
        let lone = self.0 & TAGS == LONE;
        std::mem::forget(self);
        // SAFETY: we owned the reference.
        let object = unsafe { Ref::steal(object)? };
        Some(if lone {
            Taken::Lone(object)
        } else {
            Taken::Python(object)
        })
    }

    /// As a Python tuple. None when Python is out of memory (an exception is set).
    pub fn to_tuple(&self) -> Option<Ref> {
        // SAFETY: alive, and the GIL is held wherever Python objects are wanted; the new tuple takes over a reference.
        unsafe {
            match self.held() {
                Held::Python(tuple) => Some(Ref::share(tuple)),
                Held::Row(values) => to_python(values),
                Held::Packed(_) => self.unpacked(),
                Held::Lone(value) => {
                    let tuple = Ref::steal(ffi::PyTuple_New(1))?;
                    ffi::PyTuple_SET_ITEM(tuple.as_ptr(), 0, Ref::share(value).into_ptr());
                    Some(tuple)
                }
            }
        }
    }

    /// The tuple behind the bytes. None with an exception set.
    #[cold]
    fn unpacked(&self) -> Option<Ref> {
        // SAFETY: whoever wants Python objects holds the GIL.
        let py = unsafe { Python::assume_attached() };
        match self.held() {
            Held::Packed(bytes) => codec::decode(py, bytes, codec::Options::default())
                .map_err(|error| error.restore(py))
                .ok(),
            _ => self.to_tuple(),
        }
    }

    /// The plain values behind the bytes, if they are plain.
    #[cold]
    fn unpacked_row(&self) -> Option<Self> {
        codec::decode_row(self.packed()).map(Self::row)
    }

    /// As a row, for a thread without the GIL. Err names the type that cannot be in one, and where it is.
    pub fn into_row(self) -> Result<Self, (usize, String)> {
        let read = |item, index| from_python(item).map_err(|name| (index, name));
        let values = match self.held() {
            Held::Row(_) | Held::Packed(_) => return Ok(self),
            Held::Lone(value) => vec![read(value, 0)?],
            Held::Python(tuple) => {
                // SAFETY: a tuple that we own; the GIL is held.
                let length = unsafe { ffi::PyTuple_GET_SIZE(tuple) };
                // SAFETY: in range.
                let item = |index| unsafe { ffi::PyTuple_GET_ITEM(tuple, index) };
                let values: Result<Row, _> = (0..length)
                    .map(|index| read(item(index), index as usize))
                    .collect();
                values?
            }
        };
        Ok(Self::row(values))
    }
}

fn from_python(item: Raw) -> Result<Value, String> {
    // SAFETY: alive, and the GIL is held.
    unsafe {
        if ffi::PyUnicode_Check(item) != 0 {
            if let Some(text) = utf8(item) {
                return Ok(Value::Text(std::str::from_utf8_unchecked(text).into()));
            }
            ffi::PyErr_Clear();
        } else if item == ffi::Py_None() {
            return Ok(Value::Nothing);
        } else if ffi::PyBool_Check(item) != 0 {
            return Ok(Value::Bool(item == ffi::Py_True()));
        } else if ffi::PyLong_Check(item) != 0 {
            let mut overflow = 0;
            let number = ffi::PyLong_AsLongLongAndOverflow(item, &raw mut overflow);
            if overflow == 0 {
                return Ok(Value::Int(number));
            }
        } else if ffi::PyFloat_Check(item) != 0 {
            return Ok(Value::Float(ffi::PyFloat_AsDouble(item)));
        } else if ffi::PyBytes_Check(item) != 0 {
            let data = ffi::PyBytes_AsString(item).cast();
            return Ok(Value::Bytes(
                std::slice::from_raw_parts(data, ffi::PyBytes_Size(item) as usize).into(),
            ));
        }
        let name = std::ffi::CStr::from_ptr((*ffi::Py_TYPE(item)).tp_name);
        Err(name.to_string_lossy().into_owned())
    }
}

fn to_python(values: &[Value]) -> Option<Ref> {
    // SAFETY: the GIL is held; each item is a new reference that the tuple takes over.
    unsafe {
        let tuple = Ref::steal(ffi::PyTuple_New(values.len() as ffi::Py_ssize_t))?;
        for (index, value) in values.iter().enumerate() {
            let item = match value {
                Value::Nothing => crate::python::none(),
                Value::Bool(value) => ffi::PyBool_FromLong((*value).into()),
                Value::Int(value) => ffi::PyLong_FromLongLong(*value),
                Value::Float(value) => ffi::PyFloat_FromDouble(*value),
                Value::Text(value) => {
                    ffi::PyUnicode_FromStringAndSize(value.as_ptr().cast(), value.len() as isize)
                }
                Value::Bytes(value) => {
                    ffi::PyBytes_FromStringAndSize(value.as_ptr().cast(), value.len() as isize)
                }
            };
            if item.is_null() {
                return None;
            }
            ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index as ffi::Py_ssize_t, item);
        }
        Some(tuple)
    }
}

impl Clone for Payload {
    #[inline(always)]
    fn clone(&self) -> Self {
        // SAFETY: both counts belong to something we hold; the GIL is held for a Python object (the type's rule).
        unsafe {
            if self.0 & ROW == 0 {
                ffi::Py_INCREF(self.pointer() as Raw);
            } else if self.is_packed() {
                packed::hold(self.pointer());
            } else {
                Arc::increment_strong_count(self.pointer() as *const Row);
            }
        }
        Payload(self.0)
    }
}

impl Drop for Payload {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as in `clone`.
        unsafe {
            if self.0 & ROW == 0 {
                ffi::Py_DECREF(self.pointer() as Raw);
            } else if self.is_packed() {
                packed::release(self.pointer());
            } else {
                Arc::decrement_strong_count(self.pointer() as *const Row);
            }
        }
    }
}

impl Parcel for Payload {
    type Store = Store;

    fn pack(self) -> Option<Self> {
        self.to_bytes(codec::Options::default()).ok()
    }

    #[inline(always)]
    fn is_packed(&self) -> bool {
        self.0 & TAGS == PACKED
    }

    fn packed(&self) -> &[u8] {
        match self.held() {
            Held::Packed(bytes) => bytes,
            _ => &[],
        }
    }

    fn arrived(bytes: &[u8], store: &mut Store) -> Self {
        Payload(store.put(bytes) | PACKED)
    }

    fn store(message: usize) -> Store {
        Store::new(message)
    }
}

impl Key for Payload {
    type Error = NoKey;

    #[inline(always)]
    fn hash(&self, positions: &[usize]) -> Result<u64, NoKey> {
        let at = |position: usize| match self.held() {
            Held::Python(tuple) => {
                // SAFETY: positions were checked against the stream's fields, and so was the length at emit.
                hash::of(unsafe { ffi::PyTuple_GET_ITEM(tuple, position as ffi::Py_ssize_t) })
            }
            Held::Lone(value) => hash::of(value),
            Held::Packed(_) => self
                .unpacked_row()
                .ok_or_else(|| NoKey::Type("value of another worker".to_owned()))?
                .hash(&[position]),
            Held::Row(values) => match &values[position] {
                Value::Nothing => Ok(hash::nothing()),
                Value::Bool(value) => Ok(hash::integer((*value).into())),
                Value::Int(value) => Ok(hash::integer(*value)),
                Value::Float(value) => hash::float(*value),
                Value::Text(value) => Ok(hash::text(value)),
                Value::Bytes(value) => Ok(hash::binary(value)),
            },
        };
        match positions {
            [position] => at(*position),
            _ => positions
                .iter()
                .try_fold(0, |hash, position| Ok(hash::combine(hash, at(*position)?))),
        }
    }

    #[inline(always)]
    fn check(&self, positions: &[usize]) -> Result<(), NoKey> {
        let tuple = match self.held() {
            Held::Python(tuple) => tuple,
            Held::Lone(value) => return hash::check(value),
            Held::Row(_) | Held::Packed(_) => return self.hash(positions).map(drop),
        };
        positions.iter().try_for_each(|position| {
            // SAFETY: as in `hash`.
            hash::check(unsafe { ffi::PyTuple_GET_ITEM(tuple, *position as ffi::Py_ssize_t) })
        })
    }
}

impl Values for Payload {
    fn from_values(values: Vec<Value>) -> Self {
        Self::row(values)
    }

    fn at<R>(&self, position: usize, read: impl FnOnce(Option<&Value>) -> R) -> R {
        match self.held() {
            Held::Row(values) => read(values.get(position)),
            Held::Packed(_) => match self.unpacked_row() {
                Some(row) => row.at(position, read),
                None => read(None),
            },
            Held::Lone(value) if position == 0 => read(from_python(value).ok().as_ref()),
            Held::Lone(_) => read(None),
            Held::Python(tuple) => {
                // SAFETY: a tuple that we hold; in range by the check; the GIL is held where Python tuples are.
                let item = unsafe {
                    if position as ffi::Py_ssize_t >= ffi::PyTuple_GET_SIZE(tuple) {
                        return read(None);
                    }
                    ffi::PyTuple_GET_ITEM(tuple, position as ffi::Py_ssize_t)
                };
                read(from_python(item).ok().as_ref())
            }
        }
    }
}
