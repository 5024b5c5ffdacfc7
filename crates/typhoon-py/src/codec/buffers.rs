//! bytearray, and memoryviews of plain bytes.

use pyo3::ffi;

use super::decode::Decoder;
use super::encode::Encoder;
use super::format::{self, ext};
use super::refused::{Done, Fault, Got, Why};
use crate::python::{Raw, Ref};

impl Encoder<'_, '_> {
    /// # Safety
    /// A bytearray, alive; GIL held.
    #[inline(never)]
    pub unsafe fn bytearray(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller; nothing can resize it before it is copied.
        let bytes = unsafe {
            let length = ffi::PyByteArray_Size(value) as usize;
            std::slice::from_raw_parts(ffi::PyByteArray_AsString(value).cast::<u8>(), length)
        };
        format::extension(self.out, ext::BYTEARRAY, bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// One dimension of bytes without gaps. Any other is refused: pickle carries none, and cloudpickle makes bytes of it.
    ///
    /// # Safety
    /// A memoryview, alive; GIL held.
    #[inline(never)]
    pub unsafe fn memoryview(&mut self, value: Raw) -> Done {
        let mut view = ffi::Py_buffer::new();
        // SAFETY: as required of the caller; the view is released, and its memory used before that.
        unsafe {
            if ffi::PyObject_GetBuffer(value, &raw mut view, ffi::PyBUF_FULL_RO) != 0 {
                return Err(Why::fetch(self.py, Why::Raised));
            }
            let bytes = view.format.is_null() || std::ffi::CStr::from_ptr(view.format) == c"B";
            let plain = bytes && view.ndim == 1 && (view.strides.is_null() || *view.strides == 1);
            let mut done = Ok(());
            if plain {
                let length = view.len as usize;
                done = format::extension(self.out, ext::MEMORYVIEW, length + 1).map_err(Into::into);
                if done.is_ok() {
                    format::put(self.out, [u8::from(view.readonly != 0)]);
                    if length > 0 {
                        let bytes = std::slice::from_raw_parts(view.buf.cast::<u8>(), length);
                        self.out.extend_from_slice(bytes);
                    }
                }
            }
            ffi::PyBuffer_Release(&raw mut view);
            if plain { done } else { Err(Box::new(Why::View)) }
        }
    }
}

impl Decoder<'_, '_> {
    #[inline(never)]
    pub fn bytearray(&mut self) -> Got<Ref> {
        let (at, bytes) = (self.at, self.rest());
        // SAFETY: the pointer and length are those of a slice; GIL held.
        let value = unsafe {
            let length = bytes.len() as ffi::Py_ssize_t;
            Ref::steal(ffi::PyByteArray_FromStringAndSize(bytes.as_ptr().cast(), length))
        };
        value.ok_or_else(|| Fault::fetch(self.py, "bytearray", at))
    }

    #[inline(never)]
    pub fn memoryview(&mut self) -> Got<Ref> {
        let at = self.at;
        let below = match self.byte()? {
            0 => self.bytearray()?,
            1 => {
                let bytes = self.rest();
                self.bytes(bytes)?
            }
            _ => return Err(self.corrupt("a memoryview that is neither writable nor not")),
        };
        // SAFETY: alive; GIL held.
        let value = unsafe { Ref::steal(ffi::PyMemoryView_FromObject(below.as_ptr())) };
        value.ok_or_else(|| Fault::fetch(self.py, "memoryview", at))
    }
}
