//! Stand-in.
use crate::python::{Raw, Ref};
use pyo3::prelude::*;
use typhoon_core::flow::Unsendable as Refused;
pub unsafe fn encode(values: Raw, out: &mut Vec<u8>) -> Result<(), Refused> {
    // SAFETY: GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: alive.
    let values = unsafe { Bound::from_borrowed_ptr(py, values) };
    let bytes: Vec<u8> = py
        .import("pickle")
        .and_then(|m| m.call_method1("dumps", (values,)))
        .and_then(|b| b.extract())
        .map_err(|e| Refused {
            position: 0,
            kind: "?".into(),
            why: e.to_string(),
        })?;
    out.extend(bytes);
    Ok(())
}
pub fn decode(py: Python<'_>, bytes: &[u8]) -> PyResult<Ref> {
    Ok(py
        .import("pickle")?
        .call_method1("loads", (pyo3::types::PyBytes::new(py, bytes),))?
        .into())
}

pub unsafe fn encode_lone(value: Raw, out: &mut Vec<u8>) -> Result<(), Refused> {
    // SAFETY: stand-in.
    unsafe {
        let t = pyo3::ffi::PyTuple_New(1);
        pyo3::ffi::Py_INCREF(value);
        pyo3::ffi::PyTuple_SET_ITEM(t, 0, value);
        let r = encode(t, out);
        pyo3::ffi::Py_DECREF(t);
        r
    }
}
pub fn encode_row(_v: &[typhoon_core::native::Value], _o: &mut Vec<u8>) {}
pub fn decode_row(_b: &[u8]) -> Vec<typhoon_core::native::Value> {
    Vec::new()
}
