//! The values of a tuple as bytes, for another process: MessagePack, with extension types for what it lacks.
//!
//! | file | what is in it |
//! |---|---|
//! | `format.rs` | MessagePack's markers, the numbers of our extension types, headers |
//! | `encode.rs`, `decode.rs` | what MessagePack has: the hot types, and the containers |
//! | `input.rs` | the bytes that are decoded, and which lengths are believed |
//! | `numbers.rs`, `moments.rs`, `buffers.rs`, `arrays.rs` | one family of extension types each, both ways |
//! | `registry.rs`, `registered.rs` | which types users registered; how objects of them travel |
//! | `pickled.rs` | everything else |
//! | `plain.rs` | rows of plain values, without an interpreter |
//! | `keys.rs` | the keys of dicts that were decoded last |
//! | `known.rs` | classes of modules that need not be loaded |
//! | `refused.rs` | what cannot be encoded; what cannot be decoded |
//! | `face.rs` | the functions of `typhoon._core` |
//!
//! docs/design/0011-codec.md has the reasons. Both directions need the GIL. Encoding reads objects that other code can
//! change as soon as Python code runs (a registered function, a pickle), so every container is held while it is walked
//! and its size is looked at again with every item. Decoding trusts no length: what it allocates before it has read it
//! is bounded by the bytes that are left.

mod arrays;
mod buffers;
mod decode;
mod encode;
mod face;
mod format;
mod input;
mod keys;
mod known;
mod moments;
mod numbers;
mod pickled;
mod plain;
mod refused;
mod registered;
mod registry;

use pyo3::prelude::*;

use crate::python::{Raw, Ref};

pub use decode::Decoded;
pub use face::{decode_values, encode_values, register_codec_type, time_codec};
pub use plain::{decode as decode_row, encode as encode_row};
pub use refused::Refused;

/// What may travel.
#[derive(Clone, Copy)]
pub struct Options {
    /// Values that nothing else can carry are pickled; false: they are refused, in both directions.
    pub pickle: bool,
    /// How many bytes the values of one tuple may take, checked at every container and at the end of each value.
    pub limit: usize,
}

/// The usual [`Options::limit`].
pub const LIMIT: usize = 1 << 30;

impl Default for Options {
    fn default() -> Self {
        Options {
            pickle: true,
            limit: LIMIT,
        }
    }
}

/// The values of one tuple, borrowed.
#[derive(Clone, Copy)]
pub enum Values {
    /// A Python tuple.
    Many(Raw),
    /// The value of a tuple of one.
    Lone(Raw),
}

/// Append the values to `out`, which is as before if they are refused.
///
/// May call Python code (registered functions, pickle) and so release the GIL in between; never for values of the plain
/// types.
///
/// # Safety
/// The objects are alive and stay so until it returns; the GIL is held.
#[inline]
pub unsafe fn encode(values: Values, out: &mut Vec<u8>, options: Options) -> Result<(), Refused> {
    // SAFETY: as required of the caller.
    unsafe { encode::row(values, out, options) }
}

/// The Python tuple of values that `bytes` hold, all of them: more or fewer bytes are an error.
///
/// May call Python code, as `encode`. Raises `CorruptDataError` for bytes that no encoder wrote, `CodecError` for what
/// this process cannot make objects of.
#[inline]
pub fn decode(py: Python<'_>, bytes: &[u8], options: Options) -> PyResult<Ref> {
    decode::row(py, bytes, options)
}

/// The same, but the only value of a tuple of one comes by itself.
///
/// # Errors
/// As [`decode`].
#[inline]
pub fn decode_payload(py: Python<'_>, bytes: &[u8], options: Options) -> PyResult<Decoded> {
    decode::payload(py, bytes, options)
}
