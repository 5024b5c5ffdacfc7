//! `process_many`: what waits for a task, in one call.

use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;
use typhoon_core::ack::Root;
use typhoon_core::engine::{Desk, Stop};
use typhoon_core::flow::{Parcel, STREAM_TICK};

use super::{Executor, Verdict, attached};
use crate::component::Kit;
use crate::ran::ran;
use crate::tuple::{State, TupleObject};

/// Tuples that one call of `process_many` gets at most, and spares that a task keeps.
pub(super) const BATCH: usize = 128;

impl Executor {
    /// `process_many`: what waits for a task, in one call.
    pub(super) fn process_batches(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        let mut batches = self.tasks.iter().map(|_| Vec::new()).collect::<Vec<_>>();
        let result = self.batch_by_batch(desk, &mut batches);
        // Only when a batch stopped the worker are any left.
        for (slot, batch) in batches.into_iter().enumerate() {
            for tuple in batch {
                self.unbind(slot, tuple);
            }
        }
        result
    }

    pub(super) fn batch_by_batch(
        &mut self,
        desk: *mut Desk<Kit>,
        batches: &mut [Vec<*mut TupleObject>],
    ) -> Result<(), Stop> {
        let py = attached();
        // SAFETY: lent.
        while let Some(envelope) = unsafe { (*desk).take() } {
            // SAFETY: lent.
            let slot = unsafe { (*desk).slot(envelope.way.destination()) };
            if envelope.way.stream() == STREAM_TICK {
                self.process_batch(py, desk, slot, std::mem::take(&mut batches[slot]))?;
                self.process_tick(desk, slot, envelope)?;
                continue;
            }
            let envelope = match envelope.payload.is_packed() {
                true => match self.unpack(desk, slot, envelope) {
                    Some(envelope) => envelope,
                    None => continue,
                },
                false => envelope,
            };
            let tuple = self.bind(slot, envelope, false);
            if tuple.is_null() {
                return Err(Stop);
            }
            batches[slot].push(tuple);
            if batches[slot].len() == BATCH {
                self.process_batch(py, desk, slot, std::mem::take(&mut batches[slot]))?;
            }
        }
        for (slot, batch) in batches.iter_mut().enumerate() {
            self.process_batch(py, desk, slot, std::mem::take(batch))?;
        }
        Ok(())
    }

    pub(super) fn process_batch(
        &mut self,
        py: Python<'_>,
        desk: *mut Desk<Kit>,
        slot: usize,
        batch: Vec<*mut TupleObject>,
    ) -> Result<(), Stop> {
        let Some(method) = self.tasks[slot].many.as_ref().filter(|_| !batch.is_empty()) else {
            return Ok(());
        };
        let task = &self.tasks[slot];
        let handle = task.handle();
        // SAFETY: bound tuples of ours; the list has references of its own.
        let tuples = batch
            .iter()
            .map(|tuple| unsafe { Bound::from_borrowed_ptr(py, tuple.cast::<ffi::PyObject>()) });
        let Ok(list) = PyList::new(py, tuples) else {
            return Err(Stop);
        };
        handle.in_batch.store(task.auto_anchor, Ordering::Relaxed);
        // SAFETY: alive; GIL held.
        let result = ran(
            unsafe { method.call(task.object.as_ptr(), list.as_ptr()) },
            "process_many",
        );
        let mut verdict = Ok(());
        let (mut settle, mut failed) = (task.auto_ack, false);
        if result.is_null() {
            match self.failed(slot, "process_many", Some(list.as_ptr())) {
                Verdict::Fail => (settle, failed) = (self.tasks[slot].auto_fail, true),
                Verdict::Drop => settle = true,
                Verdict::Exit => (settle, verdict) = (false, Err(Stop)),
            }
        } else {
            // SAFETY: a new reference.
            unsafe { ffi::Py_DECREF(result) };
        }
        drop(list);
        let handle = self.tasks[slot].handle();
        handle.in_batch.store(false, Ordering::Relaxed);
        let root = handle.relay_root.swap(0, Ordering::Relaxed);
        let made = handle.relay_made.swap(0, Ordering::Relaxed);
        if root == 0 || failed || !settle {
            if settle {
                batch.iter().for_each(|tuple| self.settle(desk, *tuple, failed));
            }
            if root != 0 {
                // Nothing waits for what was emitted.
                // SAFETY: lent.
                unsafe { (*desk).seal_relay(Root::from_bits(root), Vec::new(), made) };
            }
        } else {
            self.settle_with_relay(desk, &batch, Root::from_bits(root), made);
        }
        for tuple in batch {
            self.unbind(slot, tuple);
        }
        verdict
    }

    /// The inputs of a batch are acked when all that was emitted for it is.
    pub(super) fn settle_with_relay(
        &self,
        desk: *mut Desk<Kit>,
        batch: &[*mut TupleObject],
        root: Root,
        made: u64,
    ) {
        let mut inputs = Vec::with_capacity(batch.len());
        for tuple in batch {
            // SAFETY: bound tuples of ours; GIL held.
            unsafe {
                if (**tuple).state == State::Open {
                    TupleObject::settle(*tuple, false);
                    (*desk).count_ack();
                    inputs.push((std::mem::take(&mut (**tuple).lineage), (**tuple).made));
                }
            }
        }
        // SAFETY: lent.
        unsafe { (*desk).seal_relay(root, inputs, made) };
    }
}
