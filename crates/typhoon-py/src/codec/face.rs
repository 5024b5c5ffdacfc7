//! What Python sees of the codec.

use std::time::Instant;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};

use super::{Options, Values, known, registry};

fn options(pickle: bool) -> Options {
    Options {
        pickle,
        ..Options::default()
    }
}

/// The values of a tuple as they travel to another worker.
#[pyfunction]
#[pyo3(signature = (values, /, pickle = true))]
pub fn encode_values<'py>(values: &Bound<'py, PyTuple>, pickle: bool) -> PyResult<Bound<'py, PyBytes>> {
    let py = values.py();
    let mut out = Vec::new();
    // SAFETY: a tuple that the caller holds; GIL held.
    let done = unsafe { super::encode(Values::Many(values.as_ptr()), &mut out, options(pickle)) };
    if let Err(refused) = done {
        let holder = format!("value {}", refused.position);
        return Err(refused.raise(py, &holder));
    }
    Ok(PyBytes::new(py, &out))
}

/// The values that `data` holds.
#[pyfunction]
#[pyo3(signature = (data, /, pickle = true))]
pub fn decode_values<'py>(data: &Bound<'py, PyBytes>, pickle: bool) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    let values = super::decode(py, data.as_bytes(), options(pickle))?;
    Ok(values.bind(py).clone())
}

/// How long encoding and decoding take where the engine does it: nanoseconds for one, the means of `rounds`.
#[pyfunction]
pub fn time_codec(values: &Bound<'_, PyTuple>, rounds: u32) -> PyResult<(f64, f64)> {
    let py = values.py();
    let lone = values.len() == 1;
    let first = lone.then(|| values.get_item(0)).transpose()?;
    let mut out = Vec::new();
    let encode = |out: &mut Vec<u8>| {
        out.clear();
        let values = match &first {
            Some(value) => Values::Lone(value.as_ptr()),
            None => Values::Many(values.as_ptr()),
        };
        // SAFETY: held above; GIL held.
        let done = unsafe { super::encode(values, out, Options::default()) };
        done.map_err(|refused| refused.raise(py, "a value"))
    };
    encode(&mut out)?;
    let begun = Instant::now();
    for _ in 0..rounds {
        encode(std::hint::black_box(&mut out))?;
    }
    let encoding = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..rounds {
        let values = super::decode_payload(py, std::hint::black_box(&out), Options::default())?;
        drop(std::hint::black_box(values));
    }
    let decoding = begun.elapsed();
    let mean = |time: std::time::Duration| time.as_nanos() as f64 / f64::from(rounds);
    Ok((mean(encoding), mean(decoding)))
}

/// For `typhoon.register_type`, which checks what it is given.
#[pyfunction]
#[pyo3(signature = (cls, name, fields = None, encode = None, decode = None))]
pub fn register_codec_type(
    cls: &Bound<'_, PyType>,
    name: String,
    fields: Option<Vec<String>>,
    encode: Option<Py<PyAny>>,
    decode: Option<Py<PyAny>>,
) -> PyResult<()> {
    let py = cls.py();
    if known::is_carried(py, cls.as_type_ptr()) {
        return Err(PyTypeError::new_err(format!(
            "the codec carries {} itself",
            cls.name()?
        )));
    }
    if let Some(other) = registry::of_name(&name) {
        let key = |class: &Bound<'_, PyType>| -> PyResult<String> {
            let module = class.getattr("__module__")?.to_string();
            Ok(format!("{module}:{}", class.qualname()?))
        };
        // A module that is loaded again defines its classes again.
        let other = other.class.bind(py);
        if !other.is(cls) && key(other)? != key(cls)? {
            return Err(PyValueError::new_err(format!(
                "the name '{name}' is that of {}",
                key(other)?
            )));
        }
    }
    let has_dict = cls.getattr("__dictoffset__")?.extract::<isize>()? != 0;
    if encode.is_some() != decode.is_some() {
        return Err(PyRuntimeError::new_err("one function without the other"));
    }
    let functions = encode.zip(decode);
    registry::register(cls, name, fields.map(|fields| (fields, has_dict)), functions)
}
