//! Bolts: a Tuple is bound, `process` is called, and what it left open is settled.

use std::ptr;
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use typhoon_core::engine::{Desk, Stop};
use typhoon_core::flow::{Envelope, Parcel, STREAM_TICK};

use super::batch::BATCH;
use super::{Executor, Verdict, attached};
use crate::component::Kit;
use crate::payload::Payload;
use crate::ran::ran;
use crate::tuple::{State, TupleObject};

impl Executor {
    pub fn process(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        self.lend(desk, |this| {
            if this.tasks.iter().any(|task| task.many.is_some()) {
                return this.process_batches(desk);
            }
            // SAFETY: the desk is lent to us; no reference to it lives across a call into Python.
            while let Some(envelope) = unsafe { this.has_free(desk).then(|| (*desk).take()).flatten() } {
                let slot = match this.tasks.len() {
                    1 => 0,
                    // SAFETY: as above.
                    _ => unsafe { (*desk).slot(envelope.way.destination()) },
                };
                if envelope.payload.is_packed() {
                    if let Some(envelope) = this.unpack(desk, slot, envelope) {
                        this.process_one(desk, slot, envelope)?;
                    }
                    continue;
                }
                this.process_one(desk, slot, envelope)?;
            }
            Ok(())
        })
    }

    /// May one more be taken? Always, but where coroutines go on after the turn.
    #[inline(always)]
    pub(super) fn has_free(&self, desk: *mut Desk<Kit>) -> bool {
        let Some(limit) = self.in_flight else {
            return true;
        };
        let free = self.handles[0].get().in_flight.load(Ordering::Relaxed) < limit;
        if !free {
            // SAFETY: lent; no Python code runs.
            unsafe { (*desk).shut() }
        }
        free
    }

    /// A coroutine has been started for an input.
    pub(super) fn went_away(&self, desk: *mut Desk<Kit>) {
        self.handles[0].get().in_flight.fetch_add(1, Ordering::Relaxed);
        // SAFETY: lent; no Python code runs.
        unsafe { (*desk).go_away() }
    }

    /// From bytes of another worker to Python objects. What cannot be read fails its trees, and is reported.
    pub(super) fn unpack(
        &self,
        desk: *mut Desk<Kit>,
        slot: usize,
        envelope: Envelope<Payload>,
    ) -> Option<Envelope<Payload>> {
        let Envelope {
            payload,
            lineage,
            way,
        } = envelope;
        let py = attached();
        let options = crate::codec::Options {
            pickle: self.handles[slot].get().pickle,
            ..crate::codec::Options::default()
        };
        match payload.unpack(py, options) {
            Ok(payload) => Some(Envelope {
                payload,
                lineage,
                way,
            }),
            Err(error) => {
                let schema = self.schemas[usize::from(way.stream())].bind(py);
                let told = self
                    .shell
                    .bind(py)
                    .call_method1("unreadable", (slot, schema, error.into_value(py)));
                if let Err(error) = told {
                    error.write_unraisable(py, None);
                }
                // SAFETY: lent; no Python code runs.
                unsafe { (*desk).fail(&lineage) };
                None
            }
        }
    }

    /// Fill a Tuple for this envelope. Null when out of memory.
    #[inline(always)]
    pub(super) fn bind(&mut self, slot: usize, envelope: Envelope<Payload>, tick: bool) -> *mut TupleObject {
        let Envelope {
            payload,
            lineage,
            way,
        } = envelope;
        let schema = match tick {
            true => self.schemas[self.schemas.len() - 1].as_ptr(),
            false => self.schemas[way.stream() as usize].as_ptr(),
        };
        let task = &mut self.tasks[slot];
        let state = if tick { State::Loose } else { State::Open };
        // SAFETY: GIL held; a spare is unbound and ours, and so is a fresh one.
        unsafe {
            let tuple = match task.spares.pop() {
                Some(tuple) => tuple,
                None => TupleObject::fresh(task.handle),
            };
            if tuple.is_null() || TupleObject::bind(tuple, payload, schema, way.source(), lineage, state) {
                if way.is_timed() && !tuple.is_null() {
                    TupleObject::time(tuple);
                }
                return tuple;
            }
            TupleObject::discard(tuple);
        }
        ptr::null_mut()
    }

    #[inline(always)]
    pub(super) fn unbind(&mut self, slot: usize, tuple: *mut TupleObject) {
        // SAFETY: bound by `bind`, and its reference is ours. Values are let go here, which may run any code: the
        // fields used afterwards are read anew.
        unsafe {
            if TupleObject::unbind(tuple) {
                if self.tasks[slot].spares.len() < BATCH {
                    self.tasks[slot].spares.push(tuple);
                } else {
                    TupleObject::discard(tuple);
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn process_one(
        &mut self,
        desk: *mut Desk<Kit>,
        slot: usize,
        envelope: Envelope<Payload>,
    ) -> Result<(), Stop> {
        let tick = envelope.way.stream() == STREAM_TICK;
        if tick {
            return self.process_tick(desk, slot, envelope);
        }
        let tuple = self.bind(slot, envelope, false);
        if tuple.is_null() {
            return Err(Stop);
        }
        let task = &self.tasks[slot];
        if task.auto_anchor {
            task.handle().current.store(tuple, Ordering::Relaxed);
        }
        // A coroutine may have ended before the call that starts it returns: so it is counted first.
        let goes_on = self.in_flight.is_some();
        if goes_on {
            self.went_away(desk);
        }
        // SAFETY: alive; GIL held.
        let result = ran(
            unsafe { task.main.call(task.object.as_ptr(), tuple.cast()) },
            "process",
        );
        let mut verdict = Ok(());
        let (mut settle, mut failed) = (task.auto_ack && !goes_on, false);
        if result.is_null() {
            match self.failed(slot, "process", Some(tuple.cast())) {
                Verdict::Fail => (settle, failed) = (self.tasks[slot].auto_fail, true),
                Verdict::Drop => settle = true,
                Verdict::Exit => (settle, verdict) = (false, Err(Stop)),
            }
        } else {
            // SAFETY: a new reference.
            unsafe { ffi::Py_DECREF(result) };
        }
        self.tasks[slot]
            .handle()
            .current
            .store(ptr::null_mut(), Ordering::Relaxed);
        if settle {
            self.settle(desk, tuple, failed);
        }
        self.unbind(slot, tuple);
        verdict
    }

    /// Ack or fail a tuple that its bolt left open.
    #[inline(always)]
    pub(super) fn settle(&self, desk: *mut Desk<Kit>, tuple: *mut TupleObject, failed: bool) {
        // SAFETY: bound and ours; the desk is lent. Of these calls only `TupleObject::settle` may run Python code.
        unsafe {
            if (*tuple).state != State::Open {
                return;
            }
            TupleObject::settle(tuple, failed);
            if failed {
                (*desk).fail(&(*tuple).lineage);
            } else {
                (*desk).ack(&(*tuple).lineage, (*tuple).made);
            }
        }
    }

    #[inline(never)]
    pub(super) fn process_tick(
        &mut self,
        desk: *mut Desk<Kit>,
        slot: usize,
        envelope: Envelope<Payload>,
    ) -> Result<(), Stop> {
        // SAFETY: lent.
        unsafe { (*desk).ticked(slot) };
        let tuple = self.bind(slot, envelope, true);
        if tuple.is_null() {
            return Err(Stop);
        }
        if self.in_flight.is_some() {
            self.went_away(desk);
        }
        let result = match &self.tasks[slot].ticked {
            Some(method) => self.call(slot, "process_tick", method, tuple.cast()),
            None => Ok(()),
        };
        self.unbind(slot, tuple);
        result
    }
}
