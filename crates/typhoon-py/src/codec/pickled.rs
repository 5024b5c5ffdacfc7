//! What nothing else carries: pickle, or cloudpickle for what plain pickle cannot name.

use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::decode::Decoder;
use super::encode::Encoder;
use super::format::{self, ext};
use super::known::Name;
use super::refused::{Done, Fault, Got, Why, type_name};
use crate::python::{Raw, Ref};

static DUMPS: Name = Name::new("pickle", "dumps");
static LOADS: Name = Name::new("pickle", "loads");
static CLOUD_DUMPS: Name = Name::new("cloudpickle", "dumps");

/// Fixed, so that workers of two versions of Python understand each other.
const PROTOCOL: u8 = 5;

impl Encoder<'_, '_> {
    /// # Safety
    /// `value` is alive; GIL held.
    #[inline(never)]
    pub unsafe fn pickled(&mut self, value: Raw) -> Done {
        // SAFETY: as required of the caller.
        unsafe {
            if !self.options.pickle {
                return Err(Box::new(Why::Type(type_name(self.py, value), None)));
            }
            let object = Bound::from_borrowed_ptr(self.py, value);
            let pickle = dumps(&object).map_err(|error| {
                error.restore(self.py);
                Why::fetch(self.py, |error| Why::Type(type_name(self.py, value), Some(error)))
            })?;
            let bytes = pickle.as_bytes();
            format::extension(self.out, ext::PICKLE, bytes.len())?;
            self.out.extend_from_slice(bytes);
        }
        Ok(())
    }
}

/// The error is plain pickle's: it says more about the value.
fn dumps<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = object.py();
    let by = |name: &'static Name| {
        let bytes = name.import(py)?.call1((object, PROTOCOL))?;
        Ok(bytes.cast_into::<PyBytes>()?)
    };
    by(&DUMPS).or_else(|error: PyErr| {
        if error.is_instance_of::<PyRecursionError>(py) {
            return Err(error);
        }
        by(&CLOUD_DUMPS).map_err(|_: PyErr| error)
    })
}

impl Decoder<'_, '_> {
    #[inline(never)]
    pub fn pickled(&mut self) -> Got<Ref> {
        let bytes = self.rest();
        if !self.options.pickle {
            return Err(Box::new(Fault::Unable(
                "these values were pickled, and topology.fall.back.on.pickle is false here".to_owned(),
                None,
                None,
            )));
        }
        let bytes = PyBytes::new(self.py, bytes);
        LOADS
            .import(self.py)
            .and_then(|loads| loads.call1((bytes,)))
            .map(Ref::from)
            .map_err(|error| Fault::unable(self.py, "unpickling a value", error))
    }
}
