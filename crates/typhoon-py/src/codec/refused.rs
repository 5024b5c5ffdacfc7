//! What cannot be encoded, what cannot be decoded, and the exceptions that say so.

use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;

use super::format::{DEPTH, TooLong};
use crate::errors;
use crate::python::Raw;

/// A value that cannot travel.
pub struct Refused {
    /// Which of the tuple's values holds it, counted from 0.
    pub position: usize,
    why: Box<Why>,
}

/// Why not.
pub enum Why {
    /// Nothing carries values of the type of that name; pickle, if it was asked, raised that.
    Type(String, Option<PyErr>),
    /// The registered `encode` of the type of that name raised.
    Function(String, PyErr),
    /// A memoryview of something else than bytes side by side.
    View,
    /// A structure that is nested too deeply, or contains itself.
    Depth,
    /// More than a tuple may take.
    Size,
    /// A container changed while it was encoded.
    Changed(&'static str),
    /// Something that is no matter of the codec: out of memory, an interrupt.
    Raised(PyErr),
}

pub type Done = Result<(), Box<Why>>;

impl From<TooLong> for Box<Why> {
    #[cold]
    fn from(_: TooLong) -> Self {
        Box::new(Why::Size)
    }
}

impl Why {
    /// The exception that is set, as the reason of `why`.
    #[cold]
    pub fn fetch(py: Python<'_>, why: impl FnOnce(PyErr) -> Why) -> Box<Why> {
        let error = PyErr::fetch(py);
        Box::new(if passes(py, &error) {
            Why::Raised(error)
        } else {
            why(error)
        })
    }
}

impl Refused {
    #[cold]
    pub fn new(position: usize, why: Box<Why>) -> Self {
        Refused { position, why }
    }

    /// The exception. `holder` says what holds the value: "bolt 'split', stream 'default', field 'word'".
    pub fn raise(self, py: Python<'_>, holder: &str) -> PyErr {
        let (what, hint, cause) = match *self.why {
            Why::Raised(error) => return error,
            Why::Type(name, Some(error)) => (
                format!("a {name}, which cannot be pickled: {}", first_line(py, &error)),
                Some(format!(
                    "emit something plainer, or say how it travels: typhoon.register_type({name}, encode=…, \
                     decode=…)"
                )),
                Some(error),
            ),
            Why::Type(name, None) => (
                format!("a {name}, which only pickle could carry, and topology.fall.back.on.pickle is false"),
                Some(format!(
                    "emit something plainer, or register the type: typhoon.register_type({name})"
                )),
                None,
            ),
            Why::Function(name, error) => (
                format!(
                    "a {name}, whose registered encode raised {}",
                    first_line(py, &error)
                ),
                None,
                Some(error),
            ),
            Why::View => (
                "a memoryview of something else than bytes side by side".to_owned(),
                Some("emit bytes(view), or an array of numpy's".to_owned()),
                None,
            ),
            Why::Depth => (
                format!("a structure that is nested more than {DEPTH} deep, or contains itself"),
                None,
                None,
            ),
            Why::Size => (
                "more than the values of one tuple may take as bytes".to_owned(),
                Some("put it where both sides can read it, and emit its address".to_owned()),
                None,
            ),
            Why::Changed(name) => (
                format!("a {name} that was changed while it was encoded"),
                Some("leave alone what was emitted".to_owned()),
                None,
            ),
        };
        let message = format!("{holder} holds {what}");
        let raised = errors::hinted(py, "CodecError", message, hint.as_deref());
        raised.set_cause(py, cause);
        raised
    }
}

/// Bytes that cannot become values.
pub enum Fault {
    /// No encoder wrote this; what is wrong, and at which byte.
    Corrupt(String, usize),
    /// As above: Python refused to make the object.
    Invalid(&'static str, PyErr, usize),
    /// This process cannot make the object, by a fault of the topology's author; the message and the next step.
    Unable(String, Option<String>, Option<PyErr>),
    Raised(PyErr),
}

pub type Got<T> = Result<T, Box<Fault>>;

impl Fault {
    /// The exception that is set, as the reason why there is no `what`.
    #[cold]
    pub fn fetch(py: Python<'_>, what: &'static str, at: usize) -> Box<Fault> {
        Fault::invalid(py, what, PyErr::fetch(py), at)
    }

    #[cold]
    pub fn invalid(py: Python<'_>, what: &'static str, error: PyErr, at: usize) -> Box<Fault> {
        Box::new(if passes(py, &error) {
            Fault::Raised(error)
        } else {
            Fault::Invalid(what, error, at)
        })
    }

    /// An exception that code of the topology's author raised.
    #[cold]
    pub fn unable(py: Python<'_>, message: &str, error: PyErr) -> Box<Fault> {
        Box::new(if passes(py, &error) {
            Fault::Raised(error)
        } else {
            let message = format!("{message} raised {}", first_line(py, &error));
            Fault::Unable(message, None, Some(error))
        })
    }

    pub fn raise(self, py: Python<'_>) -> PyErr {
        let (message, cause) = match self {
            Fault::Raised(error) => return error,
            Fault::Unable(message, hint, cause) => {
                let raised = errors::hinted(py, "CodecError", message, hint.as_deref());
                raised.set_cause(py, cause);
                return raised;
            }
            Fault::Corrupt(what, at) => (
                format!("these bytes are no tuple's values: {what} at byte {at}"),
                None,
            ),
            Fault::Invalid(what, error, at) => {
                let found = first_line(py, &error);
                (
                    format!("these bytes are no tuple's values: no {what} at byte {at}: {found}"),
                    Some(error),
                )
            }
        };
        let raised = errors::new(py, "CorruptDataError", message);
        raised.set_cause(py, cause);
        raised
    }
}

/// Exceptions that say nothing about the value: those go on as they are.
fn passes(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyException>(py) || error.is_instance_of::<PyMemoryError>(py)
}

fn first_line(py: Python<'_>, error: &PyErr) -> String {
    let text = error.value(py).to_string();
    let name = error
        .get_type(py)
        .name()
        .map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    match text.lines().next() {
        None | Some("") => name,
        Some(line) => format!("{name}: {line}"),
    }
}

/// How a person knows the type of `value`: with its module, unless it is a built-in.
///
/// # Safety
/// `value` is alive.
pub unsafe fn type_name(py: Python<'_>, value: Raw) -> String {
    // SAFETY: as required of the caller.
    let class = unsafe { Bound::from_borrowed_ptr(py, value) }.get_type();
    class
        .fully_qualified_name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string())
}
