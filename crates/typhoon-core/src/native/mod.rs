//! Components that are ready to use and need no interpreter.

mod ready;

pub use ready::{Native, Spec};

/// A plain value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Nothing,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

/// A payload that native components can read and make.
pub trait Values: Sized {
    fn from_values(values: Vec<Value>) -> Self;

    /// Look at one value; None if there is none there, or none that a plain value can stand for.
    fn at<R>(&self, position: usize, read: impl FnOnce(Option<&Value>) -> R) -> R;
}
