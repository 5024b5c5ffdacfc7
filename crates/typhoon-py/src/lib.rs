//! The door: what the engine needs to run Python objects, and what Python needs to run the engine.
//!
//! | file | what passes through |
//! |---|---|
//! | `base.rs` | `SpoutBase`, `BoltBase`: hand-made types whose `emit` is called once per tuple |
//! | `tuple/` | `Tuple`: hand-made, since one is bound for every call of `process` |
//! | `handle.rs` | what a component or a kept tuple holds of the engine; it outlives it |
//! | `outward/` | emit, ack and fail, from the owner's thread and from any other |
//! | `component.rs` | the types that the engine is compiled for; its `Component` |
//! | `executor/` | that, by calling Python: spouts, bolts, batches |
//! | `payload.rs`, `hash.rs` | values on their way; the stable hash of fields grouping |
//! | `codec/` | values as bytes, for another process |
//! | `engine/`, `plan.rs` | the `Engine` class that a worker drives |
//! | `stepper.rs` | one line of it, driven by an event loop |
//!
//! Everything here runs with the GIL held unless a line says otherwise; that is what guards the raw pointers. The
//! rules: no `&mut` lives across a call into Python or a DECREF, and no Python object points at engine state except
//! through a [`handle::Handle`], which is empty whenever its executor is not in a call (or, for coroutines, in a step).

mod base;
mod clock;
mod codec;
mod component;
mod engine;
mod errors;
mod executor;
mod handle;
mod hash;
mod outward;
mod packed;
mod payload;
mod plan;
mod python;
mod ran;
mod stepper;
mod tuple;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::codec::{decode_values, encode_values, register_codec_type, time_codec};
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::handle::Handle;
    #[pymodule_export]
    use super::ran::must_have_run;
    #[pymodule_export]
    use super::stepper::Stepper;
    use super::{base, hash, outward, tuple};
    use pyo3::prelude::*;

    /// The hash that fields grouping uses: the same in every process, equal for equal keys.
    #[pyfunction]
    fn stable_hash(value: &Bound<'_, PyAny>) -> PyResult<u64> {
        hash::of(value.as_ptr()).map_err(|error| hash::raise(value.py(), error, "stable_hash", &[]))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        tuple::add_to(module)?;
        outward::add_current_tuple(module)?;
        base::add_to(module)
    }
}
