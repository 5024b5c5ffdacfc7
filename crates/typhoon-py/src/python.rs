//! The few things of Python's C interface that the hot path uses directly.

use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

pub type Raw = *mut ffi::PyObject;

/// A strong reference that is one word, clones by one increment, and may travel between threads.
///
/// Unlike `Py<T>` it never defers: cloning and dropping need the GIL, and everything that holds one is only touched
/// with the GIL held.
pub struct Ref(NonNull<ffi::PyObject>);

// SAFETY: only the pointer travels; it is used with the GIL held.
unsafe impl Send for Ref {}
// SAFETY: as above.
unsafe impl Sync for Ref {}

impl Ref {
    /// Take over a strong reference. None for a null pointer (an exception is set then).
    ///
    /// # Safety
    /// `object` is null or a strong reference that the caller gives up; the GIL is held.
    #[inline(always)]
    pub unsafe fn steal(object: Raw) -> Option<Self> {
        NonNull::new(object).map(Ref)
    }

    /// # Safety
    /// `object` is alive; the GIL is held.
    #[inline(always)]
    pub unsafe fn share(object: Raw) -> Self {
        // SAFETY: alive, hence not null.
        unsafe {
            ffi::Py_INCREF(object);
            Ref(NonNull::new_unchecked(object))
        }
    }

    #[inline(always)]
    pub fn as_ptr(&self) -> Raw {
        self.0.as_ptr()
    }

    /// Give up the reference.
    #[inline(always)]
    pub fn into_ptr(self) -> Raw {
        let object = self.0.as_ptr();
        std::mem::forget(self);
        object
    }

    pub fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // SAFETY: alive, since we hold it.
        unsafe { Bound::from_borrowed_ptr(py, self.as_ptr()) }
    }
}

impl From<Bound<'_, PyAny>> for Ref {
    fn from(object: Bound<'_, PyAny>) -> Self {
        // SAFETY: a Bound is alive and the GIL is held.
        unsafe { Ref(NonNull::new_unchecked(object.into_ptr())) }
    }
}

impl Clone for Ref {
    #[inline(always)]
    fn clone(&self) -> Self {
        // SAFETY: alive, since we hold it; the GIL is held (the type's rule).
        unsafe { Ref::share(self.as_ptr()) }
    }
}

impl Drop for Ref {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: we own one reference; the GIL is held (the type's rule).
        unsafe { ffi::Py_DECREF(self.as_ptr()) }
    }
}

/// A number for the running thread, the address of what the processor keeps for it. Cheaper than a thread-local in a
/// shared library, and than a call.
#[inline(always)]
pub fn this_thread() -> usize {
    let number: usize;
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    // SAFETY: reads the thread pointer, which the ABI keeps at the beginning of the block that it points to.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) number, options(nostack, preserves_flags, readonly, pure));
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    // SAFETY: always callable.
    unsafe {
        number = libc::pthread_self() as usize;
    }
    number
}

/// New reference to None.
#[inline(always)]
pub fn none() -> Raw {
    // SAFETY: None is immortal or counted; the GIL is held by every caller.
    unsafe {
        let none = ffi::Py_None();
        ffi::Py_INCREF(none);
        none
    }
}

/// An exception as the return value of a C function.
pub fn raise(error: PyErr) -> Raw {
    // SAFETY: only reached from C functions that Python called, so the GIL is held.
    error.restore(unsafe { Python::assume_attached() });
    std::ptr::null_mut()
}

/// Run the body of a C function: an error becomes an exception, and so does a panic, which must not cross into C.
pub fn guarded(body: impl FnOnce(Python<'_>) -> PyResult<Raw>) -> Raw {
    // SAFETY: only used in functions that Python calls.
    let py = unsafe { Python::assume_attached() };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(py))) {
        Ok(Ok(object)) => object,
        Ok(Err(error)) => raise(error),
        Err(panic) => raise(super::errors::panicked(py, panic.as_ref())),
    }
}

/// As [`guarded`], for slots that return an int, -1 on error.
pub fn guarded_int(body: impl FnOnce(Python<'_>) -> PyResult<i32>) -> i32 {
    let mut result = -1;
    guarded(|py| {
        result = body(py)?;
        Ok(std::ptr::null_mut())
    });
    result
}

/// The text of a str. None with an exception set where it has lone surrogates.
///
/// # Safety
/// A str, alive as long as the bytes are used; the GIL is held.
#[inline(always)]
pub unsafe fn utf8<'a>(text: Raw) -> Option<&'a [u8]> {
    // SAFETY: by the caller. ASCII lies behind the head of the object; other text has its UTF-8 kept by it.
    unsafe {
        if ffi::PyUnicode_IS_COMPACT_ASCII(text) != 0 {
            let head = text.cast::<ffi::PyASCIIObject>();
            return Some(std::slice::from_raw_parts(
                head.add(1).cast(),
                (*head).length as usize,
            ));
        }
        let mut length = 0;
        let data = ffi::PyUnicode_AsUTF8AndSize(text, &raw mut length);
        (!data.is_null()).then(|| std::slice::from_raw_parts(data.cast(), length as usize))
    }
}
